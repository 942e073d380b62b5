"""By headings: one piece per section."""

from __future__ import annotations

from trivium.documents.chunking.packing import pack
from trivium.documents.chunking.piece import SIZE, Outline, Piece, Tokens
from trivium.documents.chunking.sliding import checked_overlap
from trivium.documents.chunking.units import TokenCounter, units_of
from trivium.types import Document


def by_headings(document: Document, *, tokens: Tokens, size: int = SIZE, overlap: int | None = None) -> list[Piece]:
    """Return one piece per heading and its text; a section of more than `size` tokens is cut as `sliding` does.

    Unlike there, small sections never share a piece. A document without headings is cut as by `sliding`.

    Raises:
        ValueError: `size` is not positive, or `overlap` is not from 0 to half of `size`.
    """
    overlap = checked_overlap(size, overlap)
    units = units_of(document, TokenCounter(document.text, tokens), size)
    return pack(units, Outline(document), size=size, overlap=overlap, merge_sections=False)
