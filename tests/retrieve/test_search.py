from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trivium
from trivium.api import KnowledgeBase
from trivium.errors import FilterError, Overtaken, UnknownName, UsageError
from trivium.index.rows import bare_chunk
from trivium.index.store import Store
from trivium.models.fake import FakeEmbedder
from trivium.retrieve.search import QUESTION_LIMIT, clean_question, search
from trivium.types import Chunk, Document, Hit

DOCUMENTS = {
    "warranty": "The warranty of the printer lasts 24 months from the day of purchase.",
    "delivery": "Delivery takes three days within the country.",
    "returns": "Returns are accepted within thirty days.",
    "保修": "打印机的保修期为二十四个月。",
}


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    base = trivium.open(tmp_path_factory.mktemp("search") / "kb", embedder=FakeEmbedder())
    for name, text in DOCUMENTS.items():
        base.add([Document(f"{name}.txt", text)], metadata={"topic": name})
    base.add([Document("secret.txt", "The warranty of the secret printer lasts 99 months.")], ["user:ada"])
    return base


class Recorder:
    """Stands in for an index, writing down what was asked of it."""

    def __init__(self, unknown_rate: float = 0.0) -> None:
        self.embedder = FakeEmbedder(unknown_rate=unknown_rate)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def hit(self, id: str, arm: str, score: float) -> Hit:
        vector = self.embedder.embed_query("warranty") * np.float32(0.5)
        chunk = Chunk(id, "d", "s", id, 0, len(id))
        if arm == "lexical":
            chunk = replace(bare_chunk(0, vector), id=id, text=id)
        return Hit(chunk, score, (arm,), {arm: score})

    def dense(self, vector: np.ndarray, **kwargs: Any) -> list[Hit]:
        self.calls.append(("dense", kwargs))
        return [self.hit("a", "dense", 0.8), self.hit("b", "dense", 0.4)]

    def lexical(self, question: str, **kwargs: Any) -> list[Hit]:
        self.calls.append(("lexical", {"question": question, **kwargs}))
        return [self.hit("b", "lexical", 6.0), self.hit("c", "lexical", 3.0)]

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        self.calls.append(("vectors", {"ids": list(ids)}))
        return {id: self.embedder.embed_query("warranty") * np.float32(0.5) for id in ids}

    def snapshot(self) -> Recorder:
        return self

    def whole(self, hits: Sequence[Hit]) -> list[Hit]:
        return list(hits)


def names(index: Recorder) -> list[str]:
    return sorted(name for name, _ in index.calls)


def test_hybrid_joins_both_arms_and_fills_in_the_cosine() -> None:
    index = Recorder()
    hits = {h.chunk.id: h for h in search(index, "warranty", k=5)}  # type: ignore[arg-type]
    assert hits["b"].score == pytest.approx(0.5 * 0.4 / 0.8 + 0.5 * 1.0)
    assert hits["b"].found_by == ("dense", "lexical")
    assert hits["c"].score == pytest.approx(0.5 * 0.5 / 0.8 + 0.5 * 0.5)  # its cosine is looked up: 0.5
    assert hits["c"].scores == pytest.approx({"lexical": 3.0, "dense": 0.5})
    assert hits["b"].scores["dense"] == 0.4  # what the dense arm itself said


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
@pytest.mark.parametrize("fusion", ["weighted", "rrf"])
def test_every_call_carries_asker_and_filter(mode: str, fusion: str) -> None:
    index = Recorder()
    search(index, "warranty", mode=mode, fusion=fusion, principals=["user:ada"], where="year = 2020")  # type: ignore[arg-type]
    arms = [kwargs for name, kwargs in index.calls if name in ("dense", "lexical")]
    assert len(arms) == (2 if mode == "hybrid" else 1)
    assert all(k["principals"] == ["user:ada"] and k["where"] == "year = 2020" for k in arms)


def test_the_dense_arm_steps_aside_for_words_it_does_not_know() -> None:
    index = Recorder(unknown_rate=0.6)
    hits = search(index, "保修期是多久", k=5)  # type: ignore[arg-type]
    assert names(index) == ["lexical"]
    assert all(h.found_by == ("lexical",) for h in hits)
    index = Recorder(unknown_rate=0.6)
    search(index, "保修期是多久", mode="dense")  # type: ignore[arg-type]
    assert names(index) == ["dense"]  # who asks for it by name gets it


def test_weights_reach_the_fusion() -> None:
    only_words = search(Recorder(), "warranty", weights={"dense": 0.0, "lexical": 1.0})  # type: ignore[arg-type]
    assert [h.chunk.id for h in only_words][:2] == ["b", "c"]


def test_thresholds_and_diversity() -> None:
    assert [h.chunk.id for h in search(Recorder(), "warranty", least=0.6)] == ["b"]  # type: ignore[arg-type]
    found = search(Recorder(), "warranty", least={"lexical": 5.0})  # type: ignore[arg-type]
    assert [h.chunk.id for h in found] == ["b"]
    index = Recorder()
    plain = [h.chunk.id for h in search(index, "warranty", k=2)]  # type: ignore[arg-type]
    diverse = [h.chunk.id for h in search(index, "warranty", k=2, diversity=0.0)]  # type: ignore[arg-type]
    assert diverse == plain
    with pytest.raises(UsageError):
        search(index, "warranty", diversity=2.0)  # type: ignore[arg-type]


def test_diversity_prefers_what_is_unlike(tmp_path: Path) -> None:
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(256))
    texts = [
        "The warranty of the printer lasts 24 months.",
        "The warranty of the printer lasts 24 months indeed.",
        "A warranty needs the receipt from the shop.",
    ]
    kb.add([Document(f"{n}.txt", text) for n, text in enumerate(texts)])
    question = "How long does the warranty of the printer last?"
    assert {h.chunk.source for h in search(kb, question, k=2)} == {"0.txt", "1.txt"}
    assert "2.txt" in {h.chunk.source for h in search(kb, question, k=2, diversity=0.7)}


def test_an_error_of_either_arm_is_heard() -> None:
    class Broken(Recorder):
        def lexical(self, question: str, **kwargs: Any) -> list[Hit]:
            raise FilterError("bad", "")

    with pytest.raises(FilterError):
        search(Broken(), "warranty")  # type: ignore[arg-type]


def test_wrong_arguments_name_what_is_allowed() -> None:
    with pytest.raises(UnknownName, match="dense, hybrid, lexical"):
        search(Recorder(), "x", mode="fuzzy")  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="rrf, weighted"):
        search(Recorder(), "x", fusion="max")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        search(Recorder(), "x", k=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("question", ["", "   ", "\n\t", "\x00\x07", "\u200b\ufeff"])
@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_an_empty_question_is_refused(question: str, mode: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        search(Recorder(), question, mode=mode)  # type: ignore[arg-type]


def test_a_question_is_cleaned() -> None:
    assert clean_question("How\x00 long\n is\tthe \u202ewarranty\ud800?") == "How long is the warranty??"
    long = clean_question("begin " + "x" * 100_000 + " end")
    assert len(long) <= QUESTION_LIMIT
    assert long.startswith("begin")
    assert long.endswith("end")


def test_chunks_of_another_commit_than_the_searched_one_are_never_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    kb.add([Document("a.txt", "The warranty lasts 24 months.")])
    view = kb.snapshot()
    hits = view.lexical("warranty", n=9, bare=True)
    assert [hit.chunk.text for hit in hits] == [""]
    assert [hit.chunk.text for hit in view.whole(hits)] == ["The warranty lasts 24 months."]
    with pytest.raises(Overtaken):
        kb.whole(hits)  # no snapshot: what stands at these places may change
    view.store.overtaken = True
    with pytest.raises(Overtaken):
        view.whole(hits)

    take = Store.take
    taken: list[int] = []

    def overtaken_once(store: Store, *given: Any) -> Any:
        taken.append(store.version)
        if len(taken) == 1:  # a purge takes away what is being read
            kb.add([Document("b.txt", "The warranty of the other one lasts 12 months.")])
            store.overtaken = True
        return take(store, *given)

    monkeypatch.setattr(Store, "take", overtaken_once)
    assert {hit.chunk.source for hit in search(kb.snapshot(), "warranty")} == {"a.txt", "b.txt"}
    assert taken[0] < taken[1]


def test_a_snapshot_is_shared_until_the_next_commit(tmp_path: Path) -> None:
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    kb.add([Document("a.txt", "The warranty lasts 24 months.")])
    first = kb.snapshot()
    assert kb.snapshot() is first
    assert first.snapshot() is first
    trivium.open(tmp_path / "kb", embedder=FakeEmbedder()).add([Document("b.txt", "The warranty is new.")])
    assert {hit.chunk.source for hit in search(first, "warranty")} == {"a.txt"}
    second = kb.snapshot()
    assert second is not first
    assert {hit.chunk.source for hit in search(second, "warranty")} == {"a.txt", "b.txt"}


def test_both_arms_of_a_real_index(kb: KnowledgeBase) -> None:
    hits = search(kb, "How long does the warranty last?", k=3)
    assert hits[0].chunk.source == "warranty.txt"
    assert set(hits[0].found_by) == {"dense", "lexical"}
    assert search(kb, "保修期是多久？", mode="lexical")[0].chunk.source == "保修.txt"


def test_what_the_asker_may_not_read_is_not_found(kb: KnowledgeBase) -> None:
    question = "How long does the warranty of the secret printer last?"
    for mode in ("hybrid", "dense", "lexical"):
        assert "secret.txt" not in {h.chunk.source for h in search(kb, question, k=50, mode=mode)}
        found = {h.chunk.source for h in search(kb, question, k=50, mode=mode, principals=["user:ada"])}
        assert "secret.txt" in found


def test_a_filter_holds_in_every_mode(kb: KnowledgeBase) -> None:
    for mode in ("hybrid", "dense", "lexical"):
        hits = search(kb, "warranty delivery returns", k=50, mode=mode, where='topic = "delivery"')
        assert {h.chunk.source for h in hits} == {"delivery.txt"}


@pytest.mark.parametrize(
    "question",
    [
        "year >= 2020 and language = 'zh'",
        '"warranty" AND (printer OR NOT delivery) NEAR/3 -months ^2 fuzzy~1 wild*',
        "'; DROP TABLE chunks; --",
        "access IS NOT NULL OR 1=1",
        "warranty " * 12_000,
        "\x00\x01warranty\x1b[31m\x7f",
        "🙂🙃",
        "?!",
        "\ud800 broken \udfff",
        "ኢትዮጵያ ውስጥ ስንት ነው",
    ],
)
def test_no_question_breaks_the_search(kb: KnowledgeBase, question: str) -> None:
    for mode in ("hybrid", "dense", "lexical"):
        hits = search(kb, question, k=5, mode=mode)
        assert "secret.txt" not in {h.chunk.source for h in hits}
        if "warranty" in question and mode != "dense":
            assert hits[0].chunk.source == "warranty.txt"


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_question_or_is_empty(kb: KnowledgeBase, question: str) -> None:
    with contextlib.suppress(UsageError):  # of an empty question
        assert len(search(kb, question, k=3)) <= 3
