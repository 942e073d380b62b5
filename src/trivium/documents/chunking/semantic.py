"""Semantic: cut where the meaning of neighbouring sentences diverges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from trivium.documents.chunking.packing import pack
from trivium.documents.chunking.piece import SIZE, Outline, Piece, Tokens
from trivium.documents.chunking.sliding import checked_overlap
from trivium.documents.chunking.units import GLUED, HEADING, TokenCounter, Unit, units_of
from trivium.types import Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BUFFER = 1
_LEAST = 0.25


def semantic(
    document: Document,
    *,
    tokens: Tokens,
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    size: int = SIZE,
    overlap: int = 0,
    percentile: float = 85.0,
) -> list[Piece]:
    """Return pieces of neighbouring sentences that are alike, of up to `size` tokens.

    Each sentence is embedded with the one before and after it; the text is cut where the cosine distance to the
    next is above the `percentile` of the document's distances, and where a section begins, unless the piece holds
    less than a quarter of `size` (the method of G. Kamradt, "5 Levels of Text Splitting", 2023).

    Args:
        embed: returns one unit vector per text, shape (texts, dimension).

    Raises:
        ValueError: `size` is not positive, `overlap` is not 0, or `percentile` is not from 0 to 100.
    """
    checked_overlap(size, 0)
    if overlap:
        raise ValueError("Semantic chunking cuts where texts differ, so that nothing overlaps; leave overlap at 0.")
    if not 0 <= percentile <= 100:
        raise ValueError(f"The percentile must lie from 0 to 100, not {percentile}.")
    import numpy as np

    outline = Outline(document)
    units = units_of(document, TokenCounter(document.text, tokens), size)
    if not units:
        return []
    distances = _distances(document.text, units, embed)
    limit = float(np.percentile(distances, percentile)) if len(distances) else 1.0
    pieces: list[Piece] = []
    group: list[Unit] = []
    held = 0
    for at, unit in enumerate(units):
        apart = at > 0 and (distances[at - 1] > limit or unit.cut == HEADING) and unit.cut != GLUED
        if group and ((apart and held >= _LEAST * size) or held + unit.tokens > size):
            pieces.extend(pack(group, outline, size=size, overlap=0))
            group, held = [], 0
        group.append(unit)
        held += unit.tokens
    pieces.extend(pack(group, outline, size=size, overlap=0))
    return pieces


def _distances(
    text: str, units: Sequence[Unit], embed: Callable[[Sequence[str]], NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Return the cosine distance of each unit, seen with its neighbours, to the next; shape (units - 1,)."""
    import numpy as np

    windows = [
        text[units[max(0, at - _BUFFER)].start : units[min(len(units) - 1, at + _BUFFER)].end]
        for at in range(len(units))
    ]
    vectors = np.asarray(embed(windows), dtype=np.float64)  # (units, dimension)
    norms = np.linalg.norm(vectors, axis=1)
    norms[norms == 0] = 1.0
    distances: NDArray[np.float64] = 1.0 - np.sum(vectors[:-1] * vectors[1:], axis=1) / (norms[:-1] * norms[1:])
    return distances
