"""The figures of a run: what each metric came to, with intervals, and why answers were wrong.

Of each question only numbers are kept in memory, so that a run of 100,000 questions is counted as one of ten.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trivium.evaluate.failure import PointSummary, Wrong, summary
from trivium.evaluate.record import Record
from trivium.evaluate.results import Result
from trivium.evaluate.statistics import interval, wilson
from trivium.types import Example, Score

RIGHT = "correct"
"""The metric that says whether an answer counts as right (`trivium.evaluate.score.right`)."""
_SHOWN = 300  # characters of a question and its answers among the examples of a failure point


@dataclass(frozen=True, slots=True)
class Failed:
    """A question that could not be asked, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to.

    Attributes:
        folder: where it is kept.
        questions: how many the question set has.
        asked: how many of them were answered (rightly or wrongly).
        metrics: mean and 95% interval of each metric over the questions that it applies to.
        points: the failure points, with counts, intervals, examples and cures.
        judge_failures: judgements that could not be had.
        seconds: wall-clock time of this session.
        errors: the questions that could not be asked. They count in no metric.
        answered_before: how many were answered in an earlier session.
        stopped: why the run was given up before its end; empty where it was not.
        record: how to repeat it.
        tally: the figures of each question.
    """

    folder: Path
    questions: int
    asked: int
    metrics: Mapping[str, Score]
    points: Sequence[PointSummary] = ()
    judge_failures: int = 0
    seconds: float = 0.0
    errors: tuple[Failed, ...] = ()
    answered_before: int = 0
    stopped: str = ""
    record: Record = field(default_factory=lambda: Record({}), repr=False)
    tally: Tally = field(default_factory=lambda: Tally(()), repr=False)

    @property
    def complete(self) -> bool:
        """Whether every question was answered."""
        return self.asked == self.questions


def report_json(report: Report) -> dict[str, object]:
    """Return a report as `--json` prints it."""
    return {
        "run": str(report.folder),
        "questions": report.questions,
        "metrics": {
            name: {"mean": score.mean, "low": score.low, "high": score.high, "n": score.n}
            for name, score in report.metrics.items()
        },
        "failure_points": {point.point: point.count for point in report.points},
        "judge_failures": report.judge_failures,
        "seconds": round(report.seconds, 3),
    }


@dataclass
class Tally:
    """Counts results as they come. Each question has a place, from 0; an answer takes the place of an earlier error."""

    ids: Sequence[str]
    values: dict[str, array[float]] = field(default_factory=dict)
    """Of each metric one number for each question; NaN where it does not apply or was not asked."""
    seconds: array[float] = field(default_factory=lambda: array("d"))
    """Until the answer, as the system itself says, or with scoring where it does not."""
    tokens: array[float] = field(default_factory=lambda: array("d"))
    errors: dict[int, str] = field(default_factory=dict)
    judge_failures: dict[int, int] = field(default_factory=dict)
    ranks: dict[int, tuple[int, ...]] = field(default_factory=dict)
    tags: Counter[str] = field(default_factory=Counter)
    """How many answered questions that can be judged have each tag, and each language."""
    right_of: Counter[str] = field(default_factory=Counter)
    """How many of them were answered rightly."""
    depth: int = 0
    """The most hits that an answer had."""
    _answered: bytearray = field(default_factory=bytearray)
    _right: int = 0
    _judged: int = 0

    def __post_init__(self) -> None:
        self._places = {key: place for place, key in enumerate(self.ids)}
        self._answered = bytearray(len(self.ids))
        self.seconds = array("d", [math.nan]) * len(self.ids)
        self.tokens = array("d", [math.nan]) * len(self.ids)

    def add(self, result: Result) -> bool:
        """Count a result; False where its question is not of this run."""
        place = self._places.get(result.example.id)
        if place is None:
            return False
        if self._answered[place]:
            return True  # an answer stands: what a file says twice counts once
        self.errors.pop(place, None)
        if result.answer is None:
            self.errors[place] = result.error
            return True
        self._answered[place] = 1
        self._count_tags(result)
        self.depth = max(self.depth, len(result.answer.hits))
        for name, value in result.scores.items():
            if value is not None:
                self._column(name)[place] = value
        if result.right is not None:
            self._column(RIGHT)[place] = float(result.right)
            self._right += result.right
            self._judged += 1
        self.seconds[place] = result.answer.seconds.total or result.seconds
        self.tokens[place] = result.answer.usage.prompt_tokens + result.answer.usage.completion_tokens
        if result.judge_failures:
            self.judge_failures[place] = result.judge_failures
        if result.ranks:
            self.ranks[place] = result.ranks
        return True

    @property
    def answered(self) -> int:
        """How many questions were answered."""
        return sum(self._answered)

    @property
    def running(self) -> float | None:
        """The share of right answers so far; None before the first that can be judged."""
        return self._right / self._judged if self._judged else None

    def has(self, key: str) -> bool:
        """Whether a question was answered."""
        place = self._places.get(key)
        return place is not None and bool(self._answered[place])

    def is_right(self, place: int) -> bool:
        """Whether the question at a place was answered rightly."""
        return RIGHT in self.values and self.values[RIGHT][place] == 1.0

    def common_tags(self, most: int) -> list[str]:
        """Return the tags and languages that tell questions apart, the most frequent first."""
        telling = [(tag, count) for tag, count in self.tags.most_common() if count < self._judged]
        return [tag for tag, _ in telling[:most]]

    def value(self, name: str, key: str) -> float:
        """Return a metric of one question; NaN where it has none."""
        column = self.values.get(name)
        return math.nan if column is None else column[self._places[key]]

    def _column(self, name: str) -> array[float]:
        if name not in self.values:
            self.values[name] = array("d", [math.nan]) * len(self.ids)
        return self.values[name]

    def _count_tags(self, result: Result) -> None:
        if result.right is not None:
            for tag in {*result.example.tags, result.example.language} - {""}:
                self.tags[tag] += 1
                self.right_of[tag] += result.right


def figures(tally: Tally, *, seed: int = 0) -> dict[str, Score]:
    """Return mean and interval of each metric that applies to a question, the share of right answers first."""
    names = sorted(tally.values, key=lambda name: name != RIGHT)
    found = {name: mean(tally.values[name], seed=seed) for name in names}
    return {name: score for name, score in found.items() if score.n}


def mean(values: Sequence[float], *, seed: int = 0) -> Score:
    """Return the mean of the values that are numbers, with its 95% interval."""
    return interval((value for value in values if not math.isnan(value)), seed=seed)


def failure_points(results: Iterable[Result], answered: int) -> list[PointSummary]:
    """Return the failure points of a run, from its results one by one.

    Args:
        results: those of wrong answers are taken.
        answered: how many questions were answered.
    """
    return summary((_wrong(result) for result in results if result.answer and result.failure), answered)


def recall_curve(tally: Tally, most: int = 20, *, seed: int = 0) -> list[tuple[int, Score]]:
    """Return (k, recall@k) for k from 1 to the number of hits, at most `most`.

    Recall@k of a question is the share of its pieces of gold evidence that one of the first k hits holds.
    """
    last = min(most, tally.depth) if tally.ranks else 0
    curve = []
    for k in range(1, last + 1):
        shares = [sum(0 < rank <= k for rank in found) / len(found) for found in tally.ranks.values()]
        curve.append((k, mean(shares, seed=seed)))
    return curve


def by_tag(tally: Tally, most: int = 20) -> dict[str, Score]:
    """Return the share of right answers among the questions of each tag and language that tells questions apart."""
    found = {}
    for tag in tally.common_tags(most):
        n, right = tally.tags[tag], tally.right_of[tag]
        found[tag] = Score(right / n, *wilson(right, n), n)
    return found


def _wrong(result: Result) -> Wrong:
    assert result.answer is not None
    assert result.failure is not None
    return Wrong(
        result.example.id,
        result.example.question[:_SHOWN],
        known_answer(result.example)[:_SHOWN],
        result.answer.text[:_SHOWN],
        result.failure,
    )


def known_answer(example: Example) -> str:
    """Return what is known about the answer to a question, in one line."""
    if example.unanswerable:
        return "(not answerable from the documents)"
    if example.parts:
        return " + ".join(" | ".join(part) for part in example.parts)
    return " | ".join(example.answers)
