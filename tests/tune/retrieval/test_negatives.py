"""Mining: what a negative may be, guarded by answers and by the positive's cosine."""

from __future__ import annotations

import pytest

from trivium.errors import UsageError
from trivium.index import Index
from trivium.index.ingest import Options, add
from trivium.models.fake import FakeEmbedder
from trivium.tune.retrieval.negatives import holds_evidence, mine, tells
from trivium.tune.retrieval.unlabelled import passages_of, with_negatives, without_labels
from trivium.types import Document, Example, Gold

TEXTS = {
    "tower": "The iron tower was opened in Paris in the spring of 1889 and is three hundred metres high.",
    "copy": "A smaller copy of the iron tower stands in Tokyo and was opened in 1958 for the radio.",
    "again": "The fair of 1889 in Paris opened the iron tower to all visitors of the world.",
    "bread": "Bread is baked from flour and water, and a baker in Paris bakes it in the early morning.",
    "river": "The river runs through Paris and floods its banks in wet winters.",
}


@pytest.fixture
def base(tmp_path) -> Index:
    index = Index.open(tmp_path / "kb", FakeEmbedder)
    add(index, [Document(source, text) for source, text in TEXTS.items()], Options())
    return index


def example(answers: tuple[str, ...]) -> Example:
    return Example("1", "When was the iron tower in Paris opened?", answers, (Gold("tower", TEXTS["tower"]),))


def test_a_negative_holds_no_answer(base):
    mined = mine(base, [example(("1889",))], negatives=4)
    (sample,) = mined.samples
    assert sample.positives == (TEXTS["tower"],)
    assert TEXTS["again"] not in sample.negatives
    assert set(sample.negatives) == {TEXTS["copy"], TEXTS["bread"], TEXTS["river"]}
    assert mined.guarded == 1
    assert len(sample.negative_scores) == 3
    assert sample.negatives[0] == TEXTS["copy"]  # the hardest comes first
    assert sample.group == "tower"


def test_without_an_answer_the_cosine_guards(base):
    asked = base.embedder.embed_query(example(()).question)
    cosines = {name: float(base.embedder.embed([text])[0] @ asked) for name, text in TEXTS.items()}
    for margin in (0.3, 0.8):
        mined = mine(base, [example(())], negatives=4, margin=margin)
        kept = {text for sample in mined.samples for text in sample.negatives}
        wanted = {TEXTS[name] for name in TEXTS if name != "tower" and cosines[name] <= margin * cosines["tower"]}
        assert kept == wanted


def test_what_cannot_be_mined_is_counted(base):
    lost = Example("2", "the iron tower", ("x y",), (Gold("elsewhere", "nothing of this kind"),))
    bare = Example("3", "the iron tower", ("x y",))
    mined = mine(base, [lost, bare, example(("1889",))])
    assert mined.dropped == {"evidence not found": 1, "no evidence": 1}
    with pytest.raises(UsageError):
        mine(base, [], negatives=5, depth=3)


def test_evidence_is_found_by_its_words(base):
    hit = next(hit for hit in base.lexical("tower opened 1889", n=5) if hit.chunk.source == "tower")
    assert holds_evidence(hit, example(()))
    assert not holds_evidence(hit, Example("1", "?", (), (Gold("again", TEXTS["tower"]),)))
    assert [tells(word) for word in ("1889", "Yes", "7", "Paris")] == [True, False, False, True]


def test_a_base_without_questions_asks_itself(base):
    two = "The lighthouse of the northern cape was built from granite by sailors of the town. " * 2
    add(
        base,
        [Document("cape", two + "Its lamp can be seen from forty kilometres on every clear night of the year.")],
        Options(),
    )
    samples = without_labels(passages_of(base), stays=0.0)
    assert samples
    assert all(sample.query not in sample.positives[0] or two.startswith(sample.query) for sample in samples)
    found = with_negatives(
        samples, lambda q, k: [(h.chunk.source, h.chunk.text, h.score) for h in base.lexical(q, n=k)], skip=0
    )
    assert {sample.group for sample in found} <= {*TEXTS, "cape"}
    assert all(sample.positives[0] not in sample.negatives for sample in found)
    assert all(len(sample.negative_scores) == len(sample.negatives) for sample in found)
    assert any(sample.positive_scores[0] > max(sample.negative_scores, default=0.0) for sample in found)
    with pytest.raises(UsageError, match="heading"):
        without_labels([])
