"""Count the failure points of a run, with intervals, the clearest examples, and what can move each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trivium.evaluate.failure.kinds import Failure
from trivium.evaluate.failure.points import Cure
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
        stages: of FP3, how many by each stage.
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
        wrong: the wrong answers, in any order; read once.
        questions: how many were asked, right ones too.
        examples: how many to keep of each.
    """
    raise NotImplementedError
