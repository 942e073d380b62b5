"""Choose passages that are relevant and unlike each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trivium.errors import UsageError
from trivium.models.base import Vectors
from trivium.types import Hit


def mmr(hits: Sequence[Hit], vectors: Mapping[str, Vectors], *, k: int, balance: float = 0.7) -> list[Hit]:
    """Pick `k` hits one by one, the best by `balance * relevance - (1 - balance) * likeness` each time.

    Maximal marginal relevance: Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking
    for reordering documents and producing summaries". The relevance is the hit's score brought to 0..1
    over the list; the likeness is the cosine to the nearest hit that was picked.

    Args:
        hits: best first.
        vectors: chunk id to unit vector, shape (dimension,); a hit without one is like nothing.
        k: how many to pick.
        balance: 1 keeps the order of the scores, 0 looks at diversity only.

    Returns:
        The picked hits in the order of picking, with their scores unchanged.

    Raises:
        UsageError: `balance` is outside 0 to 1.
    """
    if not 0.0 <= balance <= 1.0:
        raise UsageError(f"The balance of MMR is {balance}.", "Give a number from 0 to 1.")
    if not hits:
        return []
    relevance = _unit_range(np.array([hit.score for hit in hits], dtype=np.float64))  # (n,)
    likeness = _likeness(hits, vectors)  # (n, n)
    left = list(range(len(hits)))
    picked: list[int] = []
    while left and len(picked) < k:
        nearest = likeness[np.ix_(left, picked)].max(axis=1) if picked else np.zeros(len(left))
        gain = balance * relevance[left] - (1.0 - balance) * nearest
        picked.append(left.pop(int(np.argmax(gain))))
    return [hits[place] for place in picked]


def _unit_range(scores: np.ndarray) -> np.ndarray:
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)


def _likeness(hits: Sequence[Hit], vectors: Mapping[str, Vectors]) -> np.ndarray:
    """Return the cosine of each pair, shape (n, n); 0 where a vector is missing."""
    dimension = next((vector.shape[0] for vector in vectors.values()), 1)
    nothing = np.zeros(dimension, dtype=np.float32)
    rows = np.stack([vectors.get(hit.chunk.id, nothing) for hit in hits])
    return np.asarray(rows @ rows.T, dtype=np.float64)
