"""Plain text, Markdown and source code: kept as written, taken apart at headings, tables and code."""

from __future__ import annotations

import re

from trivium.documents.parts import Part, Reading
from trivium.documents.structure import split_markdown

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*\n", re.S)
_FIELD = re.compile(r"^(title|author|authors|date|lang|language)[ \t]*:[ \t]*(.+?)[ \t]*$", re.M | re.I)


def read_text(text: str) -> Reading:
    """Read plain text; Markdown inside it (headings, tables, fences) is seen, for many write it in `.txt`."""
    return Reading(split_markdown(text.replace("\r\n", "\n").replace("\r", "\n")))


def read_markdown(text: str) -> Reading:
    """Read Markdown. Front matter gives title, author, date and language; so does the first heading, the title."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    fields: dict[str, str] = {}
    front = _FRONT_MATTER.match(text)
    if front and _FIELD.search(front.group(1)):
        fields = {key.lower(): value.strip("\"'[]") for key, value in _FIELD.findall(front.group(1))}
        text = text[front.end() :]
    parts = split_markdown(text)
    first = next((part for part in parts if part.kind == "heading"), None)
    return Reading(
        parts,
        title=fields.get("title") or (first.text if first and first.level == 1 else ""),
        author=fields.get("author") or fields.get("authors", ""),
        created=fields.get("date", ""),
        language=fields.get("lang") or fields.get("language", ""),
    )


def read_code(text: str) -> Reading:
    """Read a source file as one block of code."""
    return Reading([Part(text, "code")])
