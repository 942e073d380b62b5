from __future__ import annotations

import math
import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.errors import UsageError
from trivium.evaluate.statistics import (
    benjamini_hochberg,
    bootstrap_means,
    deviation_of,
    holm,
    interval,
    paired,
    permutation_p,
    questions_needed,
    wilson,
)

RANDOM = np.random.default_rng(7)
SKEWED = RANDOM.beta(0.5, 2.0, 150)


@given(n=st.integers(1, 2000), share=st.floats(0, 1), confidence=st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_scipys(n: int, share: float, confidence: float) -> None:
    right = round(n * share)
    expected = scipy.stats.binomtest(right, n).proportion_ci(confidence, method="wilson")
    assert wilson(right, n, confidence=confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_proportions_get_wilsons_interval() -> None:
    found = interval([1, 0, 1, True, None, 0.0])
    assert (found.low, found.high) == wilson(3, 5)
    assert found.n == 5
    assert interval([0.0] * 20).low == 0.0
    assert 0.1 < interval([0.0] * 20).high < 0.2  # not 0: twenty questions do not prove that none goes right


def test_means_get_the_bootstraps_interval() -> None:
    found = interval(SKEWED)
    expected = scipy.stats.bootstrap(
        (SKEWED,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert found.mean == pytest.approx(SKEWED.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.003)
    assert found.high - found.low > 0.05
    assert interval(SKEWED) == found  # seeded
    assert interval(SKEWED, seed=1) != found


def test_many_values_get_the_limit_of_the_bootstrap() -> None:
    many = RANDOM.beta(0.5, 2.0, 3000)
    found = interval(many)
    low, high = np.percentile(bootstrap_means(many, seed=3), [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03 * (high - low))


def test_intervals_cover_the_truth() -> None:
    held = sum((found := interval(RANDOM.beta(2, 3, 60), resamples=1000)).low <= 0.4 <= found.high for _ in range(200))
    assert 0.89 <= held / 200 <= 0.99


def test_nothing_has_no_interval() -> None:
    for found in (interval([]), interval([None, None])):
        assert found.n == 0
        assert math.isnan(found.mean)
        assert math.isnan(found.low)
    with pytest.raises(UsageError, match="proportion"):
        wilson(3, 2)


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_the_interval_holds_the_mean_within_the_values(values: list[float]) -> None:
    found = interval(values, resamples=500)
    assert 0.0 <= found.low <= found.high <= 1.0
    assert found.low - 1e-9 <= found.mean <= found.high + 1e-9 or len(set(values)) > 2


def test_paired_difference_and_permutation() -> None:
    b = RANDOM.beta(2, 2, 120)
    a = np.clip(b + RANDOM.normal(0.03, 0.1, 120), 0, 1)
    found = paired(list(a), list(b))
    difference = a - b
    expected = scipy.stats.bootstrap(
        (difference,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert (found.difference.low, found.difference.high) == pytest.approx((expected.low, expected.high), abs=0.003)
    test = scipy.stats.permutation_test(
        (difference,), np.mean, permutation_type="samples", n_resamples=10_000, rng=np.random.default_rng(2)
    )
    assert found.p == pytest.approx(test.pvalue, abs=0.01)
    assert (found.better, found.worse) == (int((difference > 0).sum()), int((difference < 0).sum()))
    assert found.tie == (found.difference.low <= 0 <= found.difference.high)


def test_few_differences_are_flipped_in_every_way() -> None:
    differences = [0.5, 0.25, -0.125, 0.5, 0.0, 1.0, 0.75]
    test = scipy.stats.permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert permutation_p(differences) == pytest.approx(test.pvalue, abs=1e-12)
    assert permutation_p([0.0, 0.0]) == 1.0


def test_right_and_wrong_answers_flip_as_the_sign_test() -> None:
    differences = [1.0] * 40 + [-1.0] * 20 + [0.0] * 100
    assert permutation_p(differences) == pytest.approx(scipy.stats.binomtest(40, 60).pvalue, abs=0.004)


def test_paired_is_antisymmetric_and_leaves_out_what_does_not_apply() -> None:
    a, b = [1.0, 0.0, None, 1.0, 1.0], [0.0, 0.0, 1.0, None, 1.0]
    forth, back = paired(a, b), paired(b, a)
    assert forth.difference.n == back.difference.n == 3
    assert forth.difference.mean == -back.difference.mean == pytest.approx(1 / 3)
    assert (forth.better, forth.worse) == (back.worse, back.better) == (1, 0)
    assert paired([1.0, 0.5], [1.0, 0.5]).tie
    assert math.isnan(paired([None], [1.0]).difference.mean)
    with pytest.raises(UsageError, match="same questions"):
        paired([1.0], [])


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(p_values=st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_the_raw_values_and_bonferronis(p_values: list[float]) -> None:
    for raw, corrected in zip(p_values, holm(p_values), strict=True):
        assert raw <= corrected <= min(1.0, raw * len(p_values)) + 1e-12


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_the_false_discovery_rate_is_scipys(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(list(scipy.stats.false_discovery_control(p_values)))


def test_nothing_needs_no_correction() -> None:
    assert benjamini_hochberg([]) == []


def test_the_questions_needed_find_the_difference() -> None:
    n = questions_needed(0.05, deviation=0.3)
    assert n == math.ceil(((1.959964 + 0.841621) * 0.3 / 0.05) ** 2)
    found = sum(
        abs((sample := RANDOM.normal(0.05, 0.3, n)).mean()) > 1.96 * sample.std() / math.sqrt(n) for _ in range(400)
    )
    assert 0.73 <= found / 400 <= 0.87  # the power that was asked for
    assert questions_needed(0.05, deviation=0.3, power=0.95) > n
    assert questions_needed(-0.05, deviation=0.3) == n
    for wrong in ({"difference": 0.0}, {"power": 1.0}, {"confidence": 0.0}, {"deviation": -1.0}):
        with pytest.raises(UsageError):
            questions_needed(**({"difference": 0.05, "deviation": 0.3} | wrong))


def test_deviation_of_differences() -> None:
    assert deviation_of([1, 0, 1, 1], [1, 1, 0, 1]) == pytest.approx(np.std([0, -1, 1, 0], ddof=1))
    assert deviation_of([1.0]) == 0.0


def test_a_hundred_thousand_questions_take_no_time() -> None:
    start = time.perf_counter()
    many = RANDOM.random(100_000)
    interval(many)
    interval(RANDOM.integers(0, 2, 100_000).astype(float))
    paired(list(RANDOM.integers(0, 2, 100_000).astype(float)), list(RANDOM.integers(0, 2, 100_000).astype(float)))
    assert time.perf_counter() - start < 2.0
