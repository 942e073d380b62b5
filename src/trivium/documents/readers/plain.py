"""Plain text, Markdown and source code: kept as written, taken apart at headings, tables and code."""

from __future__ import annotations

import itertools
import re

from trivium.documents.parts import Part, Reading
from trivium.documents.readers.web import read_html
from trivium.documents.structure import spans_between, split_markdown, without_comments

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*\n", re.S)
_FIELD = re.compile(r"^(title|author|authors|date|lang|language)[ \t]*:[ \t]*(.+?)[ \t]*$", re.M | re.I)


# The parts of a Chinese book or statute, and of an English one, from the largest on.
_COUNT = r"第[一二三四五六七八九十百零〇\d]{1,5}"
_CHAPTERS = (
    re.compile(rf"{_COUNT}[编篇部卷](?:分)?(?:[ \u3000:：]+\S.{{0,30}})?|(?:PART|BOOK) (?:[IVXLC]+|\d+)\b.{{0,60}}"),
    re.compile(rf"{_COUNT}章(?:[ \u3000:：]*\S.{{0,30}})?|(?:CHAPTER|Chapter) (?:[IVXLC]+|\d+)\b.{{0,60}}"),
    re.compile(rf"{_COUNT}节(?:[ \u3000:：]*\S.{{0,30}})?"),
)
_NO_TITLE_END = re.compile(r"[。，；、,;]$|[.…·]{2,}\s*\d*$|\d$")


_HEADING_TAG = re.compile(r"<h([1-6])\b[^<>]{0,300}>([^\n]{0,500}?)</h\1>", re.I)
_CODE_SPAN = re.compile(r"(`+[^`]+`+)")
_BADGE = re.compile(r"\[!\[[^\[\]\n]*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])\](?:\([^()\n]*\)|\[[^\[\]\n]*\])")
_IMAGE = re.compile(r"!\[([^\[\]\n]*)\](?:\([^()\n]*\)|\[[^\[\]\n]*\])")
_IMAGE_TAG = re.compile(r"<img\b[^>]*>", re.I)
_ALT = re.compile(r"""\balt\s*=\s*["']([^"']*)["']""", re.I)
_BREAK_TAG = re.compile(r"<br\s*/?>", re.I)
_TAG = re.compile(
    r"</?(?:a|abbr|b|blockquote|center|code|dd|del|details|div|dl|dt|em|figcaption|figure|font|hr|i|iframe|ins|kbd|li"
    r"|mark|ol|p|picture|pre|q|s|samp|section|small|source|span|strike|strong|sub|summary|sup|u|ul|var|video)\b[^<>]*>",
    re.I,
)


def read_text(text: str) -> Reading:
    """Read plain text; Markdown inside it (headings, tables, fences) is seen, for many write it in `.txt`.

    Without such headings, lines that name a chapter (`第三章 总则`, `CHAPTER IV`) are headings, unless they follow
    one on another as in a table of contents.
    """
    parts = split_markdown(text.replace("\r\n", "\n").replace("\r", "\n"))
    if not any(part.kind == "heading" for part in parts):
        parts = [found for part in parts for found in (_chapters(part.text) if part.kind == "prose" else [part])]
    return Reading(parts)


def _chapters(text: str) -> list[Part]:
    """Part a text at the lines that name its chapters."""
    lines = text.split("\n")
    marks = [(at, level) for at, line in enumerate(lines) if (level := _chapter_level(line.strip()))]
    filled = [at for at, line in enumerate(lines) if line.strip()]
    after = dict(itertools.pairwise(filled))
    levels = dict(marks)
    parts: list[Part] = []
    start = 0
    for at, level in marks:
        below = levels.get(after.get(at, -1), 9)
        if below <= level:  # the next line names a chapter of the same kind: a table of contents
            continue
        body = "\n".join(lines[start:at]).strip("\n")
        parts.extend([Part(body), Part(lines[at].strip(), "heading", level)])
        start = at + 1
    return [*parts, Part("\n".join(lines[start:]).strip("\n"))]


def _chapter_level(line: str) -> int:
    """Return 1 to 3 for a line that names a part, chapter or section, else 0."""
    if len(line) > 80 or line[:1] not in "第PBCc" or _NO_TITLE_END.search(line):
        return 0
    return next((level for level, pattern in enumerate(_CHAPTERS, 1) if pattern.fullmatch(line)), 0)


def read_markdown(text: str) -> Reading:
    """Read Markdown. Front matter gives title, author, date and language; so does the first heading, the title."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    fields: dict[str, str] = {}
    front = _FRONT_MATTER.match(text)
    if front and _FIELD.search(front.group(1)):
        fields = {key.lower(): value.strip("\"'[]") for key, value in _FIELD.findall(front.group(1))}
        text = text[front.end() :]
    parts = [
        found for part in split_markdown(text) for found in (without_tags(part) if part.kind == "prose" else [part])
    ]
    first = next((part for part in parts if part.kind == "heading"), None)
    return Reading(
        parts,
        title=fields.get("title") or (first.text if first and first.level == 1 else ""),
        author=fields.get("author") or fields.get("authors", ""),
        created=fields.get("date", ""),
        language=fields.get("lang") or fields.get("language", ""),
    )


def without_tags(part: Part) -> list[Part]:
    """Return prose without what Markdown borrows from HTML: tags, comments, badges; its tables and headings stay.

    Links are kept as written, and so is what stands between backticks.
    """
    if "<" not in part.text and "![" not in part.text:
        return [part]
    text = without_comments(part.text)
    tables = list(spans_between(text, "<table", "</table>"))
    if tables:
        pieces: list[Part] = []
        at = 0
        for start, end in tables:
            pieces += [Part(text[at:start]), *read_html(text[start:end], fragment=True).parts]
            at = end
        pieces.append(Part(text[at:]))
        return [done for piece in pieces for done in (without_tags(piece) if piece.kind == "prose" else [piece])]
    text = _HEADING_TAG.sub(lambda found: f"\n\n{'#' * int(found[1])} {found[2].strip()}\n\n", text)
    spans = _CODE_SPAN.split(text)
    spans[::2] = [_tidied(span) for span in spans[::2]]
    return split_markdown("".join(spans))


def _tidied(text: str) -> str:
    """Drop badges, the addresses of pictures, and tags from text outside code."""
    text = _BADGE.sub("", text)
    text = _IMAGE.sub(lambda found: _shown(found[1]), text)
    text = _IMAGE_TAG.sub(lambda found: _shown(_ALT.search(found.group())), text)
    return _TAG.sub("", _BREAK_TAG.sub("\n", text))


def _shown(found: str | re.Match[str] | None) -> str:
    """Return what a picture shows, where it is said in more than a name."""
    text = found[1] if isinstance(found, re.Match) else found or ""
    return f"[{text}]" if len(text.split()) > 2 or (len(text) > 3 and not text.isascii()) else ""


def read_code(text: str) -> Reading:
    """Read a source file as one block of code."""
    return Reading([Part(text, "code")])
