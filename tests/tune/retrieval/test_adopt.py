"""A better embedder takes the knowledge base over, a worse one leaves it as it was; the decision is the interval's."""

from __future__ import annotations

import os

import numpy as np
import pytest

from trivium.errors import StoreBusy, StoreFull, UsageError
from trivium.index import Index
from trivium.index.ingest import Options, add
from trivium.models.fake import FakeEmbedder, FakeReranker
from trivium.tune.retrieval.adopt import adopt_embedder, adopt_reranker, decided, gains, re_embedded
from trivium.types import Chunk, Document, Example, Gold, Hit

NAMES = [f"q{one}{other}" for one in "bcdfg" for other in "klmnp"][:24]
TOPICS = [f"{name}one {name}two {name}three" for name in NAMES]
"""More than a search brings back: an embedder that sees nothing finds some of them by chance alone."""


class Blind(FakeEmbedder):
    """Sees no difference between texts, and knows no word: the lexical arm stands alone."""

    def __init__(self) -> None:
        super().__init__(unknown_rate=0.0)
        self.name = "blind"

    def embed(self, texts):
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        vectors[:, 0] = 1.0
        return vectors

    def embed_query(self, text):
        return self.embed([text])[0]


class Seeing(Blind):
    """Knows that the question's word and the passage's are the same thing."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "seeing"

    def embed(self, texts):
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            number = next((n for n, name in enumerate(NAMES) if name in text), 60)
            vectors[row, number] = 1.0
        return vectors


EXAMPLES = [Example(str(n), f"asked{NAMES[n]} of it", (), (Gold(f"d{n}", text),)) for n, text in enumerate(TOPICS)]


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def base(tmp_path) -> Index:
    index = Index.open(tmp_path / "kb", Blind)
    documents = [Document(f"d{n}", text) for n, text in enumerate(TOPICS)]
    add(index, documents, Options(access=("user:ada", "*"), metadata={"year": 2024}))
    return index


def test_a_copy_differs_in_its_vectors_alone(tmp_path, base):
    copy = re_embedded(base, Seeing(), tmp_path / "copy")
    assert copy.records() == base.records()
    ids = [hit.chunk.id for hit in base.lexical(f"{NAMES[3]}one", n=5)]
    assert [hit.chunk.id for hit in copy.lexical(f"{NAMES[3]}one", n=5)] == ids
    vector = copy.vectors(ids)[ids[0]]
    assert vector[3] == 1.0
    assert base.vectors(ids)[ids[0]][0] == 1.0
    with pytest.raises(UsageError, match="there already"):
        re_embedded(base, Seeing(), tmp_path / "copy")


def test_the_better_one_takes_over(tmp_path, base, model):
    (base.root / "reranker").mkdir()
    (base.root / "reranker" / "config.json").write_text("{}")
    opened_from = []

    def opened(folder):
        opened_from.append(folder)
        return Seeing()

    rows = []
    decision = adopt_embedder(base, model, opened, EXAMPLES, on_rows=lambda done, total: rows.append((done, total)))
    assert decision.adopted
    assert decision.after.mean == pytest.approx(1.0)
    assert decision.gain.low > 0
    assert "adopted" in str(decision)
    assert opened_from[0].name == "embedder"  # an embedder's name has its folder's, and the vectors remember it
    assert rows[-1][0] == rows[-1][1] == 2 * len(TOPICS)  # a document and a chunk each
    taken = Index.open(tmp_path / "kb", Seeing)
    assert gains(taken, EXAMPLES) == pytest.approx([1.0] * len(EXAMPLES))
    assert (tmp_path / "kb" / "embedder" / "config.json").is_file()
    assert (tmp_path / "kb" / "reranker" / "config.json").is_file()
    assert Index.open(tmp_path / "kb.before", Blind).size() == len(TOPICS)
    with pytest.raises(UsageError, match="before"):
        adopt_embedder(taken, model, opened, EXAMPLES)


def test_the_worse_one_leaves_all_as_it_was(tmp_path, base, model):
    sighted = re_embedded(base, Seeing(), tmp_path / "sighted")
    decision = adopt_embedder(sighted, model, lambda _: Blind(), EXAMPLES)
    assert not decision.adopted
    assert "not adopted" in str(decision)
    assert gains(sighted, EXAMPLES) == pytest.approx([1.0] * len(EXAMPLES))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kb", "model", "sighted"]


def test_what_is_added_meanwhile_is_not_lost(tmp_path, base, model):
    def opened(folder):
        class Slow(Seeing):
            def embed_query(self, text):  # asked by the comparison, after the copy was made
                if base.size() == len(TOPICS):
                    add(Index.open(base.root, Blind), [Document("late", "It came late.")], Options())
                return super().embed_query(text)

        return Slow()

    with pytest.raises(StoreBusy, match="Documents were added"):
        adopt_embedder(base, model, opened, EXAMPLES)
    assert Index.open(base.root, Blind).size() == len(TOPICS) + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kb", "model"]


def test_a_swap_that_fails_is_undone(tmp_path, base, model, monkeypatch):
    real, moves = os.replace, []

    def replace(old, new):
        if str(new) == str(base.root) and not moves:
            moves.append(old)
            raise OSError(28, "No space left on device")
        real(old, new)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(StoreFull, match="No space"):
        adopt_embedder(base, model, lambda _: Seeing(), EXAMPLES)
    assert moves
    assert Index.open(base.root, Blind).size() == len(TOPICS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kb", "model"]


class Ranking(FakeReranker):
    """Puts the passage on the question's topic first, or last."""

    def __init__(self, sign: int) -> None:
        super().__init__()
        self.sign = sign

    def rerank(self, question, passages):
        asked = next(name for name in NAMES if name in question)
        return np.array([self.sign * float(asked in text) for text in passages], np.float32)


def everything(index, question, k, **_):
    """A search that finds every passage and ranks none."""
    return [Hit(Chunk(f"d{n}:0", f"d{n}", f"d{n}", text, 0, len(text)), 1.0, ()) for n, text in enumerate(TOPICS)][-20:]


def test_a_reranker_stays_only_if_it_wins(base, model, monkeypatch):
    monkeypatch.setattr("trivium.tune.retrieval.adopt.search", everything)
    own = base.root / "reranker"
    assert not adopt_reranker(base, model, lambda _: Ranking(-1), EXAMPLES[-20:]).adopted
    assert not own.exists()
    decision = adopt_reranker(base, model, lambda _: Ranking(1), EXAMPLES[-20:])
    assert decision.adopted
    assert decision.after.mean == pytest.approx(1.0)
    assert (own / "config.json").is_file()
    again = adopt_reranker(base, model, lambda _: Ranking(1), EXAMPLES[-20:])
    assert again.before.mean == pytest.approx(1.0)  # it is compared with the one that is there
    assert not again.adopted


def test_the_whole_interval_must_be_above_nothing():
    same = decided([0.5] * 20, [0.5] * 20)
    assert not same.adopted
    assert (same.gain.low, same.gain.high) == (0.0, 0.0)
    assert not decided([0.0, 1.0] * 10, [1.0, 0.0] * 10).adopted
    assert decided([0.0] * 20, [1.0] * 19 + [0.0]).adopted


def test_questions_need_evidence(base):
    with pytest.raises(UsageError, match="evidence"):
        gains(base, [Example("1", "what?")])
