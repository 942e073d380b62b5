"""Compare two runs of the same questions: paired differences, question by question.

A difference whose 95% interval includes 0 is a tie, and is called one; so is one that does not outlive the correction
for the number of metrics compared (Holm 1979).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trivium.errors import UsageError
from trivium.evaluate import statistics
from trivium.evaluate.record import differences, read
from trivium.evaluate.results import Result, read_results, result_ids
from trivium.evaluate.summary import RIGHT, Tally, known_answer, mean
from trivium.types import Score

LOWER_IS_BETTER = frozenset({"perplexity"})
_ALPHA = 0.05
_SHOWN = 300

Verdict = Literal["better", "worse", "tie"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric in both runs, over the questions that it applies to in both.

    Attributes:
        metric: its name.
        this: of the run itself.
        other: of the run that it is compared with.
        difference: `this` less `other`, with its interval.
        p: of the permutation test, corrected for the number of metrics.
        verdict: "better" or "worse" than the other run, or "tie".
    """

    metric: str
    this: Score
    other: Score
    difference: Score
    p: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Change:
    """A question that one run answered rightly and the other wrongly."""

    id: str
    question: str
    gold: str
    this: str
    other: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        other: the folder of the run that this one is compared with.
        questions: how many were answered in both.
        only_here: how many of this run are not answered in the other.
        metrics: the share of right answers first, then in the order of their names.
        gained: questions that only this run answered rightly.
        lost: those that only the other one did.
        settings: what differs between the runs, as `name: other, now this`.
    """

    other: Path
    questions: int
    only_here: int
    metrics: tuple[Difference, ...]
    gained: tuple[Change, ...]
    lost: tuple[Change, ...]
    settings: tuple[str, ...] = ()


def against(folder: str | os.PathLike[str], other: str | os.PathLike[str], *, seed: int = 0) -> Comparison:
    """Compare the run in `folder` with another one of the same questions.

    Questions are matched by id and words; those that only one run has are left out, and counted.

    Raises:
        UsageError: one of the folders holds no run, or no question was answered in both.
    """
    mine, theirs = read(folder), read(other)
    here, here_texts = _tally(folder)
    there, there_texts = _tally(other)
    common = [key for key in here.ids if here.has(key) and there.has(key) and here_texts[key] == there_texts[key]]
    if not common:
        raise UsageError(
            f"The runs {folder} and {other} have no answered question in common.",
            "Compare runs of the same question set.",
        )
    metrics = _differences(here, there, common, seed)
    gained, lost = _changes(folder, other, here, there, common)
    return Comparison(
        other=Path(other),
        questions=len(common),
        only_here=here.answered - len(common),
        metrics=metrics,
        gained=gained,
        lost=lost,
        settings=tuple(differences(theirs.settings, mine.settings)),
    )


def _tally(folder: str | os.PathLike[str]) -> tuple[Tally, dict[str, int]]:
    """Return the counts of a run, and a hash of each question's words."""
    tally = Tally(result_ids(folder))
    texts: dict[str, int] = {}
    for result in read_results(folder):
        tally.add(result)
        texts[result.example.id] = hash(result.example.question)
    return tally, texts


def _differences(here: Tally, there: Tally, common: Sequence[str], seed: int) -> tuple[Difference, ...]:
    names = sorted(here.values.keys() & there.values.keys(), key=lambda name: (name != RIGHT, name))
    found = []
    for name in names:
        pairs = [
            (a, b)
            for key in common
            if not (math.isnan(a := here.value(name, key)) or math.isnan(b := there.value(name, key)))
        ]
        if pairs:
            ours, others = [a for a, _ in pairs], [b for _, b in pairs]
            found.append((name, ours, others, statistics.paired(ours, others, seed=seed)))
    corrected = statistics.holm([one.p for *_, one in found])
    return tuple(
        Difference(
            name, mean(ours, seed=seed), mean(others, seed=seed), one.difference, p, _verdict(name, one.difference, p)
        )
        for (name, ours, others, one), p in zip(found, corrected, strict=True)
    )


def _verdict(name: str, difference: Score, p: float) -> Verdict:
    if not (difference.low > 0 or difference.high < 0) or p >= _ALPHA:
        return "tie"
    return "better" if (difference.mean > 0) != (name in LOWER_IS_BETTER) else "worse"


def _changes(
    folder: str | os.PathLike[str],
    other: str | os.PathLike[str],
    here: Tally,
    there: Tally,
    common: Sequence[str],
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Return the questions on which the runs disagree; only their answers are read into memory."""
    changed = {key for key in common if abs(here.value(RIGHT, key) - there.value(RIGHT, key)) == 1.0}
    said = _said(other, changed)
    gained: list[Change] = []
    lost: list[Change] = []
    for result in read_results(folder):
        key = result.example.id
        if key in changed and result.answer is not None:
            change = Change(
                key,
                result.example.question[:_SHOWN],
                _gold(result),
                result.answer.text[:_SHOWN],
                said[key],
            )
            (gained if here.value(RIGHT, key) == 1.0 else lost).append(change)
    return tuple(gained), tuple(lost)


def _said(folder: str | os.PathLike[str], wanted: set[str]) -> Mapping[str, str]:
    return {
        result.example.id: result.answer.text[:_SHOWN]
        for result in read_results(folder)
        if result.example.id in wanted and result.answer is not None
    }


def _gold(result: Result) -> str:
    return known_answer(result.example)[:_SHOWN]


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """Return a comparison as `--json` prints it."""
    return {
        "run": str(comparison.other),
        "questions": comparison.questions,
        "metrics": {
            one.metric: {
                "difference": one.difference.mean,
                "low": one.difference.low,
                "high": one.difference.high,
                "n": one.difference.n,
                "p": one.p,
                "verdict": one.verdict,
            }
            for one in comparison.metrics
        },
        "gained": [change.id for change in comparison.gained],
        "lost": [change.id for change in comparison.lost],
    }
