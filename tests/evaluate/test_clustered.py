"""How often the intervals of paired differences hold: few questions, rare differences, questions of one document."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trivium.errors import UsageError
from trivium.evaluate.clustered import FEWEST, compared, mean_of, t_quantile, t_tail
from trivium.evaluate.statistics import interval, questions_needed, wilson

Differences = NDArray[np.float64]


@given(share=st.floats(0.6, 0.9999), freedom=st.floats(1, 10_000))
@settings(deadline=None)
def test_students_t_is_scipys(share: float, freedom: float) -> None:
    t = t_quantile(share, freedom)
    assert t == pytest.approx(scipy.stats.t.ppf(share, freedom), rel=1e-6)
    assert t_tail(t, freedom) == pytest.approx(1 - share, rel=1e-6)
    assert t_tail(1e6, 50.0) < 1e-12


def test_many_differences_have_the_t_interval() -> None:
    differences = np.random.default_rng(1).normal(0.05, 0.3, 5000)
    found = compared(differences)
    expected = scipy.stats.ttest_1samp(differences, 0.0)
    low, high = expected.confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high), abs=2e-4)
    assert found.p == pytest.approx(expected.pvalue, rel=0.02)
    assert found.difference.mean == differences.mean()


def test_right_and_wrong_answers_by_hand() -> None:
    found = compared([1.0] * 9 + [-1.0] * 3 + [0.0] * 48).difference
    centre = 6 / 62  # two questions are imagined; together they differ as much as one
    error = math.sqrt((12 + 1 - 62 * centre**2) / 61 / 62)
    t = scipy.stats.t.ppf(0.975, 61)
    assert (found.low, found.high) == pytest.approx((centre - t * error, centre + t * error))
    assert found.mean == pytest.approx(6 / 60)


def test_arms_that_never_differ_may_still_differ_a_little() -> None:
    found = compared([0.0] * 60)
    assert found.tie
    assert found.p == 1.0
    assert 0.02 < found.difference.high == -found.difference.low < 0.04


def test_p_and_interval_say_the_same() -> None:
    random = np.random.default_rng(2)
    for _ in range(300):
        found = compared(random.choice([-1.0, 0.0, 0.0, 1.0, 1.0], 30), random.integers(0, 12, 30).tolist())
        assert (found.p < 0.05) == (not found.tie)


def test_groups_of_equal_size_are_as_their_means() -> None:
    random = np.random.default_rng(3)
    groups = np.repeat(np.arange(40), 50)
    differences = 0.1 + random.normal(0, 0.5, 40)[groups] + random.normal(0, 0.1, 2000)
    found = compared(differences, groups.tolist())
    low, high = scipy.stats.ttest_1samp(differences.reshape(40, 50).mean(axis=1), 0.0).confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high), abs=0.009)
    assert found.groups == 40
    alone = compared(differences).difference
    assert found.difference.high - found.difference.low > 4 * (alone.high - alone.low)


def test_the_degrees_of_freedom_are_those_of_the_groups() -> None:
    """Against the definition: tr(M)² / tr(M²), with M the covariance of the adjusted sums."""
    from trivium.evaluate.clustered import _error, _likeness

    sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 20]
    members = np.repeat(np.arange(10), sizes)
    n = len(members)
    differences = np.random.default_rng(4).normal(0, 1, n) + np.random.default_rng(5).normal(0, 2, 10)[members]
    error, freedom, groups = _error(differences, members)
    inside = np.equal.outer(np.arange(10), members).astype(float)  # (10, n)
    adjusted = inside / np.sqrt(1 - np.array(sizes) / n)[:, None] / n @ (np.eye(n) - 1 / n)
    likeness = _likeness(differences, members, np.array(sizes, float))
    assert 0.3 < likeness < 1.0
    form = adjusted @ ((1 - likeness) * np.eye(n) + likeness * inside.T @ inside) @ adjusted.T
    assert freedom == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))
    assert error == pytest.approx(np.sqrt(((adjusted @ differences) ** 2).sum()))
    assert groups == 10


def test_few_documents_count_as_none() -> None:
    differences = np.tile([1.0, 0.0, 0.0, -1.0, 1.0], FEWEST - 1)
    few = [f"{place % (FEWEST - 1)}.md" for place in range(len(differences))]
    assert compared(differences, few) == compared(differences)
    assert compared(differences, [""] * len(differences)) == compared(differences)  # each stands for itself


def test_what_is_missing_is_left_out() -> None:
    found = compared([1.0, math.nan, 0.0, 1.0], ["a", "b", "b", ""])
    assert found.difference.n == 3
    assert found.difference.mean == pytest.approx(2 / 3)
    assert compared([math.nan]).difference.n == 0
    assert math.isnan(compared([]).p)
    with pytest.raises(UsageError, match="groups"):
        compared([1.0, 0.0], ["a"])


def test_means_of_questions_that_hang_together_are_less_sure() -> None:
    values = np.repeat([1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0], 20)
    alone, together = mean_of(values), mean_of(values, np.repeat(np.arange(10), 20).tolist())
    assert (alone.low, alone.high) == pytest.approx(wilson(120, 200))
    assert (together.low, together.high) == pytest.approx(wilson(6, 10), abs=0.03)  # as of ten questions
    assert 0.0 <= together.low < together.mean < together.high <= 1.0
    shares = np.random.default_rng(6).beta(2, 2, 300)
    assert (mean_of(shares).low, mean_of(shares).high) == pytest.approx(
        (interval(shares).low, interval(shares).high), abs=0.003
    )
    assert mean_of([1.0] * 20, [f"{i}" for i in range(10)] * 2).low == pytest.approx(wilson(20, 20)[0])
    assert mean_of([]).n == 0


def test_the_deviation_tells_how_many_questions_are_needed() -> None:
    random = np.random.default_rng(8)
    groups = np.repeat(np.arange(50), 4)

    def draw(documents: int) -> tuple[Differences, list[int]]:
        each = np.repeat(np.arange(documents), 4)
        return 0.08 + random.normal(0, 0.2, documents)[each] + random.normal(0, 0.3, len(each)), each.tolist()

    deviation = np.mean([compared(*draw(50)).deviation for _ in range(50)])
    assert deviation > 0.4  # of independent questions it would be 0.36
    n = questions_needed(0.08, deviation=float(deviation))
    found = sum(not compared(*draw(n // 4)).tie for _ in range(400)) / 400
    assert 0.73 <= found <= 0.87  # the power that was asked for
    assert len(groups) == 200


def test_groups_that_are_all_alike_are_worth_no_more_than_their_questions() -> None:
    halves, groups = [1.0, 0.0] * 20, [place // 2 for place in range(40)]
    assert mean_of(halves, groups) == mean_of(halves)
