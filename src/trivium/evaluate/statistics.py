"""How sure a figure is: intervals of means, paired comparisons, corrections, and how many questions are needed.

Everything is seeded: the same values give the same interval. Values are one a question.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from trivium.errors import UsageError
from trivium.types import Score

RESAMPLES = 10_000
CONFIDENCE = 0.95
_BLOCK = 1 << 20
"""Numbers drawn at a time, to bound the memory."""
LARGE = 2_000
"""From so many values on the interval of a mean is mean ± z · s / √n, which the bootstrap's then equals in practice."""
_EVERY_FLIP = 12

Values = Sequence[float] | NDArray[np.float64]


def interval(values: Iterable[float | None], *, seed: int = 0, resamples: int = RESAMPLES) -> Score:
    """Return the mean of `values` with its 95% interval.

    Values that are all 0 or 1 are a proportion and get Wilson's score interval, which stays honest at 0 and 1;
    others get the percentile bootstrap (Efron 1979, "Bootstrap methods: another look at the jackknife"), from 2,000
    values on its limit, mean ± 1.96 s / √n.

    Args:
        values: one a question; None (the metric does not apply) is left out.
        seed: of the resampling.
        resamples: how many.

    Returns:
        A score; without any value its mean and bounds are NaN and `n` is 0.
    """
    sample = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(sample):
        return Score(math.nan, math.nan, math.nan, 0)
    mean = float(sample.mean())
    if np.isin(sample, (0.0, 1.0)).all():
        low, high = wilson(int(sample.sum()), len(sample))
    else:
        low, high = _mean_bounds(sample, seed, resamples)
    return Score(mean, low, high, len(sample))


def wilson(right: float, n: float, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion: `right` of `n` (Wilson 1927, "Probable inference").

    (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), with p = right / n and z the normal quantile. Both may be
    fractions, where questions that hang together count as fewer.

    Raises:
        UsageError: `right` is outside 0 to `n`, or `n` is not positive.
    """
    if not 0 <= right <= n or n <= 0:
        raise UsageError(f"{right} of {n} is not a proportion.", "Give 0 <= right <= n and n of at least 1.")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = right / n
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if right == 0 else max(0.0, (centre - spread) / scale)
    high = 1.0 if right == n else min(1.0, (centre + spread) / scale)
    return low, high


def _mean_bounds(sample: NDArray[np.float64], seed: int, resamples: int) -> tuple[float, float]:
    if len(sample) >= LARGE:
        mean = float(sample.mean())
        spread = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * float(sample.std()) / math.sqrt(len(sample))
        return mean - spread, mean + spread
    return percentiles(bootstrap_means(sample, seed=seed, resamples=resamples))


def bootstrap_means(sample: NDArray[np.float64], *, seed: int, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Return the means of `resamples` samples drawn from `sample` with replacement, shape (resamples,)."""
    random = np.random.default_rng(seed)
    n = len(sample)
    rows = max(1, _BLOCK // n)
    means = np.empty(resamples, dtype=np.float64)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        means[start : start + size] = sample[random.integers(0, n, (size, n))].mean(axis=1)
    return means


def percentiles(draws: NDArray[np.float64], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the middle `confidence` of the draws: their lower and upper percentile."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws, [tail, 100 - tail])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Paired:
    """The difference of two systems on the same questions, `a` less `b`.

    Attributes:
        difference: its mean with the 95% interval of the paired bootstrap.
        p: of the two-sided permutation test that there is none, 0 to 1.
        better: questions on which `a` scored more.
        worse: questions on which it scored less.
    """

    difference: Score
    p: float
    better: int
    worse: int

    @property
    def tie(self) -> bool:
        """Whether the interval includes 0: neither system may then be called the better one."""
        return not (self.difference.low > 0 or self.difference.high < 0)


def paired(
    a: Sequence[float | None], b: Sequence[float | None], *, seed: int = 0, resamples: int = RESAMPLES
) -> Paired:
    """Compare two systems question by question.

    The interval is that of the mean difference under resampling of questions (Koehn 2004, "Statistical significance
    tests for machine translation evaluation"); p is the share of sign flips of the differences whose mean is at
    least as far from 0 (Fisher's randomisation test, Smucker et al. 2007, "A comparison of statistical significance
    tests for information retrieval evaluation"), the observed one included.

    Args:
        a: one value a question; None where the metric does not apply, and the question is left out.
        b: the same questions in the same order.
        seed: of the resampling.
        resamples: how many.

    Raises:
        UsageError: the two differ in length.
    """
    if len(a) != len(b):
        raise UsageError(
            f"One system has {len(a)} values and the other {len(b)}.", "Compare the same questions in the same order."
        )
    found = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    differences = np.array([x - y for x, y in found], dtype=np.float64)
    if not len(differences):
        return Paired(Score(math.nan, math.nan, math.nan, 0), math.nan, 0, 0)
    low, high = _mean_bounds(differences, seed, resamples)
    return Paired(
        Score(float(differences.mean()), low, high, len(differences)),
        permutation_p(differences, seed=seed, resamples=resamples),
        int((differences > 0).sum()),
        int((differences < 0).sum()),
    )


def permutation_p(differences: Values, *, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Return the two-sided p of the sign-flip test of paired differences: (1 + as far) / (1 + flips).

    Args:
        differences: one a question; those of 0 change nothing.
        seed: of the flips.
        resamples: how many flips are drawn; up to 12 differences are flipped in every way instead.
    """
    sizes = np.abs(np.asarray(differences, dtype=np.float64))
    observed = abs(float(np.sum(differences)))
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return 1.0
    slack = 1e-12 * float(sizes.sum())
    if len(sizes) <= _EVERY_FLIP:
        signs = 1 - 2 * ((np.arange(2 ** len(sizes))[:, None] >> np.arange(len(sizes))) & 1)
        return float((np.abs(signs @ sizes) >= observed - slack).mean())
    random = np.random.default_rng(seed)
    kinds, counts = np.unique(sizes, return_counts=True)
    far = 0
    rows = max(1, _BLOCK // len(kinds))
    for start in range(0, resamples, rows):
        # Equal sizes are flipped together: how many of them are positive is binomial.
        positive = random.binomial(counts, 0.5, (min(rows, resamples - start), len(kinds)))
        far += int((np.abs((2 * positive - counts) @ kinds) >= observed - slack).sum())
    return (1 + far) / (1 + resamples)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values corrected for several comparisons, in their order (Holm 1979).

    The i-th smallest of m becomes the largest of (m - j + 1) · p_j over j up to i, at most 1: "A simple sequentially
    rejective multiple test procedure". A corrected value under 0.05 bounds the chance of any false claim by 5%.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the p values corrected so that of the claims made, a share of 5% is false at most; in their order.

    The i-th smallest of m becomes the smallest of m · p_j / j over j from i up: Benjamini and Hochberg 1995,
    "Controlling the false discovery rate". It finds more than Holm's where many differences are real, and where none
    is, a false claim is as rare.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    smallest = 1.0
    for rank in range(len(order), 0, -1):
        smallest = min(smallest, len(p_values) * p_values[order[rank - 1]] / rank)
        corrected[order[rank - 1]] = smallest
    return corrected


def questions_needed(difference: float, *, deviation: float, confidence: float = CONFIDENCE, power: float = 0.8) -> int:
    """Return how many questions a paired comparison needs to find a wanted difference.

    n = ((z_c + z_p) · deviation / difference)², rounded up, with z_c the two-sided normal quantile of the confidence
    and z_p that of the power (Cohen 1988, "Statistical power analysis for the behavioral sciences").

    Args:
        difference: of the means, as 0.05 for five points of accuracy.
        deviation: the standard deviation of the differences, question by question; `deviation_of` estimates it. For
            answers that are right or wrong it is about √(share of questions on which the systems disagree).
        confidence: of the interval that must not include 0.
        power: the chance of finding the difference where it exists.

    Raises:
        UsageError: a difference of 0, or a number outside its range.
    """
    if not difference or not math.isfinite(difference) or deviation < 0:
        raise UsageError(f"No number of questions shows a difference of {difference}.", "Give one other than 0.")
    if not (0 < confidence < 1 and 0 < power < 1):
        raise UsageError("Confidence and power are shares.", "Give numbers between 0 and 1, such as 0.95 and 0.8.")
    normal = NormalDist()
    z = normal.inv_cdf(0.5 + confidence / 2) + normal.inv_cdf(power)
    return max(2, math.ceil((z * deviation / difference) ** 2))


def deviation_of(a: Values, b: Values | None = None) -> float:
    """Return the standard deviation (n - 1) of values, or of the differences of two systems; 0 of fewer than two."""
    values = np.asarray(a, dtype=np.float64)
    if b is not None:
        values = values - np.asarray(b, dtype=np.float64)
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
