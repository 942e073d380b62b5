"""Pack units into pieces: full, but cut at the best place near the end."""

from __future__ import annotations

from collections.abc import Sequence

from trivium.documents.chunking.piece import Outline, Piece, shorten
from trivium.documents.chunking.units import GLUED, HEADING, PARAGRAPH, SENTENCE, Unit

_LOWEST_FILL = 0.5
_OWN_SECTION = 0.25


def pack(
    units: Sequence[Unit], outline: Outline, *, size: int, overlap: int, merge_sections: bool = True
) -> list[Piece]:
    """Return pieces of at most `size` tokens.

    A piece ends at the start of a section, unless it holds less than a quarter of `size` (small sections share a
    piece; with `merge_sections` false they never do). Else it is filled, and cut at the last start of a block or
    paragraph in its second half, or after a sentence. A piece cut inside a paragraph shares up to `overlap` tokens
    of whole sentences with the next.
    """
    pieces: list[Piece] = []
    at = 0
    covered = 0  # units before this one are in a piece
    while covered < len(units):
        end = _end(units, at, covered, size, merge_sections)
        pieces.append(_piece(units[at:end], outline))
        covered = end
        at = _start(units, at, end, overlap, size)
    return pieces


def _end(units: Sequence[Unit], at: int, covered: int, size: int, merge_sections: bool) -> int:
    """Return the unit before which the piece that begins at unit `at` ends; it is beyond `covered`."""
    held = 0
    end = at
    section = size * _OWN_SECTION if merge_sections else 0
    while end < len(units):
        unit = units[end]
        if end > covered and unit.cut == HEADING and held >= section and held > 0:
            return end
        if held + unit.tokens > size and end > covered:
            return _best_cut(units, at, covered, end, size)
        held += unit.tokens
        end += 1
    return end


def _best_cut(units: Sequence[Unit], at: int, covered: int, end: int, size: int) -> int:
    """Return the best place to cut at or before `end`, in the second half of the piece."""
    best = end
    held = sum(unit.tokens for unit in units[at:end])
    for place in range(end - 1, covered, -1):
        held -= units[place].tokens
        if held < size * _LOWEST_FILL and units[best].cut != GLUED:
            break
        if units[place].cut > units[best].cut:
            best = place
    return best


def _start(units: Sequence[Unit], at: int, end: int, overlap: int, size: int) -> int:
    """Return where the next piece begins: at `end`, or some sentences before it inside a paragraph."""
    if end >= len(units) or units[end].cut != SENTENCE or units[end].kind != "text":
        return end
    held = 0
    start = end
    room = min(overlap, size - units[end].tokens)
    while start - 1 > at:
        unit = units[start - 1]
        held += unit.tokens
        if held > room or unit.kind != "text":
            break
        start -= 1
        if unit.cut >= PARAGRAPH:
            break
    return start


def _piece(units: Sequence[Unit], outline: Outline) -> Piece:
    """Make a piece of neighbouring units."""
    first = units[0]
    kinds = {unit.kind for unit in units}
    headings = outline.path(first.start)
    if first.header:
        headings = (*headings, *shorten((first.header,)))
    kind = first.kind if len(kinds) == 1 else "text"
    return Piece(
        first.start,
        units[-1].end,
        outline.page(first.start),
        headings,
        None,
        "table" if kind == "table" else "code" if kind == "code" else "text",
    )
