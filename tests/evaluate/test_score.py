from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.errors import UnknownName, UsageError
from trivium.evaluate.grounding import GROUNDING
from trivium.evaluate.score import METRICS, evidence_ranking, right, score, spoken
from trivium.models.fake import FakeEmbedder
from trivium.types import Answer, Chunk, Example, Gold, Hit, Step, TokenLogprob


def hit(text: str, source: str = "a.md") -> Hit:
    return Hit(Chunk(text[:8], "d", source, text, 0, len(text)), 1.0, ("dense",))


FIRST = "Napoleon was born on the island of Corsica in 1769."
SECOND = "He died on Saint Helena, an island in the South Atlantic, in 1821."
EXAMPLE = Example("1", "Where was Napoleon born?", ("Corsica",), (Gold("a.md", FIRST),), language="en")


def said(text: str, *hits: Hit, refused: bool = False) -> Answer:
    return Answer(EXAMPLE.question, text, refused=refused, hits=hits)


def test_markers_are_not_words() -> None:
    for text in ("Corsica [1].", "Corsica [1][2]", "Corsica【3】", "Corsica (passage 2)"):
        found = score(EXAMPLE, said(text))
        assert (found["exact_match"], found["f1"], found["contains"]) == (1.0, 1.0, 1.0)
        assert found["rougeL"] == 1.0
    assert spoken(said("[1]")) == "[1]"  # nothing but a marker is taken as it stands


def test_an_unanswerable_question_wants_a_refusal() -> None:
    example = Example("1", "Who?", unanswerable=True, language="en")
    refused, answered = said("The documents do not say.", refused=True), said("Napoleon")
    for name in ("exact_match", "f1", "contains", "correct", "rejected"):
        assert score(example, refused)[name] == 1.0
        assert score(example, answered)[name] == 0.0
    assert right(example, refused)
    assert not right(example, answered)
    for name in ("bleu", "chrf", "rouge1", "answered"):
        assert score(example, refused)[name] is None


def test_a_refusal_of_an_answerable_question_is_wrong() -> None:
    found = score(EXAMPLE, said("The documents do not say where Corsica is.", refused=True))
    assert not right(EXAMPLE, said("Corsica", refused=True))
    for name in ("exact_match", "f1", "contains", "correct", "answered", "rougeL", "bleu", "chrf"):
        assert found[name] == 0.0
    assert found["refused"] == 1.0
    assert found["rejected"] is None
    assert found["format"] is None


def test_right_by_words() -> None:
    assert right(EXAMPLE, said("He was born in Corsica, an island."))
    assert not right(EXAMPLE, said("He was born in Elba."))
    example = Example("1", "When?", ("on the 15th of August 1769",), language="en")
    assert right(example, said("15th August 1769"))  # F1 of 0.89
    assert not right(example, said("August"))
    assert right(Example("1", "何处？", ("科西嘉岛",)), said("拿破仑生于科西嘉岛。"))


def test_right_needs_every_part() -> None:
    example = Example("1", "When and where?", ("1769 in Corsica",), parts=(("1769",), ("Corsica", "Corse")))
    assert right(example, said("In 1769, in Corse"))
    assert not right(example, said("In 1769"))
    assert score(example, said("In 1769"))["part_recall"] == 0.5


def test_right_picks_the_choice() -> None:
    example = Example("1", "Where?", ("Corsica",), choices=("Elba", "Corsica", "Sicily"))
    assert right(example, said("B"))
    assert right(example, said("The answer is (B) Corsica."))
    assert not right(example, said("A. Elba, not Corsica"))
    assert not right(example, said("C"))


def test_retrieval_is_judged_by_evidence() -> None:
    example = Example("1", "?", ("x",), (Gold("a.md", FIRST), Gold("b.md", SECOND)))
    hits = (hit("Nothing to see"), hit(FIRST), hit(f"{FIRST} And more of it."), hit(SECOND, "b.md"))
    found = score(example, said("x", *hits))
    assert evidence_ranking(example, hits)[0] == ["hit 0", "evidence 0", "hit 2", "evidence 1"]
    assert found["recall@1"] == found["hit_rate@1"] == 0.0
    assert found["recall@3"] == 0.5
    assert found["recall@5"] == found["evidence_coverage@5"] == 1.0
    assert found["evidence_coverage@3"] == 0.0
    assert found["mrr"] == 0.5
    assert found["precision@5"] == pytest.approx(2 / 5)  # a repeated piece gains nothing
    assert found["map"] == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_a_hit_with_all_evidence_is_the_best_ranking() -> None:
    example = Example("1", "?", ("x",), (Gold("a.md", FIRST), Gold("a.md", SECOND)))
    found = score(example, said("x", hit(f"{FIRST} {SECOND}")))
    assert found["ndcg@10"] == found["map"] == found["recall@5"] == 1.0


def test_whole_documents_have_grades_and_repeat_once() -> None:
    grades = json.dumps({"a": 3, "b": 1})
    example = Example("1", "?", (), (Gold("a", ""), Gold("b", "")), metadata={"grades": grades})
    ranking, known = evidence_ranking(example, [hit("1", "c"), hit("2", "b"), hit("3", "b"), hit("4", "a")])
    assert ranking == ["c", "b", "a"]
    assert known == {"a": 3, "b": 1}
    for wrong in ("{", "[1]", '{"a": "many"}'):
        with pytest.raises(UsageError, match="grades of the question '1'"):
            score(Example("1", "?", (), (Gold("a", ""),), metadata={"grades": wrong}), said("x", hit("1", "a")))


def test_no_search_is_not_a_search_that_found_nothing() -> None:
    assert score(EXAMPLE, said("Corsica"))["recall@5"] is None
    empty = Answer("q", "Corsica", trace=(Step("search", {"hits": []}),))
    assert score(EXAMPLE, empty)["recall@5"] == 0.0
    assert score(Example("1", "?", ("x",)), said("x", hit("x")))["recall@5"] is None  # no evidence is known


def test_format_and_r_rate_apply_where_the_example_says_so() -> None:
    example = Example("1", "?", ("Corsica",), format="words<=2", metadata={"hallucinated": "Elba"}, language="en")
    assert score(example, said("Corsica [1]"))["format"] == 1.0  # the marker is no word
    assert score(example, said("It was Corsica"))["format"] == 0.0
    assert score(example, said("It was Elba"))["r_rate"] == 1.0
    assert score(EXAMPLE, said("Elba"))["r_rate"] is None
    listed = Example("1", "?", ("Corsica",), format="json")
    assert score(listed, said("[1, 2]"))["format"] == 1.0  # what looks like a marker may be the answer


def test_names_are_checked() -> None:
    assert set(score(EXAMPLE, said("x"), metrics=["f1", "bleu"])) == {"f1", "bleu"}
    assert set(score(EXAMPLE, said("x"))) == set(METRICS)
    with pytest.raises(UnknownName, match="exact_match"):
        score(EXAMPLE, said("x"), metrics=["em"])


def test_models_add_their_metrics() -> None:
    class Model:
        def score(self, text, *, messages=()):
            assert messages[0].content == EXAMPLE.question
            return tuple(TokenLogprob(word, -1.0) for word in text.split())

    found = score(EXAMPLE, said("in Corsica [1]"), embedder=FakeEmbedder(), scorer=Model())
    assert 0.5 < found["cosine"] < 1.0
    assert 0.5 < found["soft_f1"] < 1.0
    assert found["perplexity"] == pytest.approx(2.718281828)


strange = st.text(max_size=60) | st.text(
    st.sampled_from("\ud800\udfff😀👩‍👩‍👧 مكة‏ שלום\u202e\u0000 京a1[].\n"), max_size=30
)


@given(text=strange, answers=st.lists(strange, max_size=3), question=strange, passage=strange)
@settings(max_examples=150, deadline=None)
def test_every_metric_lies_between_0_and_1(text: str, answers: list[str], question: str, passage: str) -> None:
    for language in ("", "en", "zh", "ja", "ar"):
        evidence = (Gold("a.md", answers[0] if answers else ""), Gold("", passage))
        example = Example(
            "1", question, tuple(answers), evidence, language=language, metadata={"hallucinated": passage}
        )
        for name, value in score(example, said(text, hit(passage), hit(text))).items():
            assert value is None or 0.0 <= value <= 1.0 + 1e-9, (name, value)


@given(text=strange)
@settings(deadline=None)
def test_the_answer_itself_is_right(text: str) -> None:
    for language in ("", "en", "zh", "ja"):
        example = Example("1", "?", (text,), language=language)
        found = score(example, said(text), metrics=["exact_match", "chrf", "rouge1", "bleu", "f1"])
        assert found["exact_match"] == 1.0 or spoken(said(text)) != text.strip()
        assert found["f1"] in (0.0, 1.0) or spoken(said(text)) != text.strip()


WORDS = [name for name in METRICS if name not in GROUNDING]


@pytest.mark.parametrize("unit", ["word ", "词", "a", "ab. ", "\ud83d", "1,000 ", "[1] "])
def test_a_megabyte_takes_no_square_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    example = Example("1", "What is it?", (text[:500_000], "word"), (Gold("a.md", text),))
    start = time.perf_counter()
    score(example, said(text, hit(text[:400_000])), metrics=WORDS)
    assert time.perf_counter() - start < 20.0
