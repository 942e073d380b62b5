"""Count the failure points of a run, with intervals, the clearest examples, and what can move each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trivium.errors import UnknownName
from trivium.evaluate.failure.kinds import Failure
from trivium.evaluate.failure.points import POINTS, Cure
from trivium.evaluate.statistics import wilson
from trivium.types import Score


@dataclass(frozen=True, slots=True)
class Wrong:
    """A wrong answer with its failure, as a report shows it."""

    id: str
    question: str
    gold: str
    said: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class PointSummary:
    """One failure point of a run.

    Attributes:
        point: its key.
        title: its name.
        count: how many questions failed by it.
        share: of all questions asked, with its 95% interval (Wilson).
        stages: how many of FP3 by the step that dropped the evidence, of FP6 by "too general" and "too specific", of
            FP1 those "answered" that have no answer; the most frequent first.
        examples: the clearest, at most five.
        cures: what can move it, those for the stages that were seen.
    """

    point: str
    title: str
    count: int
    share: Score
    stages: Mapping[str, int]
    examples: tuple[Wrong, ...]
    cures: tuple[Cure, ...]


def summary(wrong: Iterable[Wrong], questions: int, *, examples: int = 5) -> list[PointSummary]:
    """Return one entry for each failure point, those without a question too, in the order of `POINTS`.

    Args:
        wrong: the wrong answers, in any order; read once, and only the examples are kept.
        questions: how many were asked, right ones too.
        examples: how many to keep of each. The clearest come first: the surest, then the shortest to read.

    Raises:
        UnknownName: a failure is of no known point.
        UsageError: there are more wrong answers than questions.
    """
    counts: Counter[str] = Counter()
    stages: dict[str, Counter[str]] = {point: Counter() for point in POINTS}
    best: dict[str, list[tuple[tuple[int, int, str], Wrong]]] = {point: [] for point in POINTS}
    for one in wrong:
        point = one.failure.point
        if point not in POINTS:
            raise UnknownName("failure point", point, POINTS)
        counts[point] += 1
        if stage := _stage(one.failure):
            stages[point][stage] += 1
        kept = best[point]
        kept.append((_clearness(one), one))
        kept.sort(key=lambda pair: pair[0])
        del kept[examples:]
    return [
        PointSummary(
            point=name,
            title=point.title,
            count=counts[name],
            share=_share(counts[name], questions),
            stages=dict(stages[name].most_common()),
            examples=tuple(one for _, one in best[name]),
            cures=tuple(cure for cure in point.cures if not cure.stages or set(cure.stages) & set(stages[name])),
        )
        for name, point in POINTS.items()
    ]


_SURE = ("certain", "likely", "guess")


def _clearness(one: Wrong) -> tuple[int, int, str]:
    """Return what the examples are sorted by, the clearest least."""
    return _SURE.index(one.failure.sure), len(one.question) + len(one.said) + len(one.gold), one.id


def _stage(failure: Failure) -> str:
    if failure.detail.get("answered"):
        return "answered"
    stage = failure.detail.get("stage", failure.detail.get("how", ""))
    return stage if isinstance(stage, str) else ""


def _share(count: int, questions: int) -> Score:
    if not questions:
        return Score(math.nan, math.nan, math.nan, 0)
    low, high = wilson(count, questions)
    return Score(count / questions, low, high, questions)
