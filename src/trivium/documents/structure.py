"""Find the headings, tables and code of a Markdown text, and take it apart there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trivium.documents.parts import Part
from trivium.types import Span

_FENCE = re.compile(r"[ ]{0,3}(`{3,}|~{3,})([^`]*)$")
_HEADING = re.compile(r"[ ]{0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r"[ ]{0,3}(=+|-+)[ \t]*$")
_DELIMITER = re.compile(r"[ ]{0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_MAX_HEADING = 300
_MAX_DELIMITER = 10_000


def split_markdown(text: str) -> list[Part]:
    """Return the parts of a Markdown text: headings, tables, fenced code, and the prose between them.

    Prose keeps its lines; a paragraph is not split further. Headings lose their marks, to which `assemble`
    gives back the `#`; a fence without an end runs to the end of the text.
    """
    return list(_Splitter(text.split("\n")).parts())


class _Splitter:
    """Walks over the lines once."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.prose: list[str] = []

    def parts(self) -> Iterator[Part]:
        at = 0
        while at < len(self.lines):
            step = self._block(at)
            if step is None:
                self.prose.append(self.lines[at])
                at += 1
                continue
            part, at = step
            yield from self._flush()
            if part.text:
                yield part
        yield from self._flush()

    def _flush(self) -> Iterator[Part]:
        text = "\n".join(self.prose).strip("\n")
        self.prose = []
        if text.strip():
            yield Part(text)

    def _block(self, at: int) -> tuple[Part, int] | None:
        """Return the heading, code or table that begins at line `at` and the line after it."""
        line = self.lines[at]
        if "`" in line or "~" in line:
            fence = _FENCE.match(line)
            if fence:
                return self._code(at, fence.group(1))
        if line.lstrip().startswith("#"):
            heading = _HEADING.match(line) if len(line) <= _MAX_HEADING else None
            if heading:
                return Part((heading.group(2) or "").strip(), "heading", len(heading.group(1))), at + 1
        if at + 1 < len(self.lines) and line.strip():
            return self._by_next(at, line, self.lines[at + 1])
        return None

    def _by_next(self, at: int, line: str, below: str) -> tuple[Part, int] | None:
        """A table or an underlined heading shows by the line below it."""
        short = len(below) <= _MAX_DELIMITER
        if "|" in line and "-" in below and short and _DELIMITER.match(below) and _columns(line) == _columns(below):
            return self._table(at)
        alone = not self.prose or not self.prose[-1].strip()
        under = _UNDERLINE.match(below) if len(below) <= _MAX_HEADING else None
        if under and alone and len(under.group(1)) >= 2 and len(line) <= _MAX_HEADING and line[:1] not in ">-*+|":
            return Part(line.strip(), "heading", 1 if below.lstrip()[0] == "=" else 2), at + 2
        return None

    def _code(self, at: int, fence: str) -> tuple[Part, int]:
        closing = re.compile(rf"[ ]{{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*$")
        end = at + 1
        while end < len(self.lines) and not closing.match(self.lines[end]):
            end += 1
        end = min(end + 1, len(self.lines))
        return Part("\n".join(self.lines[at:end]).rstrip("\n"), "code"), end

    def _table(self, at: int) -> tuple[Part, int]:
        end = at + 2
        while end < len(self.lines) and self.lines[end].strip() and "|" in self.lines[end]:
            end += 1
        return Part("\n".join(line.strip() for line in self.lines[at:end]), "table"), end


def _columns(line: str) -> int:
    """Count the cells of a table row."""
    row = line.strip().removeprefix("|")
    row = row[:-1] if row.endswith("|") and not row.endswith("\\|") else row
    return len(re.findall(r"(?<!\\)\|", row)) + 1


def table(rows: list[list[str]]) -> str:
    """Return `rows`, the first of which is the header, as a Markdown table; short rows are filled up."""
    width = max((len(row) for row in rows), default=0)
    if not width:
        return ""
    lines = [_row(row, width) for row in rows]
    lines.insert(1, "|" + " --- |" * width)
    return "\n".join(lines)


def _row(cells: list[str], width: int) -> str:
    padded = [*cells, *[""] * (width - len(cells))]
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in padded) + " |"


def spans_between(text: str, opening: str, closing: str) -> Iterator[Span]:
    """Yield the spans from each `opening` to the next `closing`, in any case of letters, in one pass.

    A regular expression would look for the end again from each opening that has none.
    """
    lowered = text.lower() if len(text.lower()) == len(text) else text
    at = lowered.find(opening)
    while at >= 0:
        end = lowered.find(closing, at)
        if end < 0:
            return
        yield at, end + len(closing)
        at = lowered.find(opening, end + len(closing))


def without_comments(text: str) -> str:
    """Return `text` without `<!-- comments -->`; an opening without its end is only dropped itself."""
    if "<!--" not in text:
        return text
    pieces = []
    at = 0
    for start, end in spans_between(text, "<!--", "-->"):
        pieces.append(text[at:start])
        at = end
    return ("".join(pieces) + text[at:]).replace("<!--", "")
