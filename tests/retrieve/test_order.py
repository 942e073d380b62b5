from __future__ import annotations

from trivium.retrieve.order import lost_in_the_middle
from trivium.types import Chunk, Hit


def hits(n: int) -> list[Hit]:
    return [Hit(Chunk(str(i), "d", "s", "t", 0, 1), 1.0 - i / 10, ("x",)) for i in range(1, n + 1)]


def test_the_best_stand_at_the_ends() -> None:
    assert [h.chunk.id for h in lost_in_the_middle(hits(6))] == ["1", "3", "5", "6", "4", "2"]
    assert [h.chunk.id for h in lost_in_the_middle(hits(5))] == ["1", "3", "5", "4", "2"]
    assert lost_in_the_middle(hits(1)) == hits(1)
    assert lost_in_the_middle([]) == []
