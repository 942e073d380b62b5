"""The values that this room passes on: what each arm scored, what the user needs, what was decided and why.

`measure.py` fills a `Comparison`; `decide.py` reads it, asks nothing and runs nothing, and returns a `Decision`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from trivium.evaluate.failure.kinds import Failure
from trivium.evaluate.summary import RIGHT
from trivium.types import Score

Road = Literal["prompt", "ground", "tune", "both", "other"]
"""What an arm does to the model: `both` is tuned and grounded, `other` is the user's own callable or endpoint."""

CLOSED_BOOK = "closed_book"
"""The arm that always runs: the untuned model without any passage."""

Verdict = Literal["a", "b", "tie"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the comparison.

    Attributes:
        id: unique in the comparison.
        text: its words.
        gold: what is known about the answer, in one line (`trivium.evaluate.summary.known_answer`).
        document: the source that it was asked about; questions of one document are not independent. "" where unknown.
        classes: what groups it with others: its tags, its language, "unanswerable".
        unanswerable: whether the documents hold no answer.
    """

    id: str
    text: str = ""
    gold: str = ""
    document: str = ""
    classes: tuple[str, ...] = ()
    unanswerable: bool = False


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall-clock seconds a question: the middle one, the 95th percentile; the sum of all; the first call apart."""

    p50: float
    p95: float
    total: float
    warmup: float = 0.0


@dataclass(frozen=True, slots=True)
class ArmResult:
    """What one arm came to. Where there is one entry a question, it is in the order of `Comparison.questions`.

    Attributes:
        name: unique in the comparison.
        road: what it does to the model.
        values: by metric one number a question, NaN where the metric does not apply or the question failed; the main
            metric among them.
        failures: one a question, None where the answer was right; empty where they were not attributed.
        said: the answers in words, for the report; empty where they were not kept.
        abilities: by name, where they were measured.
        tokens: of all questions together, read and written.
        cost: of all questions together by the price table, in its currency; None where a price is not known.
        seconds: of the answers.
        train_seconds, train_samples, train_cost: of what was trained for this arm; None where nothing was.
        memory_mib: the most that the process held.
        disk_bytes: of what the arm needs besides the base model: adapter, index.
        k: how many passages it retrieves; None where it retrieves none.
        remote: whether questions or documents leave the machine.
        settings: what it was, in words, for the report: pattern, chat model, adapter.
        error: why the arm failed as a whole; its figures count for nothing then.
    """

    name: str
    road: Road
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    failures: tuple[Failure | None, ...] = ()
    said: tuple[str, ...] = ()
    abilities: Mapping[str, Score] = field(default_factory=dict)
    tokens: int = 0
    cost: float | None = None
    seconds: Seconds = Seconds(0.0, 0.0, 0.0)
    train_seconds: float | None = None
    train_samples: int | None = None
    train_cost: float | None = None
    memory_mib: float | None = None
    disk_bytes: int | None = None
    k: int | None = None
    remote: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def failure_points(self) -> dict[str, int]:
        """How many questions failed by each point."""
        return dict(Counter(failure.point for failure in self.failures if failure is not None))

    @property
    def retrieves(self) -> bool:
        """Whether it is shown passages."""
        return self.k is not None or self.road in ("ground", "both")

    @property
    def tuned(self) -> bool:
        """Whether its model was trained for the field."""
        return self.road in ("tune", "both")


@dataclass(frozen=True, slots=True)
class Trial:
    """A step that was tried on the validation split, from an arm: the same questions before and after.

    Attributes:
        kind: of the step, a key of `trivium.advise.steps.STEPS`.
        arm: the name of the arm that it starts from.
        before, after: the main metric, one number a question, in the same order.
        points: the failure point of each question before, "" where it was right; empty where not attributed.
        documents: the document of each question; empty where unknown.
    """

    kind: str
    arm: str
    before: tuple[float, ...]
    after: tuple[float, ...]
    points: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms that answered the same questions.

    Attributes:
        questions: in the order of every arm's values.
        arms: those that failed too, with their `error`.
        metric: the main one, by which the arms are ranked; higher is better.
        run: the folder of the comparison.
        split: the part of the question set that these questions are.
        trials: steps that were tried on the validation split.
        questions_file, kb, train: as the user gave them, for the commands of the advice; "" where there is none.
        training_questions: the file of the training part of the questions, for tuning the retrieval.
        currency: of the costs.
        seed: of every draw: the division of the questions, the order of training.
    """

    questions: tuple[Question, ...]
    arms: tuple[ArmResult, ...]
    metric: str = RIGHT
    run: str = ""
    split: str = "test"
    trials: tuple[Trial, ...] = ()
    questions_file: str = ""
    kb: str = ""
    train: str = ""
    training_questions: str = ""
    currency: str = "USD"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Needs:
    """What the user says they need. None is "not said", and decides nothing.

    Attributes:
        accuracy: the share of right answers that is enough, 0 to 1.
        fresh: whether the knowledge changes while the system is in use.
        private: whether the documents must not leave the machine.
        style: whether a style or format matters.
        sources: whether an answer must show where it comes from.
        seconds: the most that 95% of the answers may take.
        budget: the most that 1,000 answers may cost, in the currency of the price table.
        labelled: how many labelled examples are at hand.
        edge_cases: whether rare cases matter as much as common ones.
        reliable: whether a wrong answer does more harm than none.
        tasks: how many different tasks the system is to do, or soon will.
        memory_mib: the memory that the machine has for it.
        maintainer: who looks after it: "nobody", "users" (they change documents), "engineers" (they can train).
    """

    accuracy: float | None = None
    fresh: bool | None = None
    private: bool | None = None
    style: bool | None = None
    sources: bool | None = None
    seconds: float | None = None
    budget: float | None = None
    labelled: int | None = None
    edge_cases: bool | None = None
    reliable: bool | None = None
    tasks: int | None = None
    memory_mib: float | None = None
    maintainer: Literal["nobody", "users", "engineers"] | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two arms on the same questions: `a` less `b` in the main metric.

    Attributes:
        a, b: their names.
        metric: what was compared.
        difference: its mean, its 95% interval, and the questions with both values.
        p: that there is none, corrected for the number of pairs (Benjamini and Hochberg).
        verdict: the better arm, or "tie".
        needed: of a tie, how many questions would show a difference of this size, or of 5 points where it is smaller,
            with a chance of 80%; None where the verdict is clear.
    """

    a: str
    b: str
    metric: str
    difference: Score
    p: float
    verdict: Verdict
    needed: int | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """An arm in the ranking: `place` from 1, the same for arms that cannot be told from the first of their place."""

    place: int
    arm: str
    score: Score


@dataclass(frozen=True, slots=True)
class Advice:
    """A next step.

    Attributes:
        step: what to do, one sentence.
        because: what was seen, with the counts.
        expected_gain: of the main metric over all questions, with its interval; None where it was not measured.
        command: how to take it, as it is typed; "" where there is none.
        measured_by: the measurement behind it: arms, metric, split, number of questions.
        kind: a key of `trivium.advise.steps.STEPS`.
        arm: the arm that it starts from.
        at_most: the gain if it mended every error that it can; None where that is not known.
        unless: what evidence would change this advice.
    """

    step: str
    because: str
    expected_gain: Score | None
    command: str
    measured_by: str
    kind: str = ""
    arm: str = ""
    at_most: float | None = None
    unless: str = ""


@dataclass(frozen=True, slots=True)
class TuningQuestion:
    """One of the ten questions that decide whether tuning is worth it.

    Attributes:
        topic: in two or three words.
        asked: the question.
        said: the user's answer; "not said" where they gave none.
        measured: what was measured, with the figures; "not measured" and how to measure it where nothing was.
        speaks_for: "tuning", "against tuning", or "open" where neither answer tells.
    """

    topic: str
    asked: str
    said: str
    measured: str
    speaks_for: Literal["tuning", "against tuning", "open"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a comparison comes to.

    Attributes:
        take: the arm to take now; "" where none meets the needs.
        because: why that one, in a sentence or two.
        ranking: of the arms that did not fail, the best first.
        pairs: every two of them.
        cheapest: the names of the Pareto front of quality against cost, the cheapest first; empty without prices.
        fastest: the same against seconds.
        unmet: by arm, the needs that it does not meet, each with its figure.
        advice: what to do next, the step with the largest expected gain first.
        ten: whether tuning is worth it.
        mind: what evidence would change the decision, a sentence each.
        failed: by arm, why it failed.
    """

    take: str
    because: str
    ranking: tuple[Ranked, ...]
    pairs: tuple[Pair, ...]
    cheapest: tuple[str, ...]
    fastest: tuple[str, ...]
    unmet: Mapping[str, tuple[str, ...]]
    advice: tuple[Advice, ...]
    ten: tuple[TuningQuestion, ...]
    mind: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
