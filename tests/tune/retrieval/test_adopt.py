"""A better embedder takes the knowledge base over, a worse one leaves it as it was; the decision is the interval's."""

from __future__ import annotations

import numpy as np
import pytest

from trivium.errors import UsageError
from trivium.index import Index
from trivium.index.ingest import Options, add
from trivium.models.fake import FakeEmbedder, FakeReranker
from trivium.tune.retrieval.adopt import adopt_embedder, adopt_reranker, decided, gains, re_embedded
from trivium.types import Document, Example, Gold

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


def test_the_better_one_takes_over(tmp_path, base):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    decision = adopt_embedder(base, tmp_path / "model", Seeing(), EXAMPLES)
    assert decision.adopted
    assert decision.after.mean == pytest.approx(1.0)
    assert decision.gain.low > 0
    assert "adopted" in str(decision)
    opened = Index.open(tmp_path / "kb", Seeing)
    assert gains(opened, EXAMPLES) == pytest.approx([1.0] * len(EXAMPLES))
    assert (tmp_path / "kb" / "embedder" / "config.json").is_file()
    assert Index.open(tmp_path / "kb.before", Blind).size() == len(TOPICS)
    with pytest.raises(UsageError, match="before"):
        adopt_embedder(opened, tmp_path / "model", Seeing(), EXAMPLES)


def test_the_worse_one_leaves_all_as_it_was(tmp_path, base):
    sighted = re_embedded(base, Seeing(), tmp_path / "sighted")
    decision = adopt_embedder(sighted, tmp_path / "model", Blind(), EXAMPLES)
    assert not decision.adopted
    assert "not adopted" in str(decision)
    assert gains(sighted, EXAMPLES) == pytest.approx([1.0] * len(EXAMPLES))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kb", "sighted"]


def test_a_reranker_that_loses_is_not_kept(tmp_path, base):
    sighted = re_embedded(base, Seeing(), tmp_path / "sighted")
    decision = adopt_reranker(sighted, tmp_path / "model", FakeReranker(), EXAMPLES)
    assert not decision.adopted
    assert not (sighted.root / "reranker").exists()


def test_the_whole_interval_must_be_above_nothing():
    assert not decided([0.5] * 20, [0.5] * 20).adopted
    assert not decided([0.0, 1.0] * 10, [1.0, 0.0] * 10).adopted
    assert decided([0.0] * 20, [1.0] * 19 + [0.0]).adopted


def test_questions_need_evidence(base):
    with pytest.raises(UsageError, match="evidence"):
        gains(base, [Example("1", "what?")])
