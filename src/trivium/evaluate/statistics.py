"""How sure a figure is: intervals of means, paired comparisons, corrections, and how many questions are needed.

Everything is seeded: the same values give the same interval. Values are one a question.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from trivium.errors import UsageError
from trivium.types import Score

RESAMPLES = 10_000
CONFIDENCE = 0.95
_BLOCK = 1 << 20
"""Numbers drawn at a time, to bound the memory."""

Values = Sequence[float] | NDArray[np.float64]


def interval(values: Iterable[float | None], *, seed: int = 0, resamples: int = RESAMPLES) -> Score:
    """Return the mean of `values` with its 95% interval.

    Values that are all 0 or 1 are a proportion and get Wilson's score interval, which stays honest at 0 and 1;
    others get the percentile bootstrap (Efron 1979, "Bootstrap methods: another look at the jackknife").

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
        low, high = percentiles(bootstrap_means(sample, seed=seed, resamples=resamples))
    return Score(mean, low, high, len(sample))


def wilson(right: int, n: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion: `right` of `n` (Wilson 1927, "Probable inference").

    (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), with p = right / n and z the normal quantile.

    Raises:
        UsageError: `right` is outside 0 to `n`, or `n` is not positive.
    """
    if not 0 <= right <= n or n < 1:
        raise UsageError(f"{right} of {n} is not a proportion.", "Give 0 <= right <= n and n of at least 1.")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = right / n
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if right == 0 else max(0.0, (centre - spread) / scale)
    high = 1.0 if right == n else min(1.0, (centre + spread) / scale)
    return low, high


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
