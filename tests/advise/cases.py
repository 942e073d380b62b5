"""Comparisons with typed-in numbers: who was right on which question, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trivium.advise.values import ArmResult, Comparison, Question, Road, Seconds, Trial
from trivium.evaluate.failure import Failure


def right(*runs: tuple[int, float]) -> tuple[float, ...]:
    """So many questions with a value each: `right((30, 1), (10, 0))` is 30 right and then 10 wrong."""
    return tuple(float(value) for n, value in runs for _ in range(n))


def failures(values: Sequence[float], *runs: tuple[int, str, Mapping[str, object]]) -> tuple[Failure | None, ...]:
    """The wrong questions' failures, in the order of the runs; every one that is left is FP4."""
    given = [Failure(point, f"It was {point}.", dict(detail)) for n, point, detail in runs for _ in range(n)]
    left = iter(given)
    return tuple(None if value == 1 else next(left, Failure("FP4", "It was shown.")) for value in values)


def arm(
    name: str,
    values: Sequence[float],
    road: Road = "ground",
    *,
    seconds: float = 1.0,
    metrics: Mapping[str, Sequence[float]] | None = None,
    **given: Any,
) -> ArmResult:
    """An arm whose answers take `seconds` each."""
    scores = {"correct": tuple(values)} | {key: tuple(row) for key, row in (metrics or {}).items()}
    k = 10 if road in ("ground", "both") else None
    times = Seconds(seconds, 2 * seconds, seconds * len(values))
    return ArmResult(name, road, scores, **{"seconds": times, "k": k, "tokens": 100 * len(values), **given})


def comparison(*arms: ArmResult, classes: Sequence[tuple[str, ...]] = (), **given: Any) -> Comparison:
    """Arms on questions q0, q1, …, each about a document of its own unless `documents` says otherwise."""
    n = max(len(one.values.get("correct", ())) for one in arms)
    documents = given.pop("documents", [f"d{place}.md" for place in range(n)])
    unanswerable = given.pop("unanswerable", ())
    questions = tuple(
        Question(f"q{i}", f"What is {i}?", f"{i}", documents[i], classes[i] if classes else (), i in unanswerable)
        for i in range(n)
    )
    return Comparison(questions, arms, **given)


def trial(
    kind: str, before: Sequence[float], after: Sequence[float], *, name: str = "advanced", point: str = ""
) -> Trial:
    """A trial whose errors are all of one point."""
    points = tuple("" if value == 1 else point for value in before) if point else ()
    return Trial(kind, name, tuple(before), tuple(after), points)
