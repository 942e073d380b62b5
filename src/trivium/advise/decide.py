"""What a comparison comes to: which arm to take, why, what to do next, and what would change that. Nothing is run.

The order of the thoughts:

1. Every two arms are compared question by question (`rank.py`). Arms that cannot be told apart share a place.
2. Arms that break a stated need are out. Of the others the best is taken; or, of those that cannot be told from it and
   are within five points of it, the one that costs least, or asks for the least upkeep where costs are not known.
3. The taken arm's errors, and those of the best grounded arm, are looked at point by point (`mend.py`, `steps.py`).
4. The ten questions on tuning are answered (`ten.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from trivium.advise.case import Case, in_vain
from trivium.advise.rank import (
    MATTERS,
    SIMPLER,
    answered,
    checked,
    cost_of,
    documents_of,
    front,
    mean,
    pair_of,
    pairs,
    quality,
    ranking,
    seconds_of,
    unmet,
)
from trivium.advise.steps import next_steps
from trivium.advise.ten import ten
from trivium.advise.values import ArmResult, Comparison, Decision, Needs, Pair, Ranked
from trivium.advise.words import amount, count, listed, percent, points, share
from trivium.evaluate.clustered import FEWEST
from trivium.types import Score


def decide(comparison: Comparison, needs: Needs | None = None) -> Decision:
    """Return what a comparison comes to.

    Args:
        comparison: the arms with their figures.
        needs: of the user; what is not said decides nothing.

    Raises:
        UsageError: there is no arm or no question, or the values are not one a question.
    """
    checked(comparison)
    needs = needs or Needs()
    failed = {arm.name: arm.error for arm in comparison.arms if arm.error}
    if not answered(comparison):
        why = f"No arm could be measured: {'; '.join(f'{name}: {error}' for name, error in failed.items())}"
        return Decision("", why, (), (), (), (), {}, (), ten(comparison, needs), (), failed)
    found = pairs(comparison)
    ranked = ranking(comparison, found)
    broken = {arm.name: short for arm in answered(comparison) if (short := unmet(comparison, arm, needs))}
    taken = _taken(comparison, found, ranked, broken)
    best = taken or _arm(comparison, ranked[0].arm)
    case = Case(comparison, needs, found, best, best)
    return Decision(
        take=taken.name if taken else "",
        because=_because(comparison, needs, found, broken, taken),
        ranking=ranked,
        pairs=found,
        cheapest=front(comparison, cost_of),
        fastest=front(comparison, seconds_of),
        unmet=broken,
        advice=next_steps(case, _others(comparison, ranked, best)),
        ten=ten(comparison, needs),
        mind=tuple(_mind(case)),
        failed=failed,
    )


def _taken(
    comparison: Comparison, found: Sequence[Pair], ranked: Sequence[Ranked], broken: Mapping[str, object]
) -> ArmResult | None:
    """Return the arm to take: of those that break no need, the best or one as good that asks for less."""
    able = [_arm(comparison, one.arm) for one in ranked if one.arm not in broken]
    if not able:
        return None
    equals = [able[0], *_as_good(comparison, found, able[0], able[1:])]
    priced = all(arm.cost is not None for arm in equals)
    # Money where all have a price; then training and upkeep; then the better mean, which the ranking gives.
    return min(equals, key=lambda arm: ((arm.cost or 0.0) if priced else 0.0, SIMPLER.index(arm.road)))


def _as_good(
    comparison: Comparison, found: Sequence[Pair], arm: ArmResult, others: Sequence[ArmResult]
) -> list[ArmResult]:
    """Return the arms that cannot be told from an arm, and whose means are within `MATTERS` of its own.

    A tie alone is not enough: of few questions everything is tied.
    """
    return [
        other
        for other in others
        if (pair := pair_of(found, arm.name, other.name)) is not None
        and pair.verdict == "tie"
        and abs(pair.difference.mean) < MATTERS
    ]


def _because(
    comparison: Comparison,
    needs: Needs,
    found: Sequence[Pair],
    broken: Mapping[str, Sequence[str]],
    taken: ArmResult | None,
) -> str:
    """Return why the arm is taken, with the figures."""
    if taken is None:
        return "No arm meets the needs: " + "; ".join(f"{name}: {', '.join(why)}" for name, why in broken.items()) + "."
    asked = count(len(comparison.questions), f"{comparison.split} question")
    score = mean(comparison, taken)
    words = [f"{taken.name} has {comparison.metric} {share(score)} on {asked}."]
    if needs.accuracy is not None and score.high < needs.accuracy:
        words.append(f"That is less than the {percent(needs.accuracy)} that are wanted, which no arm reaches.")
    others = [arm for arm in answered(comparison) if arm is not taken]
    worse = [arm for arm in others if _verdict(found, taken, arm) == "a"]
    if worse:
        nearest = max(worse, key=lambda arm: quality(comparison, arm))
        than = f"than {nearest.name} by {points(_difference(found, taken, nearest))}"
        words.append(f"Better than {listed([arm.name for arm in worse], 5)}; {than}.")
    words += [
        f"{arm.name} is better, and breaks a need: {', '.join(broken[arm.name])}."
        for arm in others
        if arm.name in broken and _verdict(found, taken, arm) == "b"
    ]
    able = [arm for arm in others if arm.name not in broken]
    equals = _as_good(comparison, found, taken, able)
    if equals:
        names = listed([arm.name for arm in equals], 5)
        words.append(f"It cannot be told from {names}, and {_cheaper(taken, equals, comparison)}.")
    ahead = [arm for arm in able if arm not in equals and _verdict(found, taken, arm) == "tie"]
    if ahead:
        names = listed([arm.name for arm in ahead], 5)
        words.append(f"That it is better than {names} too is likely by the means, and not shown.")
    return " ".join(words)


def _cheaper(taken: ArmResult, equals: Sequence[ArmResult], comparison: Comparison) -> str:
    """Return what speaks for the taken arm among its equals."""
    everyone = [taken, *equals]
    if all(arm.cost is not None for arm in everyone) and taken.cost == min(arm.cost or 0.0 for arm in everyone):
        cost = amount(1000 * (taken.cost or 0.0) / len(comparison.questions), comparison.currency)
        return f"costs least of them ({cost} for 1,000 answers)"
    if all(SIMPLER.index(arm.road) > SIMPLER.index(taken.road) for arm in equals):
        return "asks for less upkeep"
    return "asks for no more upkeep than they"


def _others(comparison: Comparison, ranked: Sequence[Ranked], best: ArmResult) -> list[ArmResult]:
    """Return the best arm in which a model reads passages, where the best arm is none: its errors may be mended."""
    arms = [_arm(comparison, one.arm) for one in ranked]
    reading = [arm for arm in arms if arm.retrieves and arm.tokens]
    return [] if best in reading else reading[:1]


def _mind(case: Case) -> Iterator[str]:
    """Yield what evidence would change the decision."""
    comparison, best, needs = case.comparison, case.best, case.needs
    asked = len(comparison.questions)
    for pair in case.pairs:
        if best.name in (pair.a, pair.b) and (pair.needed or 0) > asked:
            other = pair.b if pair.a == best.name else pair.a
            size = max(abs(pair.difference.mean), MATTERS)
            yield (
                f"{best.name} and {other} are tied. A true difference of {100 * size:.1f} points would show on about "
                f"{pair.needed:,} questions; now {asked:,}."
            )
    documents = {document for document in documents_of(comparison) if document}
    if documents and len(documents) < FEWEST:
        yield (
            f"The questions are about {count(len(documents), 'document')}: the intervals hold for other questions "
            "about them, and say nothing about other documents."
        )
    for trial in comparison.trials:
        if (words := in_vain(trial)) is not None:
            yield words
    if needs.accuracy is not None:
        score = mean(comparison, best)
        if score.low < needs.accuracy <= score.high:
            yield (
                f"Whether {best.name} reaches {percent(needs.accuracy)} is not shown: {share(score)}. More questions "
                "would tell."
            )
    if needs.seconds is None and needs.budget is None:
        yield "A limit on seconds or cost, which was not said, can put another arm first."
    if best.tuned:
        yield "The training is one run with one seed; another seed gives somewhat other figures."
    lost = {arm.name: missing for arm in answered(comparison) if (missing := _unanswered(arm, comparison.metric))}
    if lost:
        named = listed([f"{name} {n:,}" for name, n in lost.items()], 5)
        yield f"Questions without a figure, which count in no difference: {named}."


def _unanswered(arm: ArmResult, metric: str) -> int:
    return sum(math.isnan(value) for value in arm.values[metric])


def _verdict(found: Sequence[Pair], a: ArmResult, b: ArmResult) -> str:
    pair = pair_of(found, a.name, b.name)
    return pair.verdict if pair else ""


def _difference(found: Sequence[Pair], a: ArmResult, b: ArmResult) -> Score:
    pair = pair_of(found, a.name, b.name)
    assert pair is not None
    return pair.difference


def _arm(comparison: Comparison, name: str) -> ArmResult:
    return next(arm for arm in comparison.arms if arm.name == name)
