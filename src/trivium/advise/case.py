"""What a step looks at: one arm's errors among the figures of all arms, and what was tried on validation."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trivium.advise.rank import MATTERS, answered, mean, values_of
from trivium.advise.values import Advice, ArmResult, Comparison, Needs, Pair, Trial
from trivium.advise.words import count, listed, points
from trivium.errors import UsageError
from trivium.evaluate.clustered import Compared, compared
from trivium.evaluate.failure import POINTS, Failure
from trivium.evaluate.statistics import questions_needed

UNKNOWN_K = 10
"""Passages that an arm is taken to retrieve where it does not say."""


FEWEST_ERRORS = 2
"""Errors from which on a step is advised: a single one may be anything."""


@dataclass(frozen=True, slots=True)
class Case:
    """One arm of a comparison.

    Attributes:
        comparison: with every arm and trial.
        needs: of the user.
        pairs: every two arms.
        arm: whose errors are looked at.
        best: the arm that a gain counts from: the same, or the one that is taken now.
    """

    comparison: Comparison
    needs: Needs
    pairs: tuple[Pair, ...]
    arm: ArmResult
    best: ArmResult

    @property
    def k(self) -> int:
        """How many passages the arm retrieves."""
        return self.arm.k or UNKNOWN_K

    @property
    def speaks(self) -> bool:
        """Whether a chat model answers; the best passage's best sentence is given without one."""
        return self.arm.tokens > 0

    def questions(self) -> str:
        """Return how many questions were asked: "120 test questions"."""
        return count(len(self.comparison.questions), f"{self.comparison.split} question")

    def failed(self, *points: str, such: Callable[[Failure], bool] = lambda failure: True) -> list[int]:
        """Return the places of the questions that the arm failed by one of these points, such as `such` picks."""
        return [
            place
            for place, failure in enumerate(self.arm.failures)
            if failure is not None and failure.point in points and such(failure)
        ]

    def has(self, *roads: str) -> bool:
        """Whether an arm of one of these roads was measured."""
        return any(arm.road in roads for arm in answered(self.comparison))

    def at_most(self, places: Sequence[int]) -> float:
        """Return what the main metric would gain over the best arm, if each of these questions came out with 1."""
        values = values_of(self.arm, self.comparison.metric)
        score = mean(self.comparison, self.arm)
        if not score.n:
            return 0.0
        missing = sum(1 - values[place] for place in places if not np.isnan(values[place]))
        return float(score.mean + missing / score.n - mean(self.comparison, self.best).mean)

    def topics(self, places: Sequence[int]) -> str:
        """Return what questions are about: their documents, or else their classes, or else the first of them."""
        questions = [self.comparison.questions[place] for place in places]
        documents = Counter(question.document for question in questions if question.document)
        if documents:
            return listed([name for name, _ in documents.most_common()])
        of_all = Counter(name for question in self.comparison.questions for name in set(question.classes))
        found = Counter(name for question in questions for name in set(question.classes))
        telling = [name for name, _ in found.most_common() if of_all[name] < len(self.comparison.questions)]
        return listed(telling or [f"“{' '.join(question.text.split())[:80]}”" for question in questions])

    def trial(self, kind: str) -> Trial | None:
        """Return what came of a step that was tried from this arm; None where it was not tried."""
        found = (trial for trial in self.comparison.trials if trial.kind == kind and trial.arm == self.arm.name)
        return next(found, None)

    def command(self, *words: str) -> str:
        """Return a command as it is typed, on the user's knowledge base."""
        return shlex.join(["trivium", *words, *(("--kb", self.comparison.kb) if self.comparison.kb else ())])

    def compare(self, *words: str) -> str:
        """Return the command that compares other arms on the same questions."""
        return self.command("compare", self.comparison.questions_file or "QUESTIONS", *words)

    def step(
        self, kind: str, step: str, because: str, places: Sequence[int], command: str, *, point: str = "",
        unless: str = "",
    ) -> list[Advice]:  # fmt: skip
        """Return advice that mends errors, with the gain that a trial on validation measured, where there was one.

        Nothing where a trial showed no gain, where not even all of the errors together gain over the best arm, or where
        there is but one.

        Args:
            kind: a key of `trivium.advise.steps.STEPS`.
            step: what to do.
            because: what was seen, without a full stop.
            places: the errors.
            command: how to do it.
            point: the failure point that it mends, for counting what the trial mended.
            unless: what would change the advice.
        """
        most, trial = self.at_most(places), self.trial(kind)
        if trial is None:
            if most <= 0 or len(places) < FEWEST_ERRORS:
                return []
            gain, measured = None, f"failure points of {self.arm.name} on {self.questions()}"
            because = f"{because}. Mending all of them would be {100 * most:+.1f} points; how many, was not tried."
            unless = unless or "A trial on validation that mends few of them."
        else:
            gain = gain_of(trial).difference
            if gain.low <= 0:
                return []
            because = f"{because}. Tried on validation, it mends {recovered(trial, point)}: {points(gain)}."
            measured = f"trial from {trial.arm} on {count(len(trial.before), 'validation question')}, paired"
            unless = unless or "A confirmation on the test part whose interval includes 0."
        return [Advice(step, because, gain, command, measured, kind, self.arm.name, most, unless)]


def of_errors(case: Case, places: Sequence[int], *names: str) -> str:
    """Return how many of the arm's errors these are: "12 of 40 errors of advanced are FP2 (missed the top ranks)"."""
    titles = " or ".join(f"{name} ({POINTS[name].title})" if name[:2] == "FP" else POINTS[name].title for name in names)
    errors = sum(failure is not None for failure in case.arm.failures)
    verb = "is" if len(places) == 1 else "are"
    return f"{len(places):,} of {count(errors, 'error')} of {case.arm.name} {verb} {titles}"


def gain_of(trial: Trial) -> Compared:
    """Return the paired gain of a trial.

    Raises:
        UsageError: its values are not of the same questions.
    """
    n = len(trial.before)
    if len(trial.after) != n or len(trial.points) not in (0, n) or len(trial.documents) not in (0, n):
        raise UsageError(f"The trial of {trial.kind!r} has values of other questions.", "Give one of each a question.")
    return compared(np.subtract(trial.after, trial.before), trial.documents or None)


def recovered(trial: Trial, point: str) -> str:
    """Return how many errors of a point came out better in its trial: "7 of 12 FP2"; of all errors without a point."""
    points = trial.points if point else ()
    wrong = [place for place, name in enumerate(points) if name == point]
    if not points:
        wrong = [place for place, value in enumerate(trial.before) if value < 1]
    mended = sum(trial.after[place] > trial.before[place] for place in wrong)
    return f"{mended:,} of {len(wrong):,} {point if points else 'errors'}"


def in_vain(trial: Trial) -> str | None:
    """Return what a trial without a shown gain says, and how many questions would show one; None where it shows one."""
    found = gain_of(trial)
    if found.difference.low > 0:
        return None
    tried = f"{trial.kind} was tried from {trial.arm} on {count(len(trial.before), 'validation question')}"
    if found.difference.high < 0:
        return f"{tried}: {points(found.difference)}, a loss."
    size = max(abs(found.difference.mean), MATTERS)
    needed = questions_needed(size, deviation=found.deviation)
    return (
        f"{tried}: {points(found.difference)}, which may be chance. "
        f"About {needed:,} questions would show a gain of {100 * size:.1f} points."
    )
