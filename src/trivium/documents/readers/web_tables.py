"""Tables of HTML: cells that span rows and columns, laid out as a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trivium.documents.parts import Part

_MAX_SPAN = 100
_MAX_CELLS = 200_000


@dataclass(slots=True)
class OpenTable:
    """A table while it is open: rows of cells, each with its text and its spans."""

    rows: list[list[tuple[str, int, int]]] = field(default_factory=list)
    cell: list[Part] | None = None
    spans: tuple[int, int] = (1, 1)
    heads: int = 0
    nested: bool = False
    presentation: bool = False


def in_cell(parts: Sequence[Part]) -> str:
    """Return the parts of a table cell as one line; the items of a list are parted by semicolons."""
    text = ""
    listed = False
    for part in parts:
        item = part.text.lstrip().startswith("- ")
        words = part.text.strip().removeprefix("- ")
        text += (("; " if item and listed else " ") if text else "") + words
        listed = item
    return text


def span(value: str) -> int:
    return min(int(value), _MAX_SPAN) if value.isdecimal() and int(value) > 0 else 1


def grid(rows: list[list[tuple[str, int, int]]]) -> list[list[str]]:
    """Lay out cells that span rows and columns; the text is repeated in each place that it spans."""
    laid: list[list[str]] = []
    pending: dict[int, tuple[str, int]] = {}  # column -> text and rows still to fill
    count = 0
    for row in rows:
        line: list[str] = []
        cells = list(row)[::-1]
        while cells or (pending and max(pending) >= len(line)):
            at = len(line)
            if at in pending:
                text, left = pending.pop(at)
                line.append(text)
                if left > 1:
                    pending[at] = (text, left - 1)
            elif not cells:
                line.append("")
            else:
                text, down, across = cells.pop()
                line.extend([text] * across)
                if down > 1:
                    pending.update(dict.fromkeys(range(at, at + across), (text, down - 1)))
        count += len(line)
        if count > _MAX_CELLS:
            break
        if any(line):
            laid.append(line)
    return laid
