"""The rules of the failure points, each on the smallest case that shows it; the real pipeline is in test_planted.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from trivium.evaluate.failure import Failure, Holders, attribute, holders_in, unheld
from trivium.evaluate.score import score
from trivium.types import Answer, Chunk, Example, Gold, Hit, Step

PRINTER = "The warranty of the X-200 printer lasts 24 months from the day of purchase. It does not cover the battery."
LAMP = "The lamp of the projector is replaced after 2,000 hours. Ask the service for a new lamp."
PAPER = "Paper of 80 grams is put into the upper tray. The lower tray is for envelopes."
QUESTION = "How long is the warranty of the X-200 printer?"


def chunk(text: str, source: str, ordinal: int = 0) -> Chunk:
    return Chunk(f"{source}:{ordinal}", source, source, text, 0, len(text), ordinal)


def hit(one: Chunk, score: float = 1.0, **scores: float) -> Hit:
    return Hit(one, score, tuple(scores) or ("dense",), scores)


CHUNKS = (chunk(PRINTER, "manual"), chunk(LAMP, "lamp"), chunk(PAPER, "paper"))
MANUAL, LAMPS, PAPERS = CHUNKS
STORE = holders_in(CHUNKS)
EXAMPLE = Example(
    "q1", QUESTION, ("24 months",), (Gold("manual", "The warranty of the X-200 printer lasts 24 months."),)
)


def search(*found: Chunk, wanted: int = 10, kept: int = 10) -> Step:
    return Step("search", {"hits": [(one.id, 1.0) for one in found], "wanted": wanted, "kept": kept})


def prompt(*shown: Chunk, left_out: Sequence[str] = (), over: Sequence[str] = ()) -> Step:
    places = [(one.id, one.start, one.end) for one in shown]
    return Step("prompt", {"shown": places, "left_out": list(left_out), "over": list(over), "cut": []})


def answered(text: str, *trace: Step, hits: Sequence[Chunk] = (), refused: bool = False) -> Answer:
    return Answer(QUESTION, text, refused, hits=tuple(hit(one) for one in hits), trace=trace)


def point(
    answer: Answer,
    example: Example = EXAMPLE,
    corpus: Holders | None = STORE,
    scores: Mapping[str, float | None] | None = None,
    **more: object,
) -> Failure:
    failure = attribute(example, answer, scores or {}, corpus=corpus, right=False, **more)  # type: ignore[arg-type]
    assert failure is not None
    return failure


READ = (search(MANUAL, LAMPS), prompt(MANUAL, LAMPS))


def read(text: str, **kwargs: object) -> Answer:
    return answered(text, *READ, hits=(MANUAL, LAMPS), **kwargs)  # type: ignore[arg-type]


def test_a_right_answer_has_no_failure() -> None:
    assert attribute(EXAMPLE, read("It lasts 24 months."), {}, corpus=STORE) is None
    assert attribute(EXAMPLE, read("It lasts 36 months."), {}, corpus=STORE) is not None


def test_a_wrong_form_alone_makes_an_answer_wrong() -> None:
    example = Example("q", QUESTION, ("24 months",), EXAMPLE.evidence, format="json")
    prose, kept = read("It lasts 24 months."), read('{"answer": "24 months"}')
    failure = attribute(example, prose, score(example, prose), corpus=STORE)
    assert failure is not None
    assert failure.point == "FP5"
    assert attribute(example, kept, score(example, kept), corpus=STORE) is None


# -- FP1 ------------------------------------------------------------------------------------------------------------


def test_what_is_stored_nowhere_is_missing() -> None:
    found = point(
        answered("36 months", search(LAMPS), prompt(LAMPS), hits=(LAMPS,)), corpus=holders_in([LAMPS, PAPERS])
    )
    assert (found.point, found.sure) == ("FP1", "certain")
    assert "manual" in found.evidence


def test_a_question_without_an_answer_that_is_answered_is_missing_content() -> None:
    example = Example("q", "What colour is the printer?", unanswerable=True)
    judged = Step("judge", {"probability": 0.6, "needed": 0.3})
    found = point(answered("Red.", search(MANUAL), judged, prompt(MANUAL), hits=(MANUAL,)), example)
    assert found.point == "FP1"
    assert found.detail == {"answered": True, "probability": 0.6, "needed": 0.3}


def test_a_part_that_is_stored_nowhere_is_missing_though_the_other_is_there() -> None:
    example = Example("q", "Warranty and colour?", parts=(("24 months",), ("crimson",)), evidence=EXAMPLE.evidence)
    found = point(read("24 months"), example)
    assert (found.point, found.detail["part"]) == ("FP1", 1)


def test_a_copy_of_the_evidence_in_another_document_is_as_good() -> None:
    copy = chunk(PRINTER, "old-manual")
    found = point(answered("36", search(copy), prompt(copy), hits=(copy,)), corpus=holders_in([copy, LAMPS]))
    assert found.point == "FP4"


# -- FP2 ------------------------------------------------------------------------------------------------------------


def test_what_is_ranked_too_low_is_missed_and_its_rank_is_told() -> None:
    deep = [hit(PAPERS)] * 16 + [hit(MANUAL)]
    found = point(answered("36", search(LAMPS), prompt(LAMPS), hits=(LAMPS,)), rank=lambda question, n: deep[:n])
    assert (found.point, found.detail["rank"]) == ("FP2", 17)
    assert "ranks 17th; 10 are kept" in found.evidence


def test_what_falls_off_the_end_of_the_list_is_missed() -> None:
    steps = (search(LAMPS, PAPERS, MANUAL, wanted=3, kept=2), prompt(LAMPS, PAPERS))
    found = point(answered("36", *steps, hits=(LAMPS, PAPERS)))
    assert (found.point, found.detail["rank"]) == ("FP2", 3)


def test_the_deep_search_uses_the_question_that_was_searched() -> None:
    asked: list[str] = []

    def rank(question: str, n: int) -> list[Hit]:
        asked.append(question)
        return []

    found = point(answered("36", Step("question", {"searched": "warranty X-200"}), search(LAMPS)), rank=rank)
    assert (found.point, found.detail["rank"], asked) == ("FP2", None, ["warranty X-200"])


# -- FP3 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "steps", "kept"),
    [
        ("dedupe", (search(LAMPS, MANUAL), Step("dedupe", {"dropped": [MANUAL.id]}), prompt(LAMPS)), (LAMPS,)),
        (
            "rerank",
            (search(MANUAL, LAMPS), Step("rerank", {"hits": [(LAMPS.id, 2.0), (MANUAL.id, 1.0)]}), prompt(LAMPS)),
            (LAMPS,),
        ),
        ("compress", (search(MANUAL, LAMPS), Step("compress", {"hits": [(LAMPS.id, 2.0)]}), prompt(LAMPS)), (LAMPS,)),
        ("budget", (search(LAMPS, MANUAL), prompt(LAMPS, left_out=[MANUAL.id])), (LAMPS, MANUAL)),
        ("passages", (search(LAMPS, MANUAL), prompt(LAMPS, left_out=[MANUAL.id], over=[MANUAL.id])), (LAMPS, MANUAL)),
        ("sentence", (search(MANUAL), Step("quote", {"shown": [(MANUAL.id, 75, 106)]})), (MANUAL,)),
    ],
)
def test_what_was_found_and_dropped_names_the_step(stage: str, steps: Sequence[Step], kept: Sequence[Chunk]) -> None:
    found = point(answered("36", *steps, hits=kept))
    assert (found.point, found.detail["stage"], found.sure) == ("FP3", stage, "certain")


def test_a_cut_passage_is_dropped_where_the_answer_was_cut_away() -> None:
    long = chunk(f"{LAMP} {PRINTER}", "both")
    example = Example(
        "q", QUESTION, ("24 months",), (Gold("both", "The warranty of the X-200 printer lasts 24 months."),)
    )
    cut = Step("prompt", {"shown": [(long.id, 0, len(LAMP))], "left_out": [], "cut": [long.id]})
    found = point(answered("36", search(long), cut, hits=(long,)), example, holders_in([long]))
    assert (found.point, found.detail["stage"]) == ("FP3", "budget")
    whole = Step("prompt", {"shown": [(long.id, 0, long.end)], "left_out": [], "cut": []})
    assert point(answered("36", search(long), whole, hits=(long,)), example, holders_in([long])).point == "FP4"


def test_a_refusal_for_weak_evidence_is_the_threshold() -> None:
    judged = Step("judge", {"probability": 0.2, "needed": 0.3})
    steps = (search(MANUAL), judged, Step("refuse", {"reason": "the evidence is weak"}))
    found = point(answered("The documents do not say.", *steps, hits=(MANUAL,), refused=True))
    assert (found.point, found.detail["stage"], found.detail["probability"]) == ("FP3", "judge", 0.2)
    # The same refusal without the right passage is the search's fault.
    steps = (search(LAMPS), judged, Step("refuse", {"reason": "the evidence is weak"}))
    assert point(answered("The documents do not say.", *steps, hits=(LAMPS,), refused=True)).point == "FP2"


def test_fusion_is_to_blame_where_one_arm_had_it_and_it_fell_far() -> None:
    fillers = [chunk(f"{PAPER} {n}", f"p{n}") for n in range(40)]
    deep = [hit(one, 1 - n / 100, dense=1 - n / 100, lexical=0.0) for n, one in enumerate(fillers)]
    gold = hit(MANUAL, 0.7, dense=0.0, lexical=9.0)
    answer = answered("36", search(*fillers[:15], wanted=15), prompt(fillers[0]), hits=fillers[:10])
    far = [*deep[:30], gold, *deep[30:]]
    found = point(answer, rank=lambda question, n: far)
    assert (found.point, found.detail["stage"], found.detail["arm"]) == ("FP3", "fusion", "lexical")
    assert (found.detail["arm_rank"], found.detail["rank"]) == (1, 31)
    low = hit(MANUAL, 0.7, dense=0.0, lexical=-1.0)  # no arm had it
    assert point(answer, rank=lambda question, n: [*deep, low]).point == "FP2"


def test_a_system_that_retrieves_nothing_had_it_nowhere() -> None:
    found = point(answered("36", Step("generate", {"finish": "stop"})))
    assert (found.point, found.detail["stage"]) == ("FP3", "no retrieval")


# -- FP4 to FP7 -----------------------------------------------------------------------------------------------------


def test_what_was_shown_and_not_said_was_not_extracted() -> None:
    found = point(read("36 months"))
    assert (found.point, found.sure, found.unknown) == ("FP4", "certain", ())
    refused = point(read("The documents do not say.", refused=True))
    assert (refused.point, refused.detail["refused"]) == ("FP4", True)


def test_an_answer_that_was_cut_off_says_so() -> None:
    steps = (*READ, Step("generate", {"finish": "length"}))
    found = point(answered("The warranty of the", *steps, hits=(MANUAL,)))
    assert found.detail["finish"] == "length"
    assert "token limit" in found.evidence


def test_right_content_in_the_wrong_form() -> None:
    example = Example("q", QUESTION, ("24 months",), EXAMPLE.evidence, format="json")
    found = point(read("It lasts 24 months."), example, scores={"format": 0.0})
    assert (found.point, found.detail["format"]) == ("FP5", "json")
    # With wrong content the form is not what went wrong first.
    wrong = point(read("It lasts 36 months."), example, scores={"format": 0.0})
    assert (wrong.point, wrong.detail["form_kept"]) == ("FP4", False)
    # The form is to blame even where the passage was not found: the content is there.
    missed = answered("24 months", search(LAMPS), prompt(LAMPS), hits=(LAMPS,))
    assert point(missed, example, scores={"format": 0.0}).point == "FP5"


def test_another_script_is_a_wrong_form() -> None:
    text = "打印机的保修期为二十四个月。"
    example = Example("q", "打印机的保修期是多久？", ("二十四个月",), (Gold("保修", text),), format="language:zh")
    one = chunk(text, "保修")
    answer = answered("twenty-four months", search(one), prompt(one), hits=(one,))
    assert point(answer, example, holders_in([one])).point == "FP5"
    assert point(answer, replace(example, format=""), holders_in([one])).point == "FP4"


@pytest.mark.parametrize(
    ("question", "gold", "said", "how"),
    [
        ("When did it open?", "12 July 1998", "1998", "too general"),
        ("When did it open?", "1998", "in the 1990s", "too general"),
        ("何时开业？", "1998年7月12日", "1998年", "too general"),
        ("何时开业？", "1998年", "20世纪", "too general"),
        ("How many visitors came?", "20,312", "about 20,000", "too general"),
        ("How many visitors came?", "20,312", "many people", "too general"),
        ("Where is it?", "Denver, Colorado", "Colorado", "too general"),
        ("它位于哪里？", "浙江省杭州市", "浙江省", "too general"),
        ("Which physicist opened it?", "Albert Einstein", "a physicist", "too general"),
        ("Who opened it?", "Albert Einstein", "a famous scientist", "too general"),
        ("谁主持了开业？", "鲁迅", "一位作家", "too general"),
        ("When did it open?", "1998", "a long time ago", "too general"),
        ("What style is it in?", "late Gothic architecture", "architecture", "too general"),
        ("When did it open?", "the 1990s", "1994", "too specific"),
        ("When did it open?", "July 1998", "12 July 1998", "too specific"),
        ("How many visitors came?", "20 million", "20.3 million", "too specific"),
        ("Where is it?", "France", f"It stands in France. {PAPER} {LAMP}", "too specific"),
    ],
)
def test_the_right_thing_less_or_more_exactly(question: str, gold: str, said: str, how: str) -> None:
    text = f"It opened to the public, as is known: {gold}."
    one = chunk(text, "house")
    example = Example("q", question, (gold,), (Gold("house", text),))
    found = point(answered(said, search(one), prompt(one), hits=(one,)), example, holders_in([one]))
    assert (found.point, found.detail["how"]) == ("FP6", how), found


@pytest.mark.parametrize(
    ("question", "gold", "said"),
    [
        ("When did it open?", "12 July 1998", "1997"),
        ("How many visitors came?", "20,312", "30,000"),
        ("How many visitors came?", "27", "many windows in 1990"),
        ("Where is it?", "Denver, Colorado", "Utah"),
        ("它位于哪里？", "浙江省杭州市", "江苏省"),
        ("Who opened it?", "Albert Einstein", "Niels Bohr"),
        ("Who opened it?", "Albert Einstein", "a ripe banana"),
        ("How many visitors came?", "20,312", "The weather is very nice today."),
        ("何时开业？", "1998年", "今天天气很好。"),
        ("Who opened it?", "Albert Einstein", "I like turtles."),
    ],
)
def test_another_thing_is_no_matter_of_exactness(question: str, gold: str, said: str) -> None:
    text = f"It opened to the public, as is known: {gold}."
    one = chunk(text, "house")
    example = Example("q", question, (gold,), (Gold("house", text),))
    assert point(answered(said, search(one), prompt(one), hits=(one,)), example, holders_in([one])).point == "FP4"


def test_a_whole_passage_is_no_answer() -> None:
    long = chunk(" ".join([PRINTER, *(f"{LAMP} {PAPER} Page {n}." for n in range(4))]), "manual")
    answer = answered(long.text, search(long), prompt(long), hits=(long,))
    failure = attribute(EXAMPLE, answer, score(EXAMPLE, answer), corpus=holders_in([long]))
    assert failure is not None
    assert (failure.point, failure.detail["how"]) == ("FP6", "too specific")
    quoted = answered(f"“{PRINTER}” [1]", search(long), prompt(long), hits=(long,))  # a sentence or two may be quoted
    assert attribute(EXAMPLE, quoted, score(EXAMPLE, quoted), corpus=holders_in([long])) is None


def test_the_passage_tells_what_is_a_kind_of_what() -> None:
    text = "He kept birds such as the nightingale in the garden."
    one = chunk(text, "birds")
    example = Example("q", "What did he keep there?", ("nightingale",), (Gold("birds", text),))
    found = point(answered("birds", search(one), prompt(one), hits=(one,)), example, holders_in([one]))
    assert (found.point, found.detail["how"]) == ("FP6", "too general")


def test_some_of_several_parts() -> None:
    example = Example(
        "q",
        "How long are warranty and lamp good for?",
        parts=(("24 months",), ("2,000 hours", "2000 h")),
        evidence=(*EXAMPLE.evidence, Gold("lamp", LAMP)),
    )
    found = point(read("24 months."), example)
    assert (found.point, found.detail["have"], found.detail["lacks"]) == ("FP7", [0], [1])
    # The other part was not shown: then it is not the model's fault.
    steps = (search(MANUAL, LAMPS), prompt(MANUAL, left_out=[LAMPS.id]))
    dropped = point(answered("24 months.", *steps, hits=(MANUAL, LAMPS)), example)
    assert (dropped.point, dropped.detail["stage"], dropped.detail["part"]) == ("FP3", "budget", 1)
    # Neither part was said.
    assert point(read("36 days"), example).point == "FP4"


@pytest.mark.parametrize(
    ("gold", "said", "expected"),
    [
        ("bread, cheese and wine", "bread and wine", "FP7"),
        ("面包、奶酪和葡萄酒", "面包和奶酪", "FP7"),
        ("Denver, Colorado", "Denver", "FP6"),
        ("世界和平", "和平", "FP6"),
    ],
)
def test_some_things_of_a_list_in_one_answer(gold: str, said: str, expected: str) -> None:
    text = f"They asked for {gold} on that day."
    one = chunk(text, "table")
    example = Example("q", "What did they ask for?", (gold,), (Gold("table", text),))
    assert point(answered(said, search(one), prompt(one), hits=(one,)), example, holders_in([one])).point == expected


# -- retrieval not needed, several pieces of evidence, little that is known ------------------------------------------


def test_a_model_that_knew_better_alone() -> None:
    found = point(read("36 months"), closed_book_right=True)
    assert (found.point, found.detail["otherwise"]) == ("retrieval_not_needed", "FP4")
    assert point(read("36 months"), closed_book_right=False).point == "FP4"
    closed = answered("36 months", Step("generate", {}))  # nothing was retrieved: it cannot have misled
    assert point(closed, closed_book_right=True).point == "FP3"


def test_where_the_answer_must_be_concluded_every_piece_is_needed() -> None:
    example = Example(
        "q",
        "Do the lamp and the warranty end in the same year?",
        ("no",),
        (*EXAMPLE.evidence, Gold("lamp", "The lamp of the projector is replaced after 2,000 hours.")),
    )
    assert point(read("yes"), example).point == "FP4"
    half = answered("yes", search(MANUAL), prompt(MANUAL), hits=(MANUAL,))
    assert point(half, example).point == "FP2"
    assert point(half, example, holders_in([MANUAL, PAPERS])).point == "FP1"
    assert unheld([example], holders_in([MANUAL, PAPERS])) == ["q"]
    assert unheld([example], STORE) == []


def test_a_question_of_several_steps_needs_every_piece() -> None:
    example = Example(
        "q",
        "How long does the lamp of the device last whose warranty is 24 months?",
        ("2,000 hours",),
        (*EXAMPLE.evidence, Gold("lamp", "The lamp of the projector is replaced after 2,000 hours.")),
    )
    only = answered("500 hours", search(LAMPS), prompt(LAMPS), hits=(LAMPS,))
    assert point(only, example).point == "FP4"
    assert point(only, replace(example, tags=("bridge", "hard"))).point == "FP2"
    assert point(only, replace(example, tags=("2hop",)), holders_in([LAMPS])).point == "FP1"


def test_without_a_trace_the_hits_tell_and_what_is_unknown_is_said() -> None:
    found = point(answered("36 months", hits=(MANUAL,)))
    assert (found.point, found.sure) == ("FP4", "guess")
    assert found.unknown == ("which passages entered the prompt",)
    assert point(answered("36 months", hits=(LAMPS,))).point == "FP2"


def test_without_hits_the_store_and_a_search_of_it_tell() -> None:
    endpoint = answered("36 months")
    assert point(endpoint, corpus=holders_in([LAMPS])).point == "FP1"
    assert point(endpoint).sure == "guess"
    assert point(endpoint).point == "FP4"
    low = [hit(PAPERS)] * 40 + [hit(MANUAL)]
    assert point(endpoint, rank=lambda question, n: low[:n]).point == "FP2"
    assert point(endpoint, rank=lambda question, n: [hit(MANUAL)]).point == "FP4"


def test_without_a_store_the_hits_are_all_that_is_known() -> None:
    found = point(read("36 months"), corpus=None)
    assert (found.point, found.unknown) == ("FP4", ("no knowledge base to look into",))
    missed = point(answered("36", search(LAMPS), prompt(LAMPS), hits=(LAMPS,)), corpus=None)
    assert (missed.point, missed.sure) == ("FP2", "guess")
    nothing = point(answered("36 months"), corpus=None)
    assert (nothing.point, nothing.sure) == ("FP4", "guess")
    assert "no passages and no trace" in nothing.unknown


def test_without_gold_evidence_the_answer_beside_the_questions_words_counts() -> None:
    example = Example("q", QUESTION, ("24 months",))
    found = point(read("36 months"), example)
    assert (found.point, found.sure) == ("FP4", "likely")
    elsewhere = chunk("The lease of the flat ends after 24 months.", "lease")
    assert point(read("36 months"), example, holders_in([elsewhere])).sure != "certain"
    assert [holder.chunk.id for holder in holders_in([elsewhere, MANUAL])(example)] == [MANUAL.id]


def test_without_a_gold_answer_nothing_is_claimed() -> None:
    found = point(read("36 months"), Example("q", QUESTION))
    assert (found.sure, found.unknown) == ("guess", ("no gold answer",))


def test_a_choice_given_by_its_letter_is_looked_up_by_its_words() -> None:
    example = Example("q", QUESTION, ("B",), choices=("12 months", "24 months", "36 months"), evidence=EXAMPLE.evidence)
    assert STORE(example)[0].chunk == MANUAL
    assert point(read("C"), example).point == "FP4"
    both = point(read("12 months or 24 months"), example)
    assert (both.point, both.detail["how"]) == ("FP6", "too general")


def test_what_is_stored_nowhere_is_known_before_a_run() -> None:
    missing = Example("q2", "What colour is it?", ("crimson",), (Gold("catalogue", "The printer is crimson."),))
    none = Example("q3", "Why?", unanswerable=True)
    assert unheld([EXAMPLE, missing, none], STORE) == ["q2"]


def test_foreign_traces_do_no_harm() -> None:
    strange = Step("search", {"hits": "none", "wanted": "all", "kept": None})
    odd = Step("prompt", {"shown": [["x"], ["y", 1, 2], "z"], "left_out": None, "dropped": 5})
    assert point(answered("36", strange, odd, hits=(MANUAL,))).point in {"FP2", "FP3", "FP4"}
