"""Ask a system the questions of one part: what measuring, choosing, trying and improving share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trivium.advise.bench import Bench
from trivium.advise.budget import Budget
from trivium.evaluate.results import Result
from trivium.evaluate.run import RunProgress
from trivium.evaluate.summary import RIGHT, Report
from trivium.evaluation import evaluate_system
from trivium.systems import OpenSystem
from trivium.types import Example


@dataclass(frozen=True, slots=True)
class Told:
    """What is told while a comparison runs: which arm (or choice, or adapter), and how far it is."""

    what: str
    done: int = 0
    total: int = 0
    detail: str = ""


class Spent(KeyboardInterrupt):
    """The limit is reached: stops an arm as Ctrl-C does, with what was answered kept."""


def asked(
    system: OpenSystem,
    examples: Sequence[Example],
    folder: Path,
    bench: Bench,
    seed: int,
    budget: Budget,
    progress: Callable[[RunProgress], None],
) -> Report:
    """Ask a system some questions, one after another where the model runs here: its seconds are then its own."""

    def show(at: RunProgress) -> None:
        progress(at)
        if budget.spent and at.done < at.total:
            raise Spent

    report = evaluate_system(
        examples, system, name="test", folder=folder, seed=seed, workers=bench.parallel if bench.remote else 1,
        closed_book=False, progress=show,
    )  # fmt: skip
    return report


def value_of(result: Result | None, metric: str) -> float:
    """Return a metric of one question; NaN where it was not answered or the metric does not apply."""
    if result is None or result.answer is None:
        return math.nan
    value = result.right if metric == RIGHT else result.scores.get(metric)
    return math.nan if value is None else float(value)


def plain(name: str) -> str:
    """Return a name as that of a folder."""
    return re.sub(r"[^\w.+-]+", "-", name.split("://", 1)[-1]).strip("-.")[:80] or "arm"
