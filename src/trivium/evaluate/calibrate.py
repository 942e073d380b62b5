"""How far a judge can be trusted: its agreement with a person's labels, and a mean that carries its error.

Labels are few and sure, a judge's verdicts many and unsure. Agreement (kappa, balanced accuracy, AUC) says how good
the judge is; prediction-powered inference then takes the mean of its verdicts over all answers and corrects it by what
it got wrong on the labelled ones, with an interval that holds whether the judge is good or bad (Angelopoulos et al.
2023, arXiv:2301.09633; weighed as in Angelopoulos, Duchi and Zrnic 2023, PPI++, arXiv:2311.01453; for judges of
retrieval-augmented answers, Saad-Falcon et al. 2023, ARES, arXiv:2311.09476).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from trivium.errors import UsageError
from trivium.evaluate.statistics import interval, percentiles
from trivium.types import Score

RESAMPLES = 10_000
THRESHOLD = 0.5
"""A score or a label of at least this counts as yes."""
FEWEST = 50
"""ARES asks for some 150 labels; below this many an interval says little, and the report says so."""
_Z = NormalDist().inv_cdf(0.975)

Values = NDArray[np.float64]
Measure = Callable[[Values], Values]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A judge against labels.

    Attributes:
        labelled: answers with a label and a verdict.
        unlabelled: answers with a verdict alone.
        failures: answers without a verdict, labelled or not; they are in no figure.
        kappa: Cohen's kappa of yes and no, with its 95% interval; 0 is chance, 1 agreement.
        balanced_accuracy: the mean of the two rates below.
        sensitivity: the share of the answers that people call good which the judge calls good.
        specificity: the share of the bad ones which it calls bad.
        auc: the chance that it scores a good answer above a bad one, whatever the threshold.
        labels_alone: the mean label of the labelled answers.
        judge_alone: the mean score of all answers; its interval knows nothing of the judge's errors.
        corrected: the mean label of all answers by prediction-powered inference.
        power: how much of the judge enters there (λ): 0 nothing, 1 all.
        length_bias: by how much the judge's score exceeds the label more for an answer of one standard deviation more
            log length; an interval without 0 means that it prefers long answers, or short ones.
    """

    labelled: int
    unlabelled: int
    failures: int
    kappa: Score
    balanced_accuracy: Score
    sensitivity: Score
    specificity: Score
    auc: Score
    labels_alone: Score
    judge_alone: Score
    corrected: Score
    power: float
    length_bias: Score


def calibrate(
    labels: Sequence[float | None],
    scores: Sequence[float | None],
    *,
    lengths: Sequence[int] = (),
    threshold: float = THRESHOLD,
    seed: int = 0,
) -> Calibration:
    """Compare a judge's scores with labels.

    Args:
        labels: one an answer, 0 to 1; None where nobody labelled it.
        scores: the judge's, 0 to 1, in the same order; None where it failed.
        lengths: of the answers, in any unit; empty leaves out `length_bias`.
        threshold: from which a label or a score is a yes.
        seed: of the resampling.

    Raises:
        UsageError: the lists differ in length, or fewer than two labelled answers have a verdict.
    """
    if len(labels) != len(scores) or (lengths and len(lengths) != len(labels)):
        raise UsageError("Labels, scores and lengths differ in number.", "Give one of each an answer.")
    both = [place for place, one in enumerate(labels) if one is not None and scores[place] is not None]
    if len(both) < 2:
        raise UsageError(
            f"{len(both)} labelled answers have a verdict of the judge; two are the least, {FEWEST} a beginning.",
            "Label more answers.",
        )
    y = np.array([labels[place] for place in both], dtype=np.float64)
    f = np.array([scores[place] for place in both], dtype=np.float64)
    alone = [score for label, score in zip(labels, scores, strict=True) if label is None and score is not None]
    rest = np.array(alone, dtype=np.float64)
    yes, said = y >= threshold, f >= threshold
    corrected, power = prediction_powered(y, f, rest)
    sizes = np.array([lengths[place] for place in both]) if lengths else np.zeros(len(both))
    return Calibration(
        labelled=len(both),
        unlabelled=len(rest),
        failures=sum(one is None for one in scores),
        kappa=kappa(yes, said, seed=seed),
        balanced_accuracy=balanced_accuracy(yes, said, seed=seed),
        sensitivity=interval(said[yes].astype(float).tolist()),
        specificity=interval((~said[~yes]).astype(float).tolist()),
        auc=auc(f, yes),
        labels_alone=interval(y.tolist()),
        judge_alone=interval(np.concatenate([f, rest]).tolist()),
        corrected=corrected,
        power=power,
        length_bias=length_bias(f - y, sizes),
    )


def _table(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Values:
    """Return the counts [[both no, no/yes], [yes/no, both yes]], flat, shape (4,)."""
    return np.bincount(2 * one.astype(int) + other.astype(int), minlength=4).astype(np.float64)


def _kappa_of(tables: Values) -> Values:
    """Return Cohen's kappa of tables of counts, shape (..., 4) to (...): (p_o - p_e) / (1 - p_e)."""
    n = tables.sum(axis=-1)
    observed = (tables[..., 0] + tables[..., 3]) / n
    yes_one = (tables[..., 2] + tables[..., 3]) / n
    yes_other = (tables[..., 1] + tables[..., 3]) / n
    chance = yes_one * yes_other + (1 - yes_one) * (1 - yes_other)
    with np.errstate(invalid="ignore", divide="ignore"):
        value: Values = (observed - chance) / (1 - chance)
    return value


def _balanced_of(tables: Values) -> Values:
    """Return the balanced accuracy of tables of counts, shape (..., 4) to (...)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = tables[..., 3] / (tables[..., 2] + tables[..., 3])
        specificity = tables[..., 0] / (tables[..., 0] + tables[..., 1])
    value: Values = (sensitivity + specificity) / 2
    return value


def _with_interval(table: Values, measure: Measure, seed: int) -> Score:
    """Return a measure of a table of counts with its interval.

    Tables are drawn from a Dirichlet posterior with ½ added to each cell (Jeffreys' prior), which keeps an interval
    where no error was seen; it is widened to hold the measure itself.
    """
    value = float(measure(table))
    n = int(table.sum())
    if not math.isfinite(value):
        return Score(math.nan, math.nan, math.nan, n)
    draws = measure(np.random.default_rng(seed).dirichlet(table + 0.5, RESAMPLES))
    low, high = percentiles(draws)
    return Score(value, min(low, value), max(high, value), n)


def kappa(labels: NDArray[np.bool_], verdicts: NDArray[np.bool_], *, seed: int = 0) -> Score:
    """Return Cohen's kappa of two raters' yes and no, with its 95% interval (Cohen 1960).

    κ = (p_o - p_e) / (1 - p_e): agreement seen, less that of chance. NaN where both only ever say the same one.
    """
    return _with_interval(_table(labels, verdicts), _kappa_of, seed)


def balanced_accuracy(labels: NDArray[np.bool_], verdicts: NDArray[np.bool_], *, seed: int = 0) -> Score:
    """Return the mean of sensitivity and specificity, with its 95% interval; NaN where the labels are all alike.

    (Brodersen et al. 2010, "The balanced accuracy and its posterior distribution".)
    """
    return _with_interval(_table(labels, verdicts), _balanced_of, seed)


def auc(scores: Values, labels: NDArray[np.bool_]) -> Score:
    """Return the area under the ROC curve, with the 95% interval of DeLong, DeLong and Clarke-Pearson 1988.

    The chance that an answer with the label yes scores above one with no; a tie counts half. NaN where the labels are
    all alike. The interval is taken on the logit scale, where it cannot leave 0 to 1; where no answer is out of order,
    its width is that of Hanley and McNeil 1982 with half a pair out of order.
    """
    good, bad = scores[labels], scores[~labels]
    yes, no = len(good), len(bad)
    if not yes or not no:
        return Score(math.nan, math.nan, math.nan, len(labels))
    above = _share_below(good, np.sort(bad))  # (yes,): how many of the bad each good one beats
    beaten = 1 - _share_below(bad, np.sort(good))  # (no,)
    area = float(above.mean())
    smoothed = (area * yes * no + 0.5) / (yes * no + 1)
    if 0 < area < 1 and min(yes, no) > 1:
        variance = float(above.var(ddof=1)) / yes + float(beaten.var(ddof=1)) / no
    else:
        q1, q2 = smoothed / (2 - smoothed), 2 * smoothed**2 / (1 + smoothed)
        spread = smoothed * (1 - smoothed) + (yes - 1) * (q1 - smoothed**2) + (no - 1) * (q2 - smoothed**2)
        variance = max(spread, 0.0) / (yes * no)
    error = math.sqrt(variance) / (smoothed * (1 - smoothed))
    centre = math.log(smoothed / (1 - smoothed))
    low, high = (1 / (1 + math.exp(-(centre + sign * _Z * error))) for sign in (-1, 1))
    return Score(area, min(low, area), max(high, area), len(labels))


def _share_below(values: Values, others: Values) -> Values:
    """Return for each value the share of the sorted `others` that lie below it, those equal to it counting half."""
    below = np.searchsorted(others, values, side="left") + np.searchsorted(others, values, side="right")
    share: Values = below / (2 * len(others))
    return share


def prediction_powered(labels: Values, verdicts: Values, unlabelled: Values) -> tuple[Score, float]:
    """Return the mean label of all answers, from labels on some and a judge's scores on all, and the weight λ.

    θ = λ · mean(f over the unlabelled) + mean(y - λ f over the labelled), with variance
    λ² var(f) / N + var(y - λ f) / n, λ = cov(y, f) / ((1 + n / N) var(f)) held between 0 and 1 (PPI++,
    arXiv:2311.01453; λ = 1 is PPI, arXiv:2301.09633). The interval uses Student's t with n - 1 degrees of freedom and
    four made-up answers, one of each kind, which keep it honest where few labels are all but alike (Agresti and
    Coull 1998, "Approximate is better than exact").

    Args:
        labels: y, shape (n,), n of at least 2.
        verdicts: f, the judge's on the same answers, shape (n,).
        unlabelled: f on the others, shape (N,); may be empty, which gives the labels' own mean.
    """
    n, others = len(labels), len(unlabelled)
    power = 0.0
    if others:
        every = np.concatenate([verdicts, unlabelled])
        spread = float(every.var(ddof=1))
        if spread > 0:
            shared = float(np.cov(labels, verdicts, ddof=1)[0, 1])
            power = min(1.0, max(0.0, shared / ((1 + n / others) * spread)))
    rest = labels - power * verdicts  # (n,)
    far = power * float(unlabelled.mean()) if others else 0.0
    mean = far + float(rest.mean())
    # one made-up answer of each kind: (y, f) = (0, 0), (0, 1), (1, 0), (1, 1)
    padded = np.concatenate([rest, [0.0, -power, 1.0, 1.0 - power]])
    variance = float(padded.var(ddof=1)) / len(padded)
    if others:
        variance += power**2 * (float(unlabelled.var(ddof=1)) if others > 1 else 0.25) / others
    centre, half = far + float(padded.mean()), _student(n - 1) * math.sqrt(variance)
    return Score(mean, max(0.0, min(mean, centre - half)), min(1.0, max(mean, centre + half)), n + others), power


def _student(freedom: int) -> float:
    """Return the 97.5% quantile of Student's t, by the Cornish-Fisher expansion; exact tables below 4."""
    if freedom <= 3:
        return {1: 12.7062, 2: 4.3027, 3: 3.1824}[max(1, freedom)]
    z, v = _Z, float(freedom)
    terms = (
        (z**3 + z) / (4 * v),
        (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2),
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3),
    )
    return z + sum(terms)


def length_bias(errors: Values, lengths: Values | NDArray[np.int64]) -> Score:
    """Return the slope of the judge's error (score less label) on the standardised log length, with its interval.

    NaN where all lengths are alike.
    """
    n = len(errors)
    log = np.log1p(np.asarray(lengths, dtype=np.float64))
    if n < 3 or log.std() < 1e-12:
        return Score(math.nan, math.nan, math.nan, n)
    x = (log - log.mean()) / log.std()
    slope = float((x * errors).mean())
    rest = errors - errors.mean() - slope * x
    # robust to errors that vary with the length (White 1980)
    half = _student(n - 2) * math.sqrt(float((x**2 * rest**2).sum()) / n**2 * n / (n - 2))
    return Score(slope, slope - half, slope + half, n)
