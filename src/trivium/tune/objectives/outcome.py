"""What a system said on a set of samples, and its scores: of a model, of the untuned base, or of a simple baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trivium.tune.objectives.base import Objective

Table = NDArray[np.float64]
_SHOWN = 400  # characters of a sample in a verdict


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sample: what was asked, what is right, what was said.

    Attributes:
        id: of the sample.
        shown: its beginning.
        gold: the right answer, as text.
        said: the system's, as text.
        loss: in nats, of what is to be learnt; NaN of a system that gives no probabilities.
        value: the sample's own score, larger is better: right or wrong, F1, minus the squared error, minus the loss;
            NaN of one for which no text was written.
    """

    id: str
    shown: str
    gold: str
    said: str
    loss: float
    value: float


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How well a class (or a kind of entity) is found: shares from 0 to 1, and how many there are."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """All samples of a split.

    Attributes:
        verdicts: one a sample.
        value: what `Verdict.value` is: "accuracy", "f1" and so on.
        table: what the scores are computed from, a row a sample.
        scores_of: the scores of some rows of a table.
        classes: gold and said class of each unit (sample or token) where there are classes, for a confusion matrix.
        places: the sample that each row is of, where some are left out; else empty.
        rows: the table of classes, where it is not that of `classes`.
    """

    verdicts: tuple[Verdict, ...]
    value: str
    table: Table
    scores_of: Callable[[Table], Mapping[str, float]]
    classes: tuple[tuple[str, str], ...] = ()
    places: tuple[int, ...] = ()
    rows: tuple[ClassRow, ...] = ()

    @property
    def scores(self) -> Mapping[str, float]:
        """The scores of all samples."""
        return self.scores_of(self.table)


class Judging(Objective, Protocol):
    """An objective that tells what its model says on each sample."""

    def outcome(self, samples: Sequence[Any], *, most: int | None = None) -> Outcome:
        """Return what the model says, and its scores.

        Args:
            samples: of a split.
            most: samples for which a text is generated, where one is; None for all.
        """


def short(text: str, most: int = _SHOWN) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(text[: 2 * most].split())
    return line if len(line) <= most else line[: most - 1] + "…"


def mean(values: Table) -> float:
    """Return the mean of the numbers that are there; NaN where there are none."""
    found = values[~np.isnan(values)]
    return float(found.mean()) if len(found) else math.nan


def ratio(above: float, below: float) -> float:
    """Return above / below, 0 where there is nothing below."""
    return above / below if below else 0.0


def present(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the scores that are numbers: one that does not apply is left out."""
    return {name: float(value) for name, value in scores.items() if not math.isnan(value)}
