"""The ten questions that decide whether tuning is worth it: what the user says beside what was measured.

"Plain" is the best arm without tuning, "tuned" the best with it. A question speaks for tuning or against it only where
the user's answer or an interval that excludes 0 says so; everything else is open.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trivium.advise.rank import answered, documents_of, gain, mean, quality
from trivium.advise.values import CLOSED_BOOK, ArmResult, Comparison, Needs, TuningQuestion
from trivium.advise.words import amount, count, percent, points, seconds, share
from trivium.evaluate.clustered import Compared, compared, mean_of
from trivium.evaluate.summary import RIGHT
from trivium.types import Score

Speaks = Literal["tuning", "against tuning", "open"]
FOR: Speaks = "tuning"
AGAINST: Speaks = "against tuning"
OPEN: Speaks = "open"
_UNTUNED = "Not measured: no tuned arm ran."
_FEWEST = 5
"""Questions that a rare class has at least."""
_KEPT = 0.95
"""The share of answers in the right form from which on there is nothing for tuning to gain."""

_FORM = ("FP5", "FP6")

Answers = tuple[str, str, Speaks]
"""What the user says, what was measured, what both speak for."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """The best arm of each side; None where none was measured."""

    comparison: Comparison
    needs: Needs
    plain: ArmResult | None
    tuned: ArmResult | None

    def difference(self, metric: str = "", among: NDArray[np.bool_] | None = None) -> Compared:
        """Return tuned less plain."""
        if self.plain is None or self.tuned is None:
            return compared(())
        return gain(self.comparison, self.tuned, self.plain, metric, among)


def ten(comparison: Comparison, needs: Needs) -> tuple[TuningQuestion, ...]:
    """Return the ten questions with the user's and the measured answers."""
    sides = _Sides(
        comparison,
        needs,
        _best(comparison, [arm for arm in answered(comparison) if not arm.tuned]),
        _best(comparison, [arm for arm in answered(comparison) if arm.tuned]),
    )
    return tuple(TuningQuestion(topic, asked, *look(sides)) for topic, asked, look in QUESTIONS)


def _best(comparison: Comparison, arms: Sequence[ArmResult]) -> ArmResult | None:
    return max(arms, key=lambda arm: quality(comparison, arm), default=None)


def _accuracy(sides: _Sides) -> Answers:
    wanted, plain, tuned = sides.needs.accuracy, sides.plain, sides.tuned
    said = "not said" if wanted is None else f"{percent(wanted)} of the answers are to be right"
    figures = [f"{arm.name} {share(mean(sides.comparison, arm))}" for arm in (plain, tuned) if arm is not None]
    one = sides.difference()
    measured = "; ".join(figures) + (f"; {points(one.difference)}" if one.difference.n else f". {_UNTUNED}")
    if wanted is not None and plain is not None and mean(sides.comparison, plain).low >= wanted:
        return said, f"{measured}: reached without tuning", AGAINST
    return said, measured, _by(one)


def _style(sides: _Sides) -> Answers:
    said = _yes_no(sides.needs.style, "a style or format matters", "style and format do not matter")
    one = sides.difference("format")
    if one.difference.n:
        measured = f"answers in the right form: {points(one.difference)} by tuning"
        speaks = _by(one)
    elif sides.plain is not None and "format" in sides.plain.values:
        measured = f"answers of {sides.plain.name} in the right form: {share(_mean(sides, 'format'))}. {_UNTUNED}"
        speaks = OPEN
    else:
        measured, speaks = _wrong_form(sides), OPEN
    if sides.needs.style is False or _mean(sides, "format").low >= _KEPT:
        return said, measured, AGAINST
    return said, measured, speaks


def _wrong_form(sides: _Sides) -> str:
    """Return the failure points of form, where no question was scored by its form."""
    arms = [arm for arm in (sides.plain, sides.tuned) if arm is not None and arm.failures]
    if not arms:
        return "not measured: no question asks for a form"
    counts = "; ".join(f"{arm.name} {sum(arm.failure_points.get(name, 0) for name in _FORM)}" for arm in arms)
    return f"wrong form or exactness (FP5, FP6) of {count(len(sides.comparison.questions), 'answer')}: {counts}"


def _edges(sides: _Sides) -> Answers:
    said = _yes_no(sides.needs.edge_cases, "rare cases matter as much as common ones", "rare cases matter less")
    questions = sides.comparison.questions
    sizes = Counter(name for question in questions for name in set(question.classes))
    rare = [name for name, n in sizes.items() if _FEWEST <= n <= len(questions) / 4]
    if not rare or sides.plain is None:
        return said, f"not measured: no class has {_FEWEST} questions and at most a quarter of them", OPEN
    among = np.array([bool(set(rare) & set(question.classes)) for question in questions])
    values = np.asarray(sides.plain.values[sides.comparison.metric])[among]
    one = sides.difference(among=among)
    named = f"{count(int(among.sum()), 'question')} of rare classes: {sides.plain.name} {share(mean_of(values))}"
    if not one.difference.n:
        return said, f"{named}. {_UNTUNED}", OPEN
    return (
        said,
        f"{named}; {points(one.difference)} by tuning",
        _by(one) if sides.needs.edge_cases is not False else OPEN,
    )


def _reliability(sides: _Sides) -> Answers:
    said = _yes_no(sides.needs.reliable, "a wrong answer does more harm than none", "a wrong answer does no great harm")
    arms = [arm for arm in (sides.plain, sides.tuned) if arm is not None]
    found = [(arm, values) for arm in arms if (values := _wrongly(arm)) is not None]
    documents = documents_of(sides.comparison)
    named = "; ".join(f"{arm.name} {share(mean_of(values, documents))}" for arm, values in found)
    parts = [f"answered, and wrongly: {named}"] if found else []
    for ability in dict.fromkeys(name for arm in arms for name in arm.abilities):
        scores = (f"{arm.name} {share(arm.abilities[ability])}" for arm in arms if ability in arm.abilities)
        parts.append(f"{ability}: {'; '.join(scores)}")
    measured = ". ".join(parts) or "not measured: which wrong answers were refusals is not known"
    if len(found) < 2:
        return said, measured if sides.tuned is not None else f"{measured}. {_UNTUNED}", OPEN
    one = compared(found[0][1] - found[1][1], documents)
    return said, f"{measured}. Fewer wrong answers by tuning: {points(one.difference)}", _by(one)


def _wrongly(arm: ArmResult) -> NDArray[np.float64] | None:
    """Return 1 for each question that was answered, and wrongly."""
    if RIGHT not in arm.values or "refused" not in arm.values:
        return None
    right, refused = (np.asarray(arm.values[name], dtype=np.float64) for name in (RIGHT, "refused"))
    found: NDArray[np.float64] = (1 - right) * (1 - refused)
    return found


def _cost(sides: _Sides) -> Answers:
    budget, money = sides.needs.budget, sides.comparison.currency
    said = "not said" if budget is None else f"at most {amount(budget, money)} for 1,000 answers"
    asked = len(sides.comparison.questions)
    arms = [arm for arm in (sides.plain, sides.tuned) if arm is not None]
    named = "; ".join(f"{arm.name} {_price(arm, asked, money)}" for arm in arms)
    if sides.tuned is None or sides.plain is None:
        return said, f"{named}. {_UNTUNED}", OPEN
    if sides.tuned.train_cost is not None:
        named += f"; training {amount(sides.tuned.train_cost, money)}"
    cheap, dear = sides.tuned.cost, sides.plain.cost
    if cheap is None or dear is None:
        return said, f"{named}; without prices nothing follows", OPEN
    one = sides.difference()
    if cheap > dear and one.difference.low <= 0:
        return said, f"{named}: dearer, and not shown to be better", AGAINST
    if cheap < dear and one.difference.high >= 0:
        return said, f"{named}{_paid_back(sides.tuned, (dear - cheap) / asked)}", FOR
    return said, named, OPEN


def _price(arm: ArmResult, asked: int, money: str) -> str:
    if arm.cost is not None:
        return f"{amount(1000 * arm.cost / asked, money)} for 1,000 answers"
    return f"{arm.tokens / asked:,.0f} tokens an answer"


def _paid_back(tuned: ArmResult, saved: float) -> str:
    """Return after how many answers the training is paid for."""
    if not tuned.train_cost:
        return ": cheaper by the answer"
    return f": paid back after {tuned.train_cost / saved:,.0f} answers"


def _tasks(sides: _Sides) -> Answers:
    tasks, tuned = sides.needs.tasks, sides.tuned
    said = "not said" if tasks is None else count(tasks, "task")
    if tuned is None or tuned.train_seconds is None:
        measured = "A prompt is changed in no time; what training takes was not measured."
    else:
        measured = f"training {tuned.name} took {seconds(tuned.train_seconds)}, and is done again for each new task"
    return said, measured, AGAINST if tasks is not None and tasks > 1 else OPEN


def _data(sides: _Sides) -> Answers:
    labelled, tuned = sides.needs.labelled, sides.tuned
    said = "not said" if labelled is None else f"{count(labelled, 'labelled example')} at hand"
    if tuned is None:
        return said, _UNTUNED, AGAINST if labelled == 0 else OPEN
    learnt = f"{count(tuned.train_samples, 'sample')}" if tuned.train_samples else "samples that were not counted"
    one = sides.difference()
    measured = f"{tuned.name} learnt from {learnt}: {points(one.difference)} over the best plain arm"
    return said, measured, AGAINST if labelled == 0 else _by(one)


def _transparency(sides: _Sides) -> Answers:
    said = _yes_no(sides.needs.sources, "answers must show where they come from", "no sources are needed")
    cited = [
        f"{arm.name} {share(mean(sides.comparison, arm, 'citation_precision'))}"
        for arm in answered(sides.comparison)
        if arm.retrieves and mean(sides.comparison, arm, "citation_precision").n
    ]
    silent = [arm.name for arm in answered(sides.comparison) if arm.tuned and not arm.retrieves]
    parts = [f"citations that hold: {'; '.join(cited)}"] if cited else []
    parts += [f"no sources from {', '.join(silent)}"] if silent else []
    alone = sides.tuned is not None and not sides.tuned.retrieves
    return said, ". ".join(parts) or "not measured", AGAINST if sides.needs.sources and alone else OPEN


def _resources(sides: _Sides) -> Answers:
    who, memory = sides.needs.maintainer, sides.needs.memory_mib
    words = {
        "nobody": "nobody looks after it",
        "users": "users look after it, who cannot train",
        "engineers": "engineers look after it, who can train",
    }
    parts = [words[who]] if who else []
    parts += [f"{memory:,.0f} MiB of memory"] if memory is not None else []
    tuned = sides.tuned
    figures = []
    if tuned is not None:
        figures += [f"training {seconds(tuned.train_seconds)}"] if tuned.train_seconds is not None else []
        figures += [f"memory {tuned.memory_mib:,.0f} MiB"] if tuned.memory_mib is not None else []
        figures += [f"disk {tuned.disk_bytes / 2**20:,.1f} MiB"] if tuned.disk_bytes is not None else []
    measured = f"{tuned.name}: {', '.join(figures)}" if tuned is not None and figures else _UNTUNED
    short = tuned is not None and memory is not None and (tuned.memory_mib or 0.0) > memory
    return ", ".join(parts) or "not said", measured, AGAINST if who in ("nobody", "users") or short else OPEN


def _change(sides: _Sides) -> Answers:
    said = _yes_no(sides.needs.fresh, "the knowledge changes", "the knowledge does not change")
    arms = answered(sides.comparison)
    alone = next((arm for arm in arms if arm.name == CLOSED_BOOK), None)
    by_passages = _best(sides.comparison, [arm for arm in arms if arm.road == "ground"])
    by_training = _best(sides.comparison, [arm for arm in arms if arm.road == "tune"])
    parts = []
    for words, arm in (("passages", by_passages), ("training", by_training)):
        if arm is not None and alone is not None:
            parts.append(f"knowledge from {words} ({arm.name} less {alone.name}): ")
            parts[-1] += points(gain(sides.comparison, arm, alone).difference)
    measured = "; ".join(parts) or "not measured"
    if sides.needs.fresh:
        return said, measured, AGAINST
    if sides.needs.fresh is False and by_passages is not None and by_training is not None:
        return said, measured, _by(gain(sides.comparison, by_training, by_passages))
    return said, measured, OPEN


def _by(one: Compared) -> Speaks:
    """Return what tuned less plain speaks for: nothing where the interval includes 0."""
    if not one.difference.n or one.tie:
        return OPEN
    return FOR if one.difference.mean > 0 else AGAINST


def _mean(sides: _Sides, metric: str) -> Score:
    return (
        mean(sides.comparison, sides.plain, metric)
        if sides.plain is not None
        else Score(math.nan, math.nan, math.nan, 0)
    )


def _yes_no(needed: bool | None, yes: str, no: str) -> str:
    return "not said" if needed is None else yes if needed else no


QUESTIONS: tuple[tuple[str, str, Callable[[_Sides], Answers]], ...] = (
    ("field accuracy", "Is the wanted accuracy out of reach without tuning?", _accuracy),
    ("behaviour and style", "Is there a style or format that prompting does not give?", _style),
    ("edge cases", "Do rare cases matter, and does tuning answer them better?", _edges),
    ("reliability", "Are wrong answers harmful, and are they fewer by tuning?", _reliability),
    ("cost", "Is a tuned model cheaper by the answer?", _cost),
    ("fast new tasks", "Will there be new tasks, each to be trained for?", _tasks),
    ("training data", "Are there labelled examples, and are they enough?", _data),
    ("transparency", "Must an answer show where it comes from?", _transparency),
    ("resources", "Are there the machine and the people to train, and to train again?", _resources),
    ("knowledge that changes", "Does the knowledge stay the same?", _change),
)
"""Topic, question, and what answers it."""
