"""Claims against passages: what supports them, what disagrees, and each metric's formula by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.evaluate.grounding import GROUNDING
from trivium.evaluate.grounding.align import SUPPORTED, align, align_all, claims
from trivium.evaluate.grounding.answers import answer_relevance, faithfulness, groundedness
from trivium.evaluate.grounding.citations import citation_precision, citation_recall, cited_sentences
from trivium.evaluate.grounding.contexts import (
    average_precision,
    context_precision,
    context_recall,
    context_relevance,
)
from trivium.models.fake import FakeEmbedder
from trivium.types import Answer, Chunk, Citation, Example, Gold, Hit, Step

PUMP = (
    "The warranty of the K2 pump is 24 months from the day of delivery. Seals and filters are not covered. "
    "The K3 pump was designed by Maria Lopez in 2011."
)
泵 = "K2水泵的保修期为二十四个月，自交货之日起计算。密封件和滤芯不在保修范围内。该泵由李明于2011年设计。"
OTHER = "Glass is made by melting sand, soda and lime in a furnace. The furnace reaches 1,500 degrees."


def hit(text: str, rank: int = 1, source: str = "") -> Hit:
    return Hit(Chunk(f"c{rank}", f"d{rank}", source or f"{rank}.md", text, 0, len(text)), 1 / rank, ("dense",))


def answer(text: str, *passages: str, question: str = "", citations: tuple[Citation, ...] = ()) -> Answer:
    return Answer(question, text, hits=tuple(hit(one, n) for n, one in enumerate(passages, 1)), citations=citations)


def quote(marker: int, text: str) -> Citation:
    return Citation(marker, "1.md", None, 0, len(text), text)


# --- claims and their alignment ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It lasts 24 months [1]. Seals are not covered [2, 3].", ("It lasts 24 months.", "Seals are not covered.")),
        ("- It lasts 24 months\n- It is blue", ("It lasts 24 months", "It is blue")),
        ("Here is the answer:\nIt is blue.", ("It is blue.",)),
        ("保修期为24个月[1]。不含滤芯。", ("保修期为24个月。", "不含滤芯。")),
        ("1964", ("1964",)),
        ("", ()),
        ("[1] …", ()),
    ],
)
def test_claims(text: str, found: tuple[str, ...]) -> None:
    assert claims(text) == found


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("The K2 pump has a warranty of 24 months.", PUMP),
        ("The warranty of the K2 pump is twenty-four months.", PUMP),
        ("Filters are not covered.", PUMP),
        ("Maria Lopez designed the K3 pump in 2011.", PUMP),
        ("The furnace reaches 1500 degrees.", OTHER),
        ("K2水泵的保修期为24个月。", 泵),
        ("滤芯不在保修范围内。", 泵),
        ("李明于2011年设计了该泵。", 泵),
    ],
)
def test_what_a_passage_says_is_supported(claim: str, passage: str) -> None:
    found = align(claim, "", [(OTHER,), (passage,)])
    assert found.score >= SUPPORTED
    assert found.passage == 1 or passage == OTHER
    assert not found.conflict


@pytest.mark.parametrize(
    ("claim", "passage", "conflict"),
    [
        ("The warranty of the K2 pump is 36 months.", PUMP, "numbers"),
        ("Filters are covered.", PUMP, "negation"),
        ("The warranty of the K2 pump is not 24 months.", PUMP, "negation"),
        ("The K3 pump was designed by Ada Byron.", PUMP, "names"),
        ("The K2水泵的保修期为36个月。", 泵, "numbers"),
        ("滤芯在保修范围内。", 泵, "negation"),
        ("Sales fell in the last year.", "Sales rose in the last year.", "negation"),
        ("去年销售额下降。", "去年销售额上升。", "negation"),
    ],
)
def test_what_disagrees_counts_against(claim: str, passage: str, conflict: str) -> None:
    found = align(claim, "", [(passage,)])
    assert found.score < SUPPORTED
    assert found.conflict == conflict


def test_a_claim_about_something_else_has_no_support() -> None:
    assert align("Bananas grow in Honduras.", "", [(PUMP,), (OTHER,)]).score < 0.1
    assert align("Bananas grow.", "", []).score == 0.0


def test_parts_of_a_claim_may_stand_in_different_passages() -> None:
    both = [(PUMP,), (OTHER,)]
    claim = "The warranty of the K2 pump is 24 months, and glass is made by melting sand."
    assert align(claim, "", both).score >= SUPPORTED
    assert align(claim, "", both[:1]).score < align(claim, "", both).score
    wrong = "The warranty of the K2 pump is 24 months, and bananas grow in Honduras."
    assert align(wrong, "", both).score < SUPPORTED


def test_a_short_answer_needs_its_question_in_the_passage() -> None:
    asked = "When was the K3 pump designed?"
    assert align("2011", asked, [(PUMP,)]).score >= SUPPORTED
    assert align("2012", asked, [(PUMP,)]).score == 0.0
    elsewhere = align("2011", "When did the king of Siam visit Paris?", [(PUMP,)]).score
    assert elsewhere < align("2011", asked, [(PUMP,)]).score


@pytest.mark.parametrize(
    ("said", "question", "score"),
    [
        ("Yes.", "Is the warranty of the K2 pump 24 months?", 1),
        ("No.", "Is the warranty of the K2 pump 24 months?", 0),
        ("No.", "Are filters covered?", 1),
        ("Yes.", "Are filters covered?", 0),
    ],
)
def test_yes_and_no_state_the_question(said: str, question: str, score: int) -> None:
    assert (align(said, question, [(PUMP,)]).score >= SUPPORTED) == bool(score)


def test_a_paraphrase_needs_an_embedder_and_must_still_agree() -> None:
    class Same(FakeEmbedder):
        def _vector(self, text):
            return super()._vector("same")

    passage = [("The guarantee of the K2 pump lasts for 24 months.",)]
    said = "Warranty: K2, 24 months, manufacturer backed period."
    assert align(said, "", passage).score < align(said, "", passage, Same()).score
    assert align(said.replace("24", "36"), "", passage, Same()).score < 0.1


@given(st.text(max_size=120), st.text(max_size=60), st.lists(st.text(max_size=200), max_size=3))
@settings(max_examples=150, deadline=None)
def test_any_text_has_scores_from_0_to_1(text: str, question: str, passages: list[str]) -> None:
    for one in align_all(text, question, [(passage,) for passage in passages]):
        assert 0.0 <= one.score <= 1.0
    given = answer(text, *passages, question=question)
    for metric in GROUNDING.values():
        value = metric(Example("1", question, ("x",)), given)
        assert value is None or 0.0 <= value <= 1.0


# --- answers ----------------------------------------------------------------------------------------------------

ASKED = Example("1", "How long is the warranty of the K2 pump?", ("24 months",))


def test_faithfulness_is_the_share_of_supported_claims() -> None:
    said = answer("The warranty is 24 months [1]. It was invented on Mars by Elvis.", PUMP, OTHER)
    assert faithfulness(ASKED, said) == 0.5
    assert 0.4 < groundedness(ASKED, said) < 0.7
    assert faithfulness(ASKED, answer("The warranty is 36 months.", PUMP)) == 0.0


def test_refusals_and_answers_without_passages_have_no_faithfulness() -> None:
    refused = Answer("", "The documents do not say.", refused=True, hits=(hit(PUMP),))
    assert faithfulness(ASKED, refused) is None
    assert groundedness(ASKED, answer("24 months")) is None
    nothing_found = Answer("", "24 months", trace=(Step("search", {"hits": []}),))
    assert faithfulness(ASKED, nothing_found) == 0.0


def test_answer_relevance() -> None:
    right = answer_relevance(ASKED, answer("24 months", PUMP))
    aside = answer_relevance(ASKED, answer("Maria Lopez", PUMP))
    assert right > aside
    assert answer_relevance(ASKED, Answer("", "no", refused=True)) == 0.0
    assert answer_relevance(Example("1", "Why?", unanswerable=True), Answer("", "no", refused=True)) is None
    embedded = answer_relevance(ASKED, answer("24 months", PUMP), embedder=FakeEmbedder())
    assert 0 < embedded < 1


# --- contexts ---------------------------------------------------------------------------------------------------


def test_context_relevance_prefers_passages_that_speak_of_the_question() -> None:
    good, bad = (context_relevance(ASKED, answer("x", one)) for one in (PUMP, OTHER))
    assert good > 0.7 > 0.2 > bad
    assert context_relevance(ASKED, answer("x", PUMP, OTHER)) == pytest.approx((good + bad) / 2, abs=0.15)
    assert context_relevance(ASKED, answer("x")) is None
    assert context_relevance(ASKED, Answer("", "x", trace=(Step("search", {"hits": []}),))) == 0.0


@pytest.mark.parametrize(
    ("useful", "value"),
    [([1, 0, 1], (1 + 2 / 3) / 2), ([0, 1], 0.5), ([0, 0], 0.0), ([], 0.0), ([1, 1, 1], 1.0)],
)
def test_average_precision(useful: list[int], value: float) -> None:
    assert average_precision([bool(one) for one in useful]) == pytest.approx(value)


def test_context_precision_by_evidence_answers_or_the_answer_given() -> None:
    said = answer("24 months", OTHER, PUMP)
    gold = Example("1", ASKED.question, ("24 months",), (Gold("2.md", PUMP[:66]),))
    assert context_precision(gold, said) == 0.5
    assert context_precision(ASKED, said) == 0.5
    assert context_precision(Example("1", ASKED.question), said) == 0.5
    assert context_precision(ASKED, answer("24 months")) is None
    assert context_precision(Example("1", "Why?", unanswerable=True), said) is None


def test_context_recall() -> None:
    first, second = PUMP[:66], "The furnace reaches 1,500 degrees."
    gold = Example("1", "q", ("a",), (Gold("1.md", first), Gold("2.md", second)))
    assert context_recall(gold, answer("x", PUMP)) == 0.5
    assert context_recall(gold, answer("x", PUMP, OTHER)) == 1.0
    assert context_recall(ASKED, answer("x", PUMP)) == 1.0
    assert context_recall(ASKED, answer("x", OTHER)) == 0.0
    parts = Example("1", ASKED.question, ("both",), parts=(("24 months", "two years"), ("37 litres",)))
    assert context_recall(parts, answer("x", PUMP)) == 0.5
    assert context_recall(Example("1", "q"), answer("x", PUMP)) is None


# --- citations --------------------------------------------------------------------------------------------------

WARRANTY, DESIGNED = "The warranty of the K2 pump is 24 months.", "The K3 pump was designed in 2011."


def test_citations_recall_and_precision_by_hand() -> None:
    said = answer(
        "The warranty of the K2 pump is 24 months [1][2]. The K3 pump was designed in 2011. Glass is red [2].",
        PUMP,
        citations=(quote(1, WARRANTY), quote(2, DESIGNED)),
    )
    assert citation_recall(ASKED, said) == pytest.approx(1 / 3)  # the second cites nothing, the third not its proof
    assert citation_precision(ASKED, said) == pytest.approx(1 / 3)  # of three citations, one is needed


def test_citations_that_only_together_prove_are_all_needed() -> None:
    said = answer(
        "The warranty of the K2 pump is 24 months, and glass is made by melting sand [1][2].",
        citations=(quote(1, WARRANTY), quote(2, OTHER)),
    )
    assert citation_recall(ASKED, said) == 1.0
    assert citation_precision(ASKED, said) == 1.0


def test_markers_after_the_full_stop_belong_to_the_sentence_before() -> None:
    said = answer(f"{WARRANTY}[1] {DESIGNED} [2]", citations=(quote(1, "one"), quote(2, "two")))
    assert [one.texts for one in cited_sentences(said)] == [("one",), ("two",)]
    chinese = answer("保修期为24个月。[1]由李明设计。【2】", citations=(quote(1, "一"), quote(2, "二")))
    assert [one.texts for one in cited_sentences(chinese)] == [("一",), ("二",)]


def test_markers_without_citations_mean_passages_by_rank() -> None:
    said = answer("Glass is made by melting sand [2].", PUMP, OTHER)
    assert cited_sentences(said)[0].texts == (OTHER,)
    assert citation_recall(ASKED, said) == 1.0
    assert citation_recall(ASKED, answer("Glass is made by melting sand [7].", PUMP, OTHER)) == 0.0
    assert citation_precision(ASKED, answer("Glass is made of sand.", PUMP)) is None
    assert citation_recall(ASKED, answer("Glass is made of sand.")) is None


def test_citations_without_markers_stand_at_each_sentence() -> None:
    said = answer(f"{WARRANTY} {DESIGNED}", citations=(quote(1, WARRANTY), quote(2, DESIGNED)))
    assert citation_recall(ASKED, said) == 1.0
    assert citation_precision(ASKED, said) == 0.5
