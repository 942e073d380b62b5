from __future__ import annotations

from trivium.models.fake import FakeReranker
from trivium.retrieve.rerank import rerank
from trivium.retrieve.threshold import at_least
from trivium.types import Chunk, Hit


def hit(id: str, text: str, score: float, **scores: float) -> Hit:
    return Hit(Chunk(id, "d", "s", text, 0, len(text)), score, tuple(scores), scores)


def test_the_reranker_has_the_last_word() -> None:
    hits = [hit("a", "cats sleep", 0.9, dense=0.9), hit("b", "the warranty lasts", 0.1, lexical=0.1)]
    judged = rerank("how long is the warranty", hits, FakeReranker())
    assert [h.chunk.id for h in judged] == ["b", "a"]
    assert judged[0].scores == {"lexical": 0.1, "rerank": judged[0].score}
    assert judged[0].found_by == ("lexical",)


def test_nothing_is_not_sent_to_the_model() -> None:
    model = FakeReranker()
    assert rerank("q", [], model) == []
    assert model.calls == 0


def test_thresholds() -> None:
    hits = [hit("a", "", 0.9, dense=0.2), hit("b", "", 0.5, lexical=7.0), hit("c", "", 0.1, dense=0.6, lexical=1.0)]
    assert [h.chunk.id for h in at_least(hits, 0.5)] == ["a", "b"]
    assert [h.chunk.id for h in at_least(hits, {"dense": 0.5, "lexical": 5.0})] == ["b", "c"]
    assert at_least(hits, {"rerank": 0.0}) == []
