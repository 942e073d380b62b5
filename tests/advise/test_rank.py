"""Ranking with ties, Pareto fronts, classes, needs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tests.advise.cases import arm, comparison, right

from trivium.advise.rank import checked, class_gains, cost_of, front, pair_of, pairs, ranking, seconds_of, unmet
from trivium.advise.values import ArmResult, Comparison, Needs
from trivium.errors import UsageError

GOOD = right((80, 1), (20, 0))
ALIKE = right((78, 1), (22, 0))
BAD = right((40, 1), (60, 0))


def test_arms_that_cannot_be_told_apart_share_a_place() -> None:
    found = comparison(arm("bad", BAD), arm("good", GOOD), arm("alike", ALIKE), arm("worst", right((10, 1), (90, 0))))
    assert [(one.place, one.arm) for one in ranking(found, pairs(found))] == [
        (1, "good"), (1, "alike"), (3, "bad"), (4, "worst"),
    ]  # fmt: skip


def test_pairs_have_verdicts_and_the_questions_that_a_tie_needs() -> None:
    found = pairs(comparison(arm("bad", BAD), arm("good", GOOD), arm("alike", ALIKE)))
    assert [(pair.a, pair.b, pair.verdict) for pair in found] == [
        ("good", "alike", "tie"), ("good", "bad", "a"), ("alike", "bad", "a"),
    ]  # fmt: skip
    tie, clear, _ = found
    assert tie.difference.mean == pytest.approx(0.02)
    assert clear.difference.mean == pytest.approx(0.4)
    assert clear.difference.low > 0.25
    assert clear.needed is None
    # They differ on 2 of 100 questions, and one is imagined: sd ≈ √(3 / 102) = 0.171; (2.9 · 0.171 / 0.05)² = 98
    assert tie.needed == pytest.approx(98, abs=2)
    turned = pair_of(found, "bad", "good")
    assert turned is not None
    assert (turned.verdict, turned.difference.mean) == ("b", pytest.approx(-0.4))
    assert turned.difference.low == -clear.difference.high
    assert pair_of(found, "bad", "nobody") is None


def test_a_failed_arm_is_not_ranked() -> None:
    found = comparison(arm("good", GOOD), ArmResult("broken", "tune", error="out of memory"))
    assert [one.arm for one in ranking(checked(found), pairs(found))] == ["good"]
    assert pairs(found) == ()


def test_the_fronts_hold_what_nothing_beats_at_its_price() -> None:
    found = comparison(
        arm("dear", GOOD, cost=9.0, seconds=1.0),
        arm("fair", ALIKE, cost=3.0, seconds=4.0),
        arm("silly", BAD, cost=5.0, seconds=3.0),
        arm("cheap", BAD, cost=1.0, seconds=0.2),
        arm("unpriced", right((90, 1), (10, 0)), seconds=9.0),
    )
    assert front(found, cost_of) == ("cheap", "fair", "dear")
    assert front(found, seconds_of) == ("cheap", "dear", "unpriced")


def test_classes_are_compared_and_corrected_for_their_number() -> None:
    old = right((30, 1), (10, 0), (40, 1))
    new = right((40, 1), (10, 1), (20, 0), (10, 1))
    classes = [("en",)] * 40 + [("zh", "rare" if place < 4 else "common") for place in range(40)]
    found = class_gains(comparison(arm("a", old), arm("b", new), classes=classes), *(arm("a", old), arm("b", new)))
    assert [row.name for row in found] == ["common", "zh", "en"]  # "rare" has 4 questions
    by_name = {row.name: row for row in found}
    assert by_name["en"].difference.mean == pytest.approx(-0.25)
    assert by_name["en"].shown
    assert by_name["zh"].difference.mean == pytest.approx(0.5)
    assert (by_name["zh"].a.mean, by_name["zh"].b.mean) == (1.0, 0.5)
    everywhere = [("all",)] * 80
    assert class_gains(comparison(arm("a", old), classes=everywhere), arm("a", old), arm("b", new)) == []


@pytest.mark.parametrize(
    ("need", "words"),
    [
        (Needs(seconds=1.5), "95% of its answers take 2 s, the limit is 1.5 s"),
        (Needs(budget=10.0), "1,000 answers cost 20.00 USD, the limit is 10.00 USD"),
        (Needs(memory_mib=100), "it holds 200 MiB of memory, the machine has 100"),
        (Needs(sources=True), "it shows no sources"),
        (Needs(fresh=True), "the knowledge changes"),
        (Needs(private=True), "to another machine"),
    ],
)
def test_needs_that_an_arm_does_not_meet_are_named_with_their_figure(need: Needs, words: str) -> None:
    one = arm("a", GOOD, "tune", cost=2.0, memory_mib=200.0, remote=True)
    (found,) = unmet(comparison(one), one, need)
    assert words in found
    assert unmet(comparison(one), one, Needs(accuracy=0.99)) == ()
    grounded = arm("b", GOOD, "both")
    easy = Needs(seconds=2, budget=1, fresh=True, sources=True, private=True, accuracy=0.8)
    assert unmet(comparison(grounded), grounded, easy) == ()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Comparison((), ()), "nothing to compare"),
        (comparison(arm("a", GOOD), arm("a", BAD)), "Two arms are named 'a'"),
        (comparison(arm("a", GOOD), arm("b", BAD[:5])), "'b' has {'correct': 5} entries for 100"),
        (comparison(arm("a", GOOD), arm("b", BAD, said=("x",))), "said"),
        (comparison(arm("a", GOOD), metric="f1"), "'a' has no 'f1'"),
    ],
)
def test_figures_that_do_not_belong_together_are_refused(wrong: Comparison, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        checked(wrong)


def test_missing_values_count_in_no_difference() -> None:
    gaps = (math.nan,) * 50 + BAD[50:]
    found = pairs(comparison(arm("good", GOOD), arm("gaps", gaps)))
    assert found[0].difference.n == 50
    none = pairs(comparison(arm("good", GOOD), arm("none", (math.nan,) * 100)))
    assert (none[0].verdict, none[0].needed) == ("tie", None)


def test_a_metric_of_which_less_is_better_is_turned() -> None:
    low, high = (
        arm("low", GOOD, metrics={"perplexity": [2.0] * 100}),
        arm("high", GOOD, metrics={"perplexity": [9.0] * 100}),
    )
    found = replace(comparison(low, high), metric="perplexity")
    assert [one.arm for one in ranking(found, pairs(found))] == ["low", "high"]
    assert ranking(found, pairs(found))[0].score.mean == 2.0
