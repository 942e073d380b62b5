"""Paired differences of questions that hang together: intervals and p values that stay honest for few questions.

Questions about one document rise and fall together, so that 200 questions on 20 documents say less than 200 on 200.
The percentile bootstrap of `statistics.py` is too narrow then, and for fewer than a hundred questions too. Here the
interval is a t interval, with two repairs; `tests/advise/test_simulated.py` measures how often it holds.

1. The variance is that of the groups' sums, each divided by √(1 - its share) (CR2; Bell and McCaffrey 2002, "Bias
   reduction in standard errors for linear regression with multi-stage samples"). The degrees of freedom are those that
   groups of these sizes leave, where questions of a group are as alike as they are seen to be (Imbens and Kolesár 2016,
   "Robust standard errors in small samples").
2. Two imagined questions are added, one won and one lost, which differ together as much as one question that differs.
   Without them the interval shrinks to nothing where the arms differ on two or three questions. Bonett and Price 2012,
   "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data", add twice as much,
   which makes the interval too wide for 40 questions.

The p value is that of the same statistic, so that p < 0.05 exactly where the interval excludes 0.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trivium.errors import UsageError
from trivium.evaluate.statistics import CONFIDENCE, wilson
from trivium.types import Score

FEWEST = 5
"""Groups from which on their spread is used. Of fewer it says too little: the questions count as independent, and the
interval holds for questions about these documents, not about others."""
_IMAGINED = math.sqrt(0.5)
"""How far the two imagined questions are won and lost, as a share of how far others are that differ."""

Groups = Sequence[Hashable]
_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Compared:
    """A mean of paired differences.

    Attributes:
        difference: the mean, its 95% interval, the number of differences.
        p: two-sided, that the true mean is 0.
        deviation: √n times the standard error: what a question contributes to the uncertainty, for
            `trivium.evaluate.statistics.questions_needed`.
        groups: how many groups the spread is that of; 0 where the questions count as independent.
    """

    difference: Score
    p: float
    deviation: float
    groups: int = 0

    @property
    def tie(self) -> bool:
        """Whether the interval includes 0."""
        return not (self.difference.low > 0 or self.difference.high < 0)


NOTHING = Compared(Score(math.nan, math.nan, math.nan, 0), math.nan, math.nan)


def compared(differences: Sequence[float] | _Array, groups: Groups | None = None) -> Compared:
    """Return the mean of paired differences with its 95% interval and p value.

    Args:
        differences: one a question; NaN where there is none, and the question is left out.
        groups: what each question belongs to, such as its document; "" or None stands for itself alone.

    Raises:
        UsageError: there are not as many groups as differences.
    """
    sample, members = _kept(differences, groups)
    n = len(sample)
    if not n:
        return NOTHING
    imagined = _IMAGINED * _typical(sample)
    sample = np.append(sample, (imagined, -imagined))
    error, freedom, used = _error(sample, members)
    centre = float(sample.mean())
    reach = t_quantile(0.5 + CONFIDENCE / 2, freedom) * error
    difference = Score(float(sample[:n].mean()), centre - reach, centre + reach, n)
    return Compared(difference, 2 * t_tail(abs(centre) / error, freedom), error * math.sqrt(n + 2), used)


def mean_of(values: Sequence[float] | _Array, groups: Groups | None = None) -> Score:
    """Return the mean of values with its 95% interval, wider where they hang together.

    A proportion has Wilson's interval, its questions counted as fewer by the design effect (Kish 1965, "Survey
    sampling"); any other mean has the t interval, within the values.

    Args:
        values: one a question; NaN is left out.
        groups: as for `compared`.
    """
    sample, members = _kept(values, groups)
    n = len(sample)
    if not n:
        return Score(math.nan, math.nan, math.nan, 0)
    mean = float(sample.mean())
    error, freedom, _ = _error(sample, members)
    if np.isin(sample, (0.0, 1.0)).all():
        plain = float(sample.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
        effect = max(1.0, (error / plain) ** 2) if plain else 1.0  # groups that differ less than chance say no more
        return Score(mean, *wilson(float(sample.sum()) / effect, n / effect), n)
    reach = t_quantile(0.5 + CONFIDENCE / 2, freedom) * error
    return Score(mean, max(mean - reach, float(sample.min())), min(mean + reach, float(sample.max())), n)


def _kept(values: Sequence[float] | _Array, groups: Groups | None) -> tuple[_Array, NDArray[np.intp] | None]:
    """Return the values that are numbers, and the number of each one's group; None where they count as independent."""
    sample = np.asarray(values, dtype=np.float64)
    there = ~np.isnan(sample)
    if groups is None:
        return sample[there], None
    if len(groups) != len(sample):
        raise UsageError(f"{len(sample)} values have {len(groups)} groups.", "Give one group a value.")
    numbers: dict[Hashable, int] = {}
    named = (group if group not in ("", None) else ("alone", place) for place, group in enumerate(groups))
    members = [numbers.setdefault(group, len(numbers)) for group in named]
    _, kept = np.unique(np.array(members, dtype=np.intp)[there], return_inverse=True)
    count = int(kept.max()) + 1 if len(kept) else 0
    return sample[there], kept if FEWEST <= count < len(kept) else None


def _typical(sample: _Array) -> float:
    """Return how large the differences other than 0 usually are (root mean square); 1 where all are 0."""
    others = sample[sample != 0]
    return float(np.sqrt((others**2).mean())) if len(others) else 1.0


def _error(sample: _Array, members: NDArray[np.intp] | None) -> tuple[float, float, int]:
    """Return the standard error of the mean, its degrees of freedom, and the number of groups that it is from.

    Values beyond the members (the imagined questions) are groups of their own.
    """
    n = len(sample)
    if members is None:
        return float(sample.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0, max(n - 1, 1), 0
    count = int(members.max()) + 1
    every = np.append(members, np.arange(count, count + n - len(members)))
    sizes = np.bincount(every).astype(np.float64)  # (groups,)
    shares = sizes / n
    sums = np.bincount(every, weights=sample - sample.mean())  # (groups,)
    weights = 1 / (n * n * (1 - shares))
    likeness = _likeness(sample, every, sizes)
    variances = sizes * (1 - likeness) + sizes**2 * likeness  # of the sums, up to a factor
    freedom = _freedom(weights, shares, variances)
    return math.sqrt(float((weights * sums**2).sum())), freedom, count


def _likeness(sample: _Array, members: NDArray[np.intp], sizes: _Array) -> float:
    """Return the intraclass correlation, 0 to 1, by the analysis of variance."""
    n, groups = len(sample), len(sizes)
    means = np.bincount(members, weights=sample) / sizes
    within = float(((sample - means[members]) ** 2).sum()) / (n - groups)
    between = float((sizes * (means - sample.mean()) ** 2).sum()) / (groups - 1)
    size = (n - float((sizes**2).sum()) / n) / (groups - 1)
    shared = max(0.0, (between - within) / size)
    return shared / (shared + within) if shared else 0.0


def _freedom(weights: _Array, shares: _Array, variances: _Array) -> float:
    """Return tr(M)² / tr(M²), Satterthwaite's degrees of freedom of Σ weight · (sum - share · total)².

    M[g, k] = √(weight[g] · weight[k]) · cov(g, k), with cov(g, k) = share[g] share[k] V - share[k] v[g] - share[g] v[k]
    and v[g] more where g = k; v are the variances of the groups' sums, V is their total.
    """
    total = float(variances.sum())
    off = 2 * shares * variances - shares**2 * total  # what a diagonal covariance lacks of v
    trace = float((weights * (variances - off)).sum())
    of_shares = float((weights * shares**2).sum())
    of_variances = float((weights * variances**2).sum())
    of_both = float((weights * shares * variances).sum())
    squares = 2 * of_shares * of_variances + (of_shares * total) ** 2 + 2 * of_both**2 - 4 * of_shares * of_both * total
    squares += float((weights**2 * ((variances - off) ** 2 - off**2)).sum())
    return trace**2 / squares


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def t_tail(t: float, freedom: float) -> float:
    """Return how often Student's t with these degrees of freedom is above `t` (t >= 0).

    With t = √ν tan θ the density is cos^(ν-1) θ, which is integrated by Gauss and Legendre.
    """
    constant = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    # Beyond 40 / √ν nothing is left, and the nodes would lie too far apart.
    angle = min(math.atan(t / math.sqrt(freedom)), 40 / math.sqrt(freedom))
    at = angle / 2 * (_NODES + 1)
    area = constant * angle / 2 * float(_WEIGHTS @ np.cos(at) ** (freedom - 1))
    return min(max(0.5 - area, 0.0), 0.5)


@lru_cache(maxsize=1024)
def t_quantile(share: float, freedom: float) -> float:
    """Return the t that a `share` of 0.5 to 1 of Student's distribution is below, by halving."""
    low, high = 0.0, 1.0
    while t_tail(high, freedom) > 1 - share:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, freedom) > 1 - share else (low, middle)
    return (low + high) / 2
