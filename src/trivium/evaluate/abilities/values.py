"""The values that the abilities pass on: a question with its passages, what was said, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from trivium.types import Answer, Score

Reader = Callable[[str, Sequence[str]], Answer]
"""`reader(question, passages)`: an answer from these passages in this order; from none, the model's own memory."""

Kind = Literal["plain", "parts", "false", "conflict", "evidence"]


@dataclass(frozen=True, slots=True)
class Case:
    """A question with the passages that a benchmark made for it.

    Attributes:
        id: within its set.
        question: in words.
        parts: what a right answer must hold: of each part, one of its alternatives. Empty where it is not known.
        language: "en", "zh", ….
        kind: what it is made for. "plain": noise and rejection; "parts": information integration; "false":
            counterfactual robustness (passages true and falsified); "conflict": one passage with false words in
            it; "evidence": one passage that proves the answer, among others of its set.
        positive: passages that hold the answer, or all of its parts' passages.
        groups: for each part, the passages that hold it.
        negative: passages on the subject that do not hold the answer.
        wrong: passages like `positive` with the answer replaced by false words, in the same order.
        false: those false words, as `parts` has the true ones.
    """

    id: str
    question: str
    parts: tuple[tuple[str, ...], ...]
    language: str
    kind: Kind
    positive: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    negative: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    false: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class CaseSet:
    """The cases of one file, by the file's name."""

    name: str
    cases: tuple[Case, ...]

    @property
    def language(self) -> str:
        """The language of the first case: a file is in one language."""
        return self.cases[0].language if self.cases else ""

    @property
    def kind(self) -> Kind | None:
        """What its cases are made for."""
        return self.cases[0].kind if self.cases else None


@dataclass(frozen=True, slots=True)
class Trial:
    """One request to the reader. `stage` says in words what it is for, for whoever watches."""

    question: str
    passages: tuple[str, ...]
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What the reader said: its text without citation markers. `error` is why it could not say anything."""

    text: str
    refused: bool = False
    error: str = ""


Ask = Callable[[Sequence[Trial]], list[Said]]
"""Puts trials to a reader; as many answers as trials, in their order."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure.

    Attributes:
        ability: a key of `trivium.evaluate.abilities.ABILITIES`.
        set: the name of the set.
        language: of the set.
        metric: such as "accuracy".
        score: its mean over the questions, with its interval.
        at: where on the curve: the ratio of noise, or the place of the gold passage from 1; None without a curve.
        arm: which passages were shown, where that is the question: "none", "true", "false".
    """

    ability: str
    set: str
    language: str
    metric: str
    score: Score
    at: float | None = None
    arm: str = ""
