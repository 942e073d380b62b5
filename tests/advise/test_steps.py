"""The next steps: each from the errors that call for it, with the counts, the gain of its trial, and the command."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.advise.cases import arm, comparison, failures, right, trial

from trivium.advise.case import Case, gain_of, in_vain
from trivium.advise.rank import pairs
from trivium.advise.steps import STEPS, next_steps
from trivium.advise.values import Advice, ArmResult, Comparison, Needs
from trivium.errors import UsageError

HALF = right((60, 1), (60, 0))


def case(found: Comparison, needs: Needs | None = None, best: str = "") -> Case:
    arms = {one.name: one for one in found.arms}
    first = found.arms[0]
    return Case(found, needs or Needs(), pairs(found), first, arms[best] if best else first)


def steps(found: Comparison, needs: Needs | None = None) -> dict[str, Advice]:
    return {advice.kind: advice for advice in next_steps(case(found, needs))}


def failing(*runs: tuple[int, str, dict[str, object]], values: tuple[float, ...] = HALF, **given: object) -> ArmResult:
    return arm("advanced", values, failures=failures(values, *runs), **given)


def test_missing_documents_are_named() -> None:
    one = failing((3, "FP1", {}), (2, "FP1", {"answered": True}), (1, "FP4", {"refused": True}))
    documents = ["a.md"] * 60 + ["pumps.md", "pumps.md", "parking.md"] + ["b.md"] * 57
    found = comparison(one, documents=documents, kb="hand book", unanswerable={63, 64, 65})
    advice = steps(found)["add_documents"]
    assert advice.step == "Add documents on pumps.md and parking.md."
    assert advice.because.startswith("3 of 60 errors of advanced are FP1 (missing content): no stored passage")
    assert advice.at_most == pytest.approx(3 / 120)
    assert advice.expected_gain is None
    assert advice.command == "trivium add PATH --kb 'hand book'"
    assert advice.measured_by == "failure points of advanced on 120 test questions"
    assert steps(found)["refuse"].because.startswith(
        "advanced answered 2 of 3 unanswerable questions, and refused 1 whose answer was found"
    )
    assert "refuse_less" not in steps(found)  # one threshold cannot go both ways


def test_topics_are_classes_or_words_where_no_document_is_named() -> None:
    one = failing((2, "FP1", {}))
    classes = [("en",)] * 60 + [("en", "parking")] * 60
    assert (
        steps(comparison(one, classes=classes, documents=[""] * 120))["add_documents"].step
        == "Add documents on parking."
    )
    assert "“What is 60?”" in steps(comparison(one, documents=[""] * 120))["add_documents"].step


def test_a_reranker_has_the_gain_that_its_trial_measured() -> None:
    one = failing((12, "FP2", {"rank": 14}), (4, "FP2", {"rank": 80}), (3, "FP3", {"stage": "rerank"}))
    before, after = right((40, 1), (20, 0)), right((47, 1), (13, 0))
    found = comparison(
        one, kb="kb", trials=(trial("tune_reranker", before, after, point="FP2"),), training_questions="t.jsonl"
    )
    advice = steps(found)["tune_reranker"]
    assert advice.because == (
        "16 of 60 errors of advanced are FP2 (missed the top ranks), 12 of them among the first 30 hits, and the "
        "reranker dropped 3 more. Tried on validation, it mends 7 of 20 FP2: +11.7 points [2.6, 20.0]."
    )
    assert advice.expected_gain == gain_of(found.trials[0]).difference
    assert advice.at_most == pytest.approx(15 / 120)
    assert advice.measured_by == "trial from advanced on 60 validation questions, paired"
    assert advice.command == "trivium tune reranker t.jsonl --kb kb"
    assert steps(found)["tune_embedder"].because.startswith(
        "4 of 60 errors of advanced are FP2 (missed the top ranks) bey"
    )


def test_a_trial_in_vain_is_not_advised_and_says_how_many_questions_would_tell() -> None:
    before, after = right((40, 1), (20, 0)), right((41, 1), (19, 0))
    found = comparison(failing((12, "FP2", {"rank": 14})), trials=(trial("tune_reranker", before, after, point="FP2"),))
    assert "tune_reranker" not in steps(found)
    words = in_vain(found.trials[0])
    assert words is not None
    assert words.startswith("tune_reranker was tried from advanced on 60 validation questions: +1.7 points")
    assert "which may be chance. About 103 questions would show a gain of 5.0 points." in words
    worse = trial("read", right((40, 1), (20, 0)), right((20, 1), (40, 0)))
    assert (in_vain(worse) or "").endswith("a loss.")
    assert in_vain(trial("read", right((20, 1), (40, 0)), right((40, 1), (20, 0)))) is None
    with pytest.raises(UsageError, match="other questions"):
        gain_of(trial("read", [1.0], [1.0, 0.0]))


def test_more_passages_hold_three_quarters_of_what_was_just_missed() -> None:
    one = failing(*((1, "FP2", {"rank": rank}) for rank in (11, 12, 13, 14, 19, 25)))
    advice = steps(comparison(one, questions_file="q.jsonl"))["more_passages"]
    assert advice.step == "Retrieve 14 passages instead of 10."
    assert advice.because.startswith("4 of 6 FP2 errors of advanced rank 11 to 14")
    assert advice.command == "trivium compare q.jsonl --arms advanced --k 14"
    assert "more_passages" not in steps(comparison(one), Needs(seconds=1.0))  # it is too slow already


def test_steps_of_the_pipeline_are_named_with_their_cure() -> None:
    one = failing((5, "FP3", {"stage": "budget"}), (2, "FP3", {"stage": "mine"}), (4, "FP3", {"stage": "judge"}))
    found = [advice for advice in next_steps(case(comparison(one))) if advice.kind == "let_through"]
    title = "errors of advanced are FP3 (not in the context)"
    assert [advice.because.split(":")[0] for advice in found] == [f"5 of 60 {title}", f"2 of 60 {title}"]
    assert "--chat MODEL" in found[0].step
    assert found[1].step == "Let more through at the step 'mine'."
    runs = ((4, "FP3", {"stage": "judge"}), (1, "FP4", {"refused": True}), (2, "FP1", {"answered": True}))
    both = steps(comparison(failing(*runs)))
    assert both["refuse_less"].because.startswith(
        "advanced refused 5 questions whose answer was found (4 by the evidence, 1 by the model), and answered 2"
    )
    assert "refuse" not in both


def test_a_single_error_calls_for_nothing() -> None:
    assert steps(comparison(failing((1, "FP1", {}), (1, "FP2", {"rank": 14})))).keys() == {"read"}


def test_reading_form_and_parts() -> None:
    one = failing((5, "FP5", {}), (2, "FP6", {}), (3, "FP7", {}), (4, "retrieval_not_needed", {}))
    found = steps(comparison(one, train="train.jsonl", questions_file="q.jsonl"))
    assert found["read"].because.startswith(
        "50 of 60 errors of advanced are FP4 (not extracted) or retrieval not needed"
    )
    assert found["read"].command == "trivium compare q.jsonl --arms advanced,advanced+raft"
    assert found["form"].because.startswith("7 of 60 errors of advanced are FP5 (wrong format) or FP6 (incorrect spec")
    assert found["form"].command.endswith(
        "--arms advanced,few_shot_nearest,closed_book+tuned,advanced+tuned --train train.jsonl"
    )
    assert found["whole"].because.startswith("3 of 60 errors of advanced are FP7")
    both = steps(comparison(one, arm("advanced+raft", HALF, "both")))
    assert both["read"].step.startswith("Take a larger chat model")  # tuned to read was measured already


def test_an_arm_without_a_model_has_nothing_that_a_model_could_mend() -> None:
    runs = ((3, "FP1", {"answered": True}), (5, "FP5", {}), (3, "FP7", {}), (2, "FP2", {"rank": 14}))
    values = right((60, 1), (60, 0))
    silent = arm("retrieve_only", values, failures=failures(values, *runs), tokens=0)
    assert not steps(comparison(silent)).keys() & {"read", "refuse", "form", "whole"}
    assert "tune_reranker" in steps(comparison(silent))
    assert {"read", "refuse", "form", "whole"} <= steps(comparison(failing(*runs))).keys()


def test_a_class_that_passages_hurt_is_sent_to_the_model_alone() -> None:
    grounded = arm("advanced", right((30, 1), (50, 1), (20, 0), (10, 1), (10, 0)))
    alone = arm("closed_book", right((30, 0), (50, 0), (40, 1)), "prompt")
    classes = [("en",)] * 80 + [("popular", "unanswerable")] * 30 + [("rare",)] * 10
    found = comparison(grounded, alone, classes=classes)
    advice = [one for one in next_steps(case(found)) if one.kind == "route"]
    names = [one.step.split("'")[1] for one in advice]
    assert "popular" in names
    assert "unanswerable" not in names  # nobody can tell that when a question is asked
    assert "en" not in names
    popular = advice[names.index("popular")]
    assert popular.expected_gain is not None
    assert popular.expected_gain.mean == pytest.approx(20 / 120)
    assert popular.expected_gain.low > 0
    assert "closed_book less advanced is +66.7 points" in popular.because
    assert "30 test questions of the class, p = " in popular.measured_by


def test_an_arm_over_the_limit_is_made_faster_only_where_it_is_better() -> None:
    slow, quick = arm("advanced", right((90, 1), (30, 0)), seconds=3.0), arm("naive", HALF, seconds=0.5)
    found = comparison(slow, quick, questions_file="q.jsonl")
    advice = next_steps(case(found, Needs(seconds=2.0), best="naive"))[0]  # first: it breaks a need
    assert advice.step == "Retrieve 5 passages in advanced, and measure what that costs in quality."
    assert "95% of the answers of advanced take 6 s, the limit is 2 s; it is +25.0 points" in advice.because
    assert advice.command == "trivium compare q.jsonl --arms advanced --k 5"
    none = next_steps(case(comparison(slow), Needs(seconds=2.0)))[0]
    assert "no arm meets all needs" in none.because
    alike = comparison(arm("advanced", right((61, 1), (59, 0)), seconds=3.0), quick)
    assert "faster" not in {one.kind for one in next_steps(case(alike, Needs(seconds=2.0), best="naive"))}
    assert "faster" not in steps(found, Needs(seconds=9.0))


def test_what_was_not_measured_is_measured_next() -> None:
    alone = comparison(arm("closed_book", HALF, "prompt"), ArmResult("mine", "other", error="no module"))
    found = steps(alone, Needs(labelled=1200, fresh=True, sources=True))
    assert found["measure_tuned"].because == "1,200 labelled examples are at hand, and no tuned arm was measured."
    assert found["measure_tuned"].command == "trivium compare QUESTIONS --arms closed_book+tuned --train DATA"
    assert found["measure_grounded"].because.startswith("Knowledge that changes and sources are needed")
    assert found["mend_arm"].because == "It failed: no module"
    assert not steps(comparison(arm("a", right((9, 1)), "prompt"))).keys() & {
        "measure_tuned",
        "measure_grounded",
        "mend_arm",
    }


def test_a_tie_of_few_questions_asks_for_more() -> None:
    few = comparison(arm("a", right((12, 1), (8, 0))), arm("b", right((8, 0), (10, 1), (2, 0))))
    advice = steps(few)["more_questions"]
    needed = case(few).pairs[0].needed
    assert needed is not None
    assert needed > 20
    assert f"about {needed:,} in the test part instead of 20" in advice.step
    assert "more_questions" not in steps(comparison(arm("a", right((90, 1), (10, 0))), arm("b", right((100, 0)))))


def test_the_order_is_needs_then_measured_gains_then_possible_ones() -> None:
    one = failing((20, "FP1", {}), (12, "FP2", {"rank": 14}), seconds=3.0)
    before, after = right((40, 1), (20, 0)), right((47, 1), (13, 0))
    found = comparison(one, trials=(trial("tune_reranker", before, after, point="FP2"),))
    kinds = [advice.kind for advice in next_steps(case(found, Needs(seconds=2.0, labelled=5)))]
    assert kinds == ["faster", "tune_reranker", "read", "add_documents", "rerank", "measure_tuned"]
    assert set(kinds) < STEPS.keys()


def test_errors_of_a_grounded_arm_count_only_beyond_the_arm_that_is_taken() -> None:
    alone = arm("closed_book", right((80, 1), (40, 0)), "prompt")
    grounded = failing((30, "FP2", {"rank": 14}), (5, "FP1", {}))
    found = comparison(alone, grounded)
    advice = {one.kind: one for one in next_steps(case(found), [grounded])}
    assert advice["tune_reranker"].arm == "advanced"
    assert advice["tune_reranker"].at_most == pytest.approx((60 + 30 - 80) / 120)
    assert "add_documents" not in advice  # all five would not make it better than the model alone


def test_a_metric_between_0_and_1_counts_what_is_missing() -> None:
    one = replace(failing((10, "FP1", {})), values={"f1": (0.75,) * 120, "correct": HALF})
    found = replace(comparison(one), metric="f1")
    assert steps(found)["add_documents"].at_most == pytest.approx(10 * 0.25 / 120)


def test_a_reranker_is_advised_with_what_its_trial_gained() -> None:
    one = failing((12, "FP2", {"rank": 14}))
    before, after = right((40, 1), (20, 0)), right((47, 1), (13, 0))
    found = comparison(one, trials=(trial("rerank", before, after, point="FP2"),))
    [advice] = [one for one in next_steps(case(found)) if one.kind == "rerank"]
    assert advice.expected_gain is not None
    assert advice.expected_gain.low > 0
    assert "--reranker late" in advice.command
    assert "Tried on validation" in advice.because
