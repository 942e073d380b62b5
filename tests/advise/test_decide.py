"""What is taken and why; and the ten questions on tuning, answered by the user, by figures, by both or by neither."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from tests.advise.cases import arm, comparison, failures, right, trial

from trivium.advise.decide import decide
from trivium.advise.ten import QUESTIONS, ten
from trivium.advise.values import ArmResult, Comparison, Needs, TuningQuestion
from trivium.errors import UsageError
from trivium.types import Score

GOOD = right((84, 1), (36, 0))
CLOSE = right((82, 1), (38, 0))
BAD = right((40, 1), (80, 0))


def test_of_arms_that_are_as_good_the_cheapest_is_taken() -> None:
    dear, cheap = arm("advanced", GOOD, cost=3.0), arm("naive", CLOSE, cost=1.0)
    found = decide(comparison(dear, cheap, arm("closed_book", BAD, "prompt", cost=0.1)))
    assert found.take == "naive"
    assert found.because.startswith(
        "naive has correct 68.3% [59.6, 76.0] on 120 test questions. Better than closed_book;"
    )
    assert "cannot be told from advanced, and costs least of them (8.33 USD for 1,000 answers)" in found.because
    assert [(one.place, one.arm) for one in found.ranking] == [(1, "advanced"), (1, "naive"), (3, "closed_book")]
    assert found.cheapest == ("closed_book", "naive", "advanced")


def test_without_prices_the_simpler_road_is_taken_then_the_better_mean() -> None:
    found = decide(comparison(arm("advanced+raft", GOOD, "both"), arm("few_shot", CLOSE, "prompt")))
    assert found.take == "few_shot"
    assert "cannot be told from advanced+raft, and asks for less upkeep" in found.because
    alike = decide(comparison(arm("naive", CLOSE, seconds=0.5), arm("advanced", GOOD, seconds=2.0)))
    assert alike.take == "advanced"
    assert "cannot be told from naive, and asks for no more upkeep than they" in alike.because


def test_a_tie_of_few_questions_does_not_give_the_better_mean_away() -> None:
    good, bad = right((14, 1), (6, 0)), right((11, 1), (9, 0))
    found = decide(comparison(arm("advanced", good, cost=3.0), arm("closed_book", bad, "prompt", cost=0.1)))
    assert found.pairs[0].verdict == "tie"
    assert found.take == "advanced"  # 15 points ahead, if not shown
    assert "likely by the means, and not shown" in found.because
    assert found.mind[0].startswith(
        "advanced and closed_book are tied. A true difference of 15.0 points would show on about"
    )


def test_needs_rule_arms_out_and_say_which_is_better_but_for_them() -> None:
    slow, quick = arm("advanced", GOOD, seconds=5.0), arm("naive", BAD, seconds=0.5)
    found = decide(comparison(slow, quick), Needs(seconds=2.0))
    assert found.take == "naive"
    assert found.unmet == {"advanced": ("95% of its answers take 10 s, the limit is 2 s",)}
    assert "advanced is better, and breaks a need: 95% of its answers take 10 s, the limit is 2 s." in found.because
    assert found.advice[0].kind == "faster"
    none = decide(comparison(slow, quick), Needs(seconds=0.1))
    assert none.take == ""
    assert none.because.startswith("No arm meets the needs: advanced: 95% of its answers take 10 s")


def test_a_wanted_accuracy_that_no_arm_reaches_is_said() -> None:
    found = decide(comparison(arm("advanced", GOOD)), Needs(accuracy=0.95))
    assert found.take == "advanced"
    assert "less than the 95.0% that are wanted, which no arm reaches" in found.because
    open_ = decide(comparison(arm("advanced", GOOD)), Needs(accuracy=0.72))
    assert any("Whether advanced reaches 72.0% is not shown: 70.0%" in line for line in open_.mind)


def test_where_no_model_reads_passages_the_errors_of_the_best_that_does_are_looked_at() -> None:
    reads = arm("advanced", CLOSE, failures=failures(CLOSE, (20, "FP2", {"rank": 14})), seconds=2.0)
    for best in (arm("retrieve_only", GOOD, tokens=0), arm("closed_book", GOOD, "prompt")):
        found = decide(comparison(best, reads))
        assert found.take == best.name
        assert "tune_reranker" in {one.kind for one in found.advice if one.arm == "advanced"}


def test_failed_arms_and_gaps_are_told() -> None:
    gaps = (math.nan,) * 3 + GOOD[3:]
    found = decide(comparison(arm("advanced", gaps), ArmResult("tuned", "tune", error="out of memory")))
    assert found.failed == {"tuned": "out of memory"}
    assert "Questions without a figure, which count in no difference: advanced 3." in found.mind
    broken = replace(comparison(arm("a", GOOD)), arms=(ArmResult("a", "tune", error="out of memory"),))
    nothing = decide(broken)
    assert (nothing.take, nothing.because) == ("", "No arm could be measured: a: out of memory")
    assert nothing.failed == {"a": "out of memory"}
    with pytest.raises(UsageError, match="nothing to compare"):
        decide(Comparison((), ()))


def test_what_would_change_it() -> None:
    vain = trial("read", right((40, 1), (20, 0)), right((41, 1), (19, 0)))
    few = ["a.md", "b.md", "c.md"] * 40
    found = decide(comparison(arm("advanced", GOOD, "both"), documents=few, trials=(vain,)))
    words = " ".join(found.mind)
    assert "The questions are about 3 documents: the intervals hold for other questions about them" in words
    assert "read was tried from advanced on 60 validation questions: +1.7 points" in words
    assert "A limit on seconds or cost, which was not said" in words
    assert "The training is one run with one seed" in words
    many = decide(comparison(arm("advanced", GOOD)), Needs(seconds=9.0))
    assert many.mind == ()


def test_the_same_figures_give_the_same_decision() -> None:
    found = comparison(arm("advanced", GOOD), arm("naive", CLOSE), arm("closed_book", BAD, "prompt"))
    assert decide(found) == decide(found)


# The ten questions.


def asked(needs: Needs, *arms: ArmResult, **given: Any) -> dict[str, TuningQuestion]:
    return {one.topic: one for one in ten(comparison(*arms, **given), needs)}


PLAIN = arm("advanced", BAD, failures=failures(BAD, (4, "FP5", {})), cost=2.0)
TUNED = arm(
    "advanced+raft", GOOD, "both", cost=2.0, train_seconds=600.0, train_samples=400, train_cost=5.0,
    memory_mib=900.0, disk_bytes=5 * 2**20,
)  # fmt: skip


def test_there_are_ten_and_nothing_said_and_no_tuned_arm_leaves_all_open() -> None:
    found = asked(Needs(), PLAIN)
    assert list(found) == [topic for topic, *_ in QUESTIONS]
    assert len(found) == 10
    assert {one.speaks_for for one in found.values()} == {"open"}
    assert {one.said for one in found.values()} == {"not said"}
    assert found["field accuracy"].measured.endswith("Not measured: no tuned arm ran.")


@pytest.mark.parametrize(
    ("topic", "needs", "speaks", "said", "measured"),
    [
        ("field accuracy", Needs(accuracy=0.9), "tuning", "90.0% of the answers", "advanced 33.3% [25.5, 42.2]; "),
        ("field accuracy", Needs(accuracy=0.2), "against tuning", "20.0%", "reached without tuning"),
        ("behaviour and style", Needs(style=True), "open", "a style or format matters", "advanced 4"),
        ("behaviour and style", Needs(style=False), "against tuning", "do not matter", "of 120 answers"),
        ("edge cases", Needs(edge_cases=True), "open", "rare cases matter", "not measured: no class has 5 questions"),
        ("reliability", Needs(reliable=True), "open", "more harm than none", "which wrong answers were refusals"),
        ("cost", Needs(budget=1.0), "open", "at most 1.00 USD for 1,000", "advanced 16.67 USD for 1,000 answers"),
        ("fast new tasks", Needs(tasks=3), "against tuning", "3 tasks", "raft took 10 min"),
        ("fast new tasks", Needs(tasks=1), "open", "1 task", "is done again for each new task"),
        ("training data", Needs(labelled=500), "tuning", "500 labelled examples", "400 samples: +36.7 points"),
        ("training data", Needs(labelled=0), "against tuning", "0 labelled examples", "400 samples"),
        ("transparency", Needs(sources=True), "open", "where they come from", "not measured"),
        ("resources", Needs(maintainer="users"), "against tuning", "cannot train", "memory 900 MiB, disk 5.0 MiB"),
        ("resources", Needs(memory_mib=500), "against tuning", "500 MiB", "900 MiB"),
        ("resources", Needs(maintainer="engineers"), "open", "who can train", "advanced+raft"),
        ("knowledge that changes", Needs(fresh=True), "against tuning", "the knowledge changes", "not measured"),
    ],
)  # fmt: skip
def test_each_question_has_both_answers_side_by_side(
    topic: str, needs: Needs, speaks: str, said: str, measured: str
) -> None:
    one = asked(needs, PLAIN, TUNED)[topic]
    assert one.speaks_for == speaks
    assert said in one.said
    assert measured in one.measured


def test_form_is_measured_where_questions_ask_for_one() -> None:
    loose, strict = right((60, 1), (60, 0)), right((110, 1), (10, 0))
    plain = replace(PLAIN, values={**PLAIN.values, "format": loose})
    tuned = replace(TUNED, values={**TUNED.values, "format": strict})
    one = asked(Needs(style=True), plain, tuned)["behaviour and style"]
    assert one.measured.startswith("answers in the right form: +41.7 points")
    assert one.speaks_for == "tuning"
    kept = replace(PLAIN, values={**PLAIN.values, "format": right((120, 1))})
    assert asked(Needs(style=True), kept, tuned)["behaviour and style"].speaks_for == "against tuning"
    assert "no tuned arm ran" in asked(Needs(style=True), plain)["behaviour and style"].measured


def test_rare_cases_are_measured_by_the_small_classes() -> None:
    classes = [("common",)] * 100 + [("rare",)] * 20
    plain, tuned = arm("advanced", right((100, 1), (20, 0))), arm("raft", right((90, 1), (10, 0), (20, 1)), "both")
    one = asked(Needs(edge_cases=True), plain, tuned, classes=classes)["edge cases"]
    assert one.measured.startswith("20 questions of rare classes: advanced 0.0%")
    assert one.speaks_for == "tuning"
    assert asked(Needs(edge_cases=False), plain, tuned, classes=classes)["edge cases"].speaks_for == "open"
    assert "no tuned arm ran" in asked(Needs(), plain, classes=classes)["edge cases"].measured


def test_reliability_counts_what_was_answered_wrongly() -> None:
    refused = right((40, 0), (60, 1), (20, 0))
    plain = replace(PLAIN, values={**PLAIN.values, "refused": right((120, 0))})
    tuned = replace(TUNED, values={"correct": BAD, "refused": refused})
    one = asked(Needs(reliable=True), plain, tuned)["reliability"]
    assert (
        "advanced 66.7% [57.8, 74.5]; advanced+raft 16.7% [11.1, 24.3]. Fewer wrong answers by tuning: +50.0 p"
        in one.measured
    )
    assert one.speaks_for == "tuning"
    able = replace(tuned, abilities={"rejection": Score(0.6, 0.5, 0.7, 90)})
    assert "rejection: advanced+raft 60.0% [50.0, 70.0]" in asked(Needs(), plain, able)["reliability"].measured


def test_cost_speaks_where_the_prices_differ() -> None:
    dear = replace(TUNED, values={"correct": BAD}, cost=4.0)
    assert asked(Needs(), PLAIN, dear)["cost"].speaks_for == "against tuning"
    cheap = asked(Needs(), PLAIN, replace(TUNED, cost=1.0))["cost"]
    assert cheap.speaks_for == "tuning"
    assert cheap.measured.endswith("training 5.00 USD: paid back after 600 answers")
    unpriced = asked(Needs(), replace(PLAIN, cost=None), TUNED)["cost"]
    assert "100 tokens an answer" in unpriced.measured
    assert unpriced.speaks_for == "open"


def test_sources_and_changing_knowledge_speak_against_a_model_tuned_alone() -> None:
    closed = arm("closed_book", right((20, 1), (100, 0)), "prompt")
    plain = replace(PLAIN, values={**PLAIN.values, "citation_precision": right((100, 1), (20, 0))})
    alone = arm("closed_book+tuned", right((60, 1), (60, 0)), "tune")
    found = asked(Needs(sources=True, fresh=False), closed, plain, alone)
    assert found["transparency"].speaks_for == "against tuning"
    assert found["transparency"].measured == (
        "citations that hold: advanced 83.3% [75.7, 88.9]. no sources from closed_book+tuned"
    )
    change = found["knowledge that changes"]
    assert change.measured.startswith("knowledge from passages (advanced less closed_book): +16.7 points")
    assert "knowledge from training (closed_book+tuned less closed_book): +33.3 points" in change.measured
    assert change.speaks_for == "tuning"  # it does not change, and training holds more of it


def test_scores_are_the_houses_own() -> None:
    found = decide(comparison(arm("advanced", GOOD), arm("closed_book", BAD, "prompt")))
    assert isinstance(found.ranking[0].score, Score)
    assert found.ranking[0].score.n == 120
