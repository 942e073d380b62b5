"""Which arms are better, which cannot be told apart, which are worth their cost, and which meet the user's needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from trivium.advise.values import ArmResult, Comparison, Needs, Pair, Ranked, Verdict
from trivium.advise.words import amount, seconds
from trivium.errors import UsageError
from trivium.evaluate.against import LOWER_IS_BETTER
from trivium.evaluate.clustered import Compared, compared, mean_of
from trivium.evaluate.statistics import benjamini_hochberg, holm, questions_needed
from trivium.types import Score

ALPHA = 0.04
"""A difference is called one where its p value is below this. p is an approximation, off by up to a fifth for 40 to 200
questions: below 0.04 it keeps the promise that of identical arms at most 5% are called different."""
MATTERS = 0.05
"""The smallest difference worth finding, where the observed one is smaller: five points of a share."""
SIMPLER = ("prompt", "ground", "other", "tune", "both")
"""The roads by what they ask of their maintainer; of arms that are equal in all else, the simpler one is taken."""


@dataclass(frozen=True, slots=True)
class ClassGain:
    """Two arms on one class of questions: means, `a` less `b`, and the p value corrected for the number of classes."""

    name: str
    a: Score
    b: Score
    difference: Score
    p: float

    @property
    def shown(self) -> bool:
        """Whether the difference is more than chance, the number of classes looked at considered."""
        return self.p < ALPHA


def checked(comparison: Comparison) -> Comparison:
    """Return the comparison as it is.

    Raises:
        UsageError: it has no question or arm, two of one name, or values that are not one a question.
    """
    n = len(comparison.questions)
    names = [arm.name for arm in comparison.arms]
    if not n or not names:
        raise UsageError("There is nothing to compare.", "Give at least one question and one arm.")
    for what, found in (("arm", names), ("question", [question.id for question in comparison.questions])):
        if len(set(found)) < len(found):
            twice = next(name for name in found if found.count(name) > 1)
            raise UsageError(f"Two {what}s are named {twice!r}.", "Give each its own name.")
    for arm in answered(comparison):
        if comparison.metric not in arm.values:
            raise UsageError(f"The arm {arm.name!r} has no {comparison.metric!r}.", "Score every arm by one metric.")
        lengths = {name: len(values) for name, values in arm.values.items()}
        lengths |= {"failures": len(arm.failures) or n, "said": len(arm.said) or n}
        if wrong := {name: length for name, length in lengths.items() if length != n}:
            raise UsageError(f"The arm {arm.name!r} has {wrong} entries for {n} questions.", "Give one a question.")
    return comparison


def answered(comparison: Comparison) -> tuple[ArmResult, ...]:
    """Return the arms that did not fail."""
    return tuple(arm for arm in comparison.arms if not arm.error)


def values_of(arm: ArmResult, metric: str) -> NDArray[np.float64]:
    """Return a metric of an arm, one number a question, so that more is better; empty where the arm has none."""
    values = np.asarray(arm.values.get(metric, ()), dtype=np.float64)
    return -values if metric in LOWER_IS_BETTER else values


def documents_of(comparison: Comparison) -> tuple[str, ...]:
    """Return the document of each question, for the intervals."""
    return tuple(question.document for question in comparison.questions)


def mean(comparison: Comparison, arm: ArmResult, metric: str = "") -> Score:
    """Return the mean of a metric (the main one by default) over the questions that it applies to."""
    values = np.asarray(arm.values.get(metric or comparison.metric, ()), dtype=np.float64)
    return mean_of(values, documents_of(comparison) if len(values) else None)


def gain(
    comparison: Comparison,
    a: ArmResult,
    b: ArmResult,
    metric: str = "",
    among: NDArray[np.bool_] | None = None,
    where: NDArray[np.bool_] | None = None,
) -> Compared:
    """Return the paired difference of two arms, `a` less `b`.

    Args:
        comparison: that they are in.
        a, b: the arms.
        metric: the main one by default; without values of both the difference is of 0 questions.
        among: which questions count; None is all of them.
        where: the questions that `a` would answer in the place of `b`, which answers the others; None is all of them.
    """
    name = metric or comparison.metric
    if name not in a.values or name not in b.values:
        return compared(())
    differences = values_of(a, name) - values_of(b, name)
    if where is not None:
        differences = np.where(where, differences, 0.0 * differences)
    documents = documents_of(comparison)
    if among is not None:
        documents = tuple(document for document, counts in zip(documents, among, strict=True) if counts)
        differences = differences[among]
    return compared(differences, documents)


def pairs(comparison: Comparison) -> tuple[Pair, ...]:
    """Return every two arms that did not fail, the better mean first.

    The p values are corrected for the number of pairs (Benjamini and Hochberg): arms that are all alike are called
    different in at most 5% of comparisons, and so are two arms that are alike among others that are not.
    """
    arms = sorted(answered(comparison), key=lambda arm: -quality(comparison, arm))
    found = [(a, b, gain(comparison, a, b)) for a, b in combinations(arms, 2)]
    corrected = benjamini_hochberg([1.0 if math.isnan(one.p) else one.p for *_, one in found])
    return tuple(
        Pair(a.name, b.name, comparison.metric, one.difference, p, _verdict(one, p), _needed(one, p))
        for (a, b, one), p in zip(found, corrected, strict=True)
    )


def quality(comparison: Comparison, arm: ArmResult) -> float:
    """Return the mean of the main metric, so that more is better; -∞ for an arm without a figure."""
    values = values_of(arm, comparison.metric)
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else -math.inf


def _verdict(one: Compared, p: float) -> Verdict:
    if p >= ALPHA or one.tie:
        return "tie"
    return "a" if one.difference.mean > 0 else "b"


def _needed(one: Compared, p: float) -> int | None:
    """Return how many questions would show the difference, of a tie; a smaller one than `MATTERS` need not be shown."""
    if _verdict(one, p) != "tie" or not one.difference.n:
        return None
    size = max(abs(one.difference.mean), MATTERS)
    return questions_needed(size, deviation=one.deviation, confidence=1 - ALPHA)


def pair_of(found: Sequence[Pair], a: str, b: str) -> Pair | None:
    """Return the pair of two arms as `a` less `b`, turned round where it stands the other way; None of no pair."""
    for pair in found:
        if (pair.a, pair.b) == (a, b):
            return pair
        if (pair.a, pair.b) == (b, a):
            verdict: Verdict = {"a": "b", "b": "a", "tie": "tie"}[pair.verdict]  # type: ignore[assignment]
            return Pair(a, b, pair.metric, turned(pair.difference), pair.p, verdict, pair.needed)
    return None


def turned(score: Score) -> Score:
    """Return a difference the other way round."""
    return Score(-score.mean, -score.high, -score.low, score.n)


def ranking(comparison: Comparison, found: Sequence[Pair]) -> tuple[Ranked, ...]:
    """Return the arms by their means. An arm shares the place of the first one above it that it cannot be told from.

    So two arms of one place are both tied with its first, and need not be tied with each other.
    """
    ranked: list[Ranked] = []
    for arm in sorted(answered(comparison), key=lambda arm: -quality(comparison, arm)):
        place = len(ranked) + 1
        if ranked:
            first = next(one for one in ranked if one.place == ranked[-1].place)
            pair = pair_of(found, first.arm, arm.name)
            if pair is not None and pair.verdict == "tie":
                place = first.place
        ranked.append(Ranked(place, arm.name, mean(comparison, arm)))
    return tuple(ranked)


def front(comparison: Comparison, price: Callable[[ArmResult], float | None]) -> tuple[str, ...]:
    """Return the arms that none beats in quality at the same price or less (Pareto), the cheapest first.

    Args:
        comparison: the arms.
        price: what an arm costs, in money or seconds; arms without one are left out.
    """
    priced = [(cost, arm) for arm in answered(comparison) if (cost := price(arm)) is not None]
    kept: list[str] = []
    best = -math.inf
    for _, arm in sorted(priced, key=lambda pair: (pair[0], -quality(comparison, pair[1]))):
        if quality(comparison, arm) > best:
            best = quality(comparison, arm)
            kept.append(arm.name)
    return tuple(kept)


def class_gains(comparison: Comparison, a: ArmResult, b: ArmResult, *, fewest: int = 8) -> list[ClassGain]:
    """Return both arms on each class of at least `fewest` questions, the largest loss of `b` first.

    A class that every question is in tells nothing and is left out.
    """
    members: dict[str, list[int]] = {}
    for place, question in enumerate(comparison.questions):
        for name in dict.fromkeys(question.classes):
            members.setdefault(name, []).append(place)
    n = len(comparison.questions)
    found = []
    for name, places in members.items():
        if fewest <= len(places) < n:
            among = np.zeros(n, dtype=np.bool_)
            among[places] = True
            one = gain(comparison, a, b, among=among)
            if one.difference.n >= fewest:
                found.append((name, _mean_among(comparison, a, among), _mean_among(comparison, b, among), one))
    corrected = holm([one.p for *_, one in found])
    rows = [
        ClassGain(name, of_a, of_b, one.difference, p)
        for (name, of_a, of_b, one), p in zip(found, corrected, strict=True)
    ]
    return sorted(rows, key=lambda row: -row.difference.mean)


def _mean_among(comparison: Comparison, arm: ArmResult, among: NDArray[np.bool_]) -> Score:
    return mean_of(np.asarray(arm.values[comparison.metric], dtype=np.float64)[among])


def unmet(comparison: Comparison, arm: ArmResult, needs: Needs) -> tuple[str, ...]:
    """Return the needs that rule an arm out, each with its figure; needs that were not said decide nothing.

    A wanted accuracy rules no arm out: the best one is taken even where none reaches it.
    """
    asked = len(comparison.questions)
    found = []
    if needs.seconds is not None and arm.seconds.p95 > needs.seconds:
        found.append(f"95% of its answers take {seconds(arm.seconds.p95)}, the limit is {seconds(needs.seconds)}")
    if needs.budget is not None and arm.cost is not None and (cost := arm.cost / asked * 1000) > needs.budget:
        money = comparison.currency
        found.append(f"1,000 answers cost {amount(cost, money)}, the limit is {amount(needs.budget, money)}")
    if needs.memory_mib is not None and arm.memory_mib is not None and arm.memory_mib > needs.memory_mib:
        found.append(f"it holds {arm.memory_mib:,.0f} MiB of memory, the machine has {needs.memory_mib:,.0f}")
    if needs.sources and not arm.retrieves:
        found.append("it shows no sources: it is given no passages")
    if needs.fresh and not arm.retrieves:
        found.append("what it knows ends with its training, and the knowledge changes")
    if needs.private and arm.remote:
        found.append("it sends questions or documents to another machine")
    return tuple(found)


def cost_of(arm: ArmResult) -> float | None:
    """Return what an arm's answers cost by the price table."""
    return arm.cost


def seconds_of(arm: ArmResult) -> float | None:
    """Return the middle answer's seconds."""
    return arm.seconds.p50
