"""Small to big: small pieces are searched, the larger stretch around them is shown to the model."""

from __future__ import annotations

from dataclasses import replace

from trivium.documents.chunking.packing import pack
from trivium.documents.chunking.piece import Outline, Piece, Tokens
from trivium.documents.chunking.sliding import checked_overlap
from trivium.documents.chunking.units import TokenCounter, Unit, units_of
from trivium.types import Document

_SMALL = 80
_BIG = 400


def small_to_big(
    document: Document, *, tokens: Tokens, size: int = _SMALL, overlap: int = 0, parent_size: int = _BIG
) -> list[Piece]:
    """Return pieces of up to `size` tokens whose `parent` is a stretch of up to `parent_size`, cut as by `sliding`.

    Raises:
        ValueError: `size` is not positive, `parent_size` is less, or `overlap` is not from 0 to half of `size`.
    """
    checked_overlap(size, overlap)
    if parent_size < size:
        raise ValueError(f"The parent of a chunk ({parent_size} tokens) must be at least as large as it ({size}).")
    outline = Outline(document)
    units = units_of(document, TokenCounter(document.text, tokens), size)
    pieces: list[Piece] = []
    at = 0
    for parent in pack(units, outline, size=parent_size, overlap=0):
        inside: list[Unit] = []
        while at < len(units) and units[at].start < parent.end:
            inside.append(units[at])
            at += 1
        small = pack(inside, outline, size=size, overlap=overlap)
        pieces.extend(replace(piece, parent=(parent.start, parent.end)) for piece in small)
    return pieces
