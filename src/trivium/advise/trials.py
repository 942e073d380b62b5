"""Try the cheap next steps on the validation part, so that the advice can say what they gain and not only might."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from trivium.advise.arms import Arm
from trivium.advise.ask import Told, asked, plain, value_of
from trivium.advise.bench import Bench
from trivium.advise.budget import Budget
from trivium.advise.values import Trial
from trivium.evaluate.results import Result, read_results
from trivium.models.rerank import LATE, open_reranker
from trivium.tasks.split import documents_of
from trivium.types import Example

FEWEST = 20
"""Validation questions below which a trial would say nothing."""
_MORE = 20
"""Passages of the trial with more of them."""


def _reranked(bench: Bench) -> Bench | None:
    return replace(bench, reranker=open_reranker(LATE)) if bench.reranker is None else None


def _more(bench: Bench) -> Bench | None:
    return replace(bench, k=_MORE) if (bench.k or 0) < _MORE else None


TRIALS: Mapping[str, Callable[[Bench], Bench | None]] = {"rerank": _reranked, "more_passages": _more}
"""What is tried, by the kind of the step: the bench with the change, None where it is made already."""


def tried(
    arm: Arm,
    bench: Bench,
    examples: Sequence[Example],
    folder: Path,
    *,
    metric: str,
    budget: Budget,
    seed: int,
    tell: Callable[[Told], None],
) -> tuple[Trial, ...]:
    """Return what each cheap step gains from an arm, question by question.

    Args:
        arm: one that searches.
        bench: as for the comparison.
        examples: the validation part.
        folder: where the answers are kept.
        metric: the main one.
        budget: what may be taken.
        seed: of the intervals.
        tell: told how it goes.
    """
    if len(examples) < FEWEST:
        return ()

    def answers(name: str, on: Bench) -> list[Result | None]:
        place = folder / plain(f"{arm.name}-{name}")
        with on.opened(arm) as system:
            asked(
                system, examples, place, on, seed, budget,
                lambda at: tell(Told(f"{arm.name}: trying {name}, on validation", at.done, at.total)),
            )  # fmt: skip
        found = {result.example.id: result for result in read_results(place)}
        return [found.get(example.id) for example in examples]

    before = answers("as it is", bench)
    points = tuple(one.failure.point if one and one.failure else "" for one in before)
    documents = tuple(next(iter(documents_of(example)), "") for example in examples)
    trials = []
    for kind, change in TRIALS.items():
        changed = change(bench)
        if changed is not None:
            after = answers(kind, changed)
            old, new = (tuple(value_of(one, metric) for one in row) for row in (before, after))
            trials.append(Trial(kind, arm.name, old, new, points, documents))
    return tuple(trials)
