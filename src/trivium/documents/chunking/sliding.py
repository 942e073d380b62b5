"""Sentence-aware sliding window: the default."""

from __future__ import annotations

from trivium.documents.chunking.packing import pack
from trivium.documents.chunking.piece import OVERLAP, SIZE, Outline, Piece, Tokens
from trivium.documents.chunking.units import TokenCounter, units_of
from trivium.types import Document


def sliding(document: Document, *, tokens: Tokens, size: int = SIZE, overlap: int | None = None) -> list[Piece]:
    """Return pieces of up to `size` tokens of whole sentences; neighbours share up to `overlap` tokens.

    Only a sentence longer than `size` is cut. Tables are cut between rows, and each piece names the header; code
    is cut between definitions where they fit. A new section begins a new piece unless the last one is small.

    Raises:
        ValueError: `size` is not positive, or `overlap` is not from 0 to half of `size`.
    """
    overlap = checked_overlap(size, overlap)
    units = units_of(document, TokenCounter(document.text, tokens), size)
    return pack(units, Outline(document), size=size, overlap=overlap)


def checked_overlap(size: int, overlap: int | None) -> int:
    """Return the overlap to use; raise ValueError for sizes that no chunking can use."""
    if size < 1:
        raise ValueError(f"The size of a chunk must be at least 1 token, not {size}.")
    if overlap is None:
        return min(OVERLAP, size // 4)
    if not 0 <= overlap <= size // 2:
        raise ValueError(f"The overlap of chunks must lie from 0 to half their size ({size // 2}), not {overlap}.")
    return overlap
