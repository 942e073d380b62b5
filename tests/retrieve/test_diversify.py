from __future__ import annotations

import numpy as np
import pytest

from trivium.errors import UsageError
from trivium.retrieve.diversify import mmr
from trivium.types import Chunk, Hit


def hits(*scores: float) -> list[Hit]:
    return [Hit(Chunk("abcd"[n], "d", "s", "t", 0, 1), score, ("x",)) for n, score in enumerate(scores)]


def unit(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)


VECTORS = {"a": unit(0.0), "b": unit(0.1), "c": unit(np.pi / 2), "d": unit(np.pi / 4)}


def test_by_hand() -> None:
    # Relevance over the list: a 1, b 0.9, c 0.5, d 0. After a, with balance 0.5:
    # b: 0.45 - 0.5 cos 0.1 = -0.0475, c: 0.25 - 0 = 0.25, d: 0 - 0.3536. After a and c:
    # b: 0.45 - 0.5 cos 0.1 = -0.0475, d: -0.5 cos(pi/4) = -0.3536.
    assert [h.chunk.id for h in mmr(hits(1.0, 0.95, 0.75, 0.5), VECTORS, k=4, balance=0.5)] == ["a", "c", "b", "d"]


def test_the_ends_of_the_balance() -> None:
    scored = hits(1.0, 0.95, 0.75, 0.5)
    assert mmr(scored, VECTORS, k=4, balance=1.0) == scored
    assert [h.chunk.id for h in mmr(scored, VECTORS, k=2, balance=0.0)] == ["a", "c"]


def test_k_and_missing_vectors() -> None:
    assert len(mmr(hits(1.0, 0.5), VECTORS, k=1)) == 1
    assert len(mmr(hits(1.0, 0.5), {}, k=5)) == 2
    assert mmr([], VECTORS, k=3) == []
    assert [h.chunk.id for h in mmr(hits(1.0, 1.0), VECTORS, k=2)] == ["a", "b"]


def test_a_wrong_balance_is_refused() -> None:
    with pytest.raises(UsageError, match=r"1\.5"):
        mmr(hits(1.0), VECTORS, k=1, balance=1.5)
