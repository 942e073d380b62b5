"""The test split, scored once at the end: the tuned model against the untuned base and simple systems.

Scores have intervals, differences are paired by sample, and an error analysis says where the tuned model is wrong.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trivium.errors import UsageError
from trivium.evaluate.statistics import Paired, interval, paired, percentiles
from trivium.index.durable import write_whole
from trivium.tune.baselines import baselines_for
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.metrics import by_class
from trivium.tune.objectives.outcome import ClassRow, Judging, Outcome, Verdict
from trivium.types import Score

TUNED, UNTUNED = "tuned", "untuned base"
FILE, PAGE = "final.json", "final.md"
_RESAMPLES = (200, 1000)  # at least and at most, by how much there is to compute
_NUMBERS = 20_000_000
_SHOWN = 15  # classes of a matrix, rows of a table, on the page


@dataclass(frozen=True, slots=True)
class Difference:
    """The tuned model less another system.

    Attributes:
        scores: of each score the difference with its 95% interval, both systems on the same resamples (Koehn 2004).
        value: what each sample is compared by.
        paired: that comparison, sample by sample.
    """

    scores: Mapping[str, Score]
    value: str
    paired: Paired


@dataclass(frozen=True, slots=True)
class Errors:
    """Where the tuned model is wrong.

    Attributes:
        confusion: how often a class is taken for which (right, said, count), the most frequent first, the right ones
            among them; empty where there are no classes.
        classes: how well each class is found.
        worst: the samples with the largest loss.
    """

    confusion: tuple[tuple[str, str, int], ...]
    classes: tuple[ClassRow, ...]
    worst: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Final:
    """The report on a test split.

    Attributes:
        samples: of the split; `judged` of them are in every score, the others did not fit the model.
        measure: the score that chose the checkpoint; `larger_is_better` says which way.
        systems: the scores of each by its name, `tuned` the first.
        differences: the tuned model less each other one.
        missing: systems that could not be scored, with the reason.
    """

    samples: int
    judged: int
    measure: str
    larger_is_better: bool
    systems: Mapping[str, Mapping[str, Score]]
    differences: Mapping[str, Difference]
    missing: Mapping[str, str]
    errors: Errors


def final_test(
    kind: str,
    objective: Judging,
    attached: Attached,
    train: Sequence[Any],
    test: Sequence[Any],
    *,
    untuned: Judging | None = None,
    most: int | None = 64,
    worst: int = 10,
    seed: int = 0,
) -> Final:
    """Score the test split: the tuned model, the base without the adapter, and the simple systems for its kind.

    Args:
        kind: of the samples, a key of `tasks.training.values.KINDS`.
        objective: on the tuned model.
        attached: the method on it; a method that can be switched off gives the untuned base too.
        train: what the simple systems learn from.
        test: samples that nothing has seen.
        untuned: the objective on a base of its own, for a method that cannot be switched off; None to do without.
        most: samples for which a text is written, where one is; None for all.
        worst: samples that the error analysis lists.
        seed: of the resampling.

    Raises:
        UsageError: the split is empty, or nothing of it fits the model.
    """
    if not test:
        raise UsageError("The test split is empty.", "Give more data, or a test file of its own.")
    outcomes = {TUNED: objective.outcome(test, most=most)}
    tuned = outcomes[TUNED]
    if not tuned.verdicts:
        raise UsageError(f"Of {len(test)} test samples none fits the model.", "Raise --longest.")
    missing = {}
    if untuned is not None:
        outcomes[UNTUNED] = untuned.outcome(test, most=most)
    elif attached.method.switchable:
        outcomes[UNTUNED] = _of_base(objective, attached, test, most)
    else:
        missing[UNTUNED] = f"{attached.method.title} changes the base's own weights: give a base of its own."
    judged = [test[place] for place in tuned.places] if tuned.places else list(test)
    for name, say in baselines_for(kind, train).items():
        outcomes[name] = say(train, judged, tuned)
    draws = _draws(tuned, seed)
    found = {name: _resampled(outcome, draws) for name, outcome in outcomes.items()}
    systems = {name: _scored(outcomes[name], found[name], seed) for name in outcomes}
    differences = {
        name: _difference(tuned, found[TUNED], outcomes[name], found[name], seed) for name in outcomes if name != TUNED
    }
    return Final(
        len(test),
        len(tuned.verdicts),
        objective.measure,
        objective.larger_is_better,
        systems,
        differences,
        missing,
        analyse_errors(tuned, worst),
    )


def analyse_errors(outcome: Outcome, worst: int = 10) -> Errors:
    """Return where a system is wrong; see `Errors`."""
    confusion = tuple((gold, said, count) for (gold, said), count in Counter(outcome.classes).most_common())
    classes = outcome.rows or _classes(outcome.classes)
    lost = [verdict for verdict in outcome.verdicts if not math.isnan(verdict.loss)]
    order = sorted(lost, key=lambda verdict: -verdict.loss)
    if not lost:
        order = sorted(
            (verdict for verdict in outcome.verdicts if not math.isnan(verdict.value)),
            key=lambda verdict: verdict.value,
        )
    return Errors(confusion, classes, tuple(order[:worst]))


def write_final(final: Final, folder: Path) -> None:
    """Write the report as `final.json` and as the page `final.md`.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = json.dumps(_plain(asdict(final)), ensure_ascii=False, indent=2)
    write_whole(folder / FILE, whole + "\n")
    write_whole(folder / PAGE, page(final))


def page(final: Final) -> str:
    """Return the report in Markdown."""
    parts = ["# Test split", f"{final.judged} of {final.samples} samples, scored once. {verdict_of(final)}"]
    names = list(dict.fromkeys(name for scores in final.systems.values() for name in scores))
    rows = [[name, *[_cell(scores.get(name)) for scores in final.systems.values()]] for name in names]
    parts += ["## Scores, with 95% intervals", _table(["", *final.systems], rows)]
    if final.differences:
        rows = [[name, *[_cell(one.scores.get(name), True) for one in final.differences.values()]] for name in names]
        heads = [f"less {name}" for name in final.differences]
        parts += ["## Tuned, less the others (paired)", _table(["", *heads], rows)]
    parts += [f"{name}: not scored. {reason}" for name, reason in final.missing.items()]
    errors = final.errors
    if errors.classes:
        rows = [
            [row.name, f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}", str(row.support)]
            for row in errors.classes[:_SHOWN]
        ]
        parts += ["## Classes", _table(["class", "precision", "recall", "F1", "support"], rows)]
    if errors.confusion:
        parts += ["## Confusion", _matrix(errors.confusion)]
    if errors.worst:
        rows = [[_bar(one.shown), _bar(one.gold), _bar(one.said), f"{one.loss:.3f}"] for one in errors.worst]
        parts += ["## Worst samples, by loss", _table(["sample", "right", "said", "loss"], rows)]
    return "\n\n".join(parts) + "\n"


def verdict_of(final: Final) -> str:
    """Return in a sentence whether the tuned model is better than the others, by the score that chose it."""
    said = []
    for name, difference in final.differences.items():
        score = difference.scores.get(final.measure)
        if score is None or math.isnan(score.mean):
            continue
        better = score.low > 0 if final.larger_is_better else score.high < 0
        worse = score.high < 0 if final.larger_is_better else score.low > 0
        word = "better than" if better else "worse than" if worse else "a tie with"
        said.append(f"{word} {name} ({_cell(score, True)})")
    return f"By {final.measure} the tuned model is {', '.join(said)}." if said else ""


def _of_base(objective: Judging, attached: Attached, test: Sequence[Any], most: int | None) -> Outcome:
    active = attached.names()[0]
    attached.switch(None)
    try:
        return objective.outcome(test, most=most)
    finally:
        attached.switch(active)


def _draws(outcome: Outcome, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the samples of each resample, (resamples, n): the same ones for every system."""
    count = len(outcome.table)
    resamples = min(_RESAMPLES[1], max(_RESAMPLES[0], _NUMBERS // max(outcome.table.size, 1)))
    return np.random.default_rng(seed).integers(0, count, (resamples, count))


def _resampled(outcome: Outcome, draws: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, list[float]]:
    """Return each score on each resample; NaN where it does not apply to one."""
    found: dict[str, list[float]] = {name: [] for name in outcome.scores}
    for draw in draws:
        scores = outcome.scores_of(outcome.table[draw])
        for name, values in found.items():
            values.append(scores.get(name, math.nan))
    return found


def _scored(outcome: Outcome, found: Mapping[str, Sequence[float]], seed: int) -> dict[str, Score]:
    values = [None if math.isnan(verdict.value) else verdict.value for verdict in outcome.verdicts]
    scores = {}
    for name, mean in outcome.scores.items():
        own = interval(values, seed=seed) if name == outcome.value else None
        # A proportion has Wilson's interval, which stays honest at 0 and 1; where it is of this mean.
        if own is not None and math.isclose(own.mean, mean, abs_tol=1e-9):
            scores[name] = own
        else:
            scores[name] = _bounded(mean, np.array(found[name]), len(outcome.table))
    return scores


def _difference(
    tuned: Outcome,
    ours: Mapping[str, Sequence[float]],
    other: Outcome,
    theirs: Mapping[str, Sequence[float]],
    seed: int,
) -> Difference:
    mine, others = tuned.scores, other.scores
    scores = {
        name: _bounded(mine[name] - others[name], np.array(ours[name]) - np.array(theirs[name]), len(tuned.table))
        for name in mine
        if name in others
    }
    both = [
        [None if math.isnan(verdict.value) else verdict.value for verdict in outcome.verdicts]
        for outcome in (tuned, other)
    ]
    return Difference(scores, tuned.value, paired(both[0], both[1], seed=seed))


def _bounded(mean: float, draws: np.ndarray[Any, np.dtype[np.float64]], n: int) -> Score:
    draws = draws[~np.isnan(draws)]
    low, high = percentiles(draws) if len(draws) else (math.nan, math.nan)
    return Score(float(mean), low, high, n)


def _classes(pairs: Sequence[tuple[str, str]]) -> tuple[ClassRow, ...]:
    names = sorted({name for pair in pairs for name in pair})
    if not names:
        return ()
    numbers = {name: number for number, name in enumerate(names)}
    gold, said = (np.array([numbers[pair[side]] for pair in pairs], dtype=np.int64) for side in (0, 1))
    rows = [
        ClassRow(names[number], row["precision"], row["recall"], row["f1"], int(row["support"]))
        for number, row in by_class(gold, said).items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.support, row.name)))


def _matrix(confusion: Sequence[tuple[str, str, int]]) -> str:
    """Return the confusion matrix, or the most frequent confusions where there are too many classes for one."""
    names = sorted({name for gold, said, _ in confusion for name in (gold, said)})
    if len(names) > _SHOWN:
        wrong = [(gold, said, str(count)) for gold, said, count in confusion if gold != said][:_SHOWN]
        return _table(["right", "said", "times"], [[_bar(gold), _bar(said), count] for gold, said, count in wrong])
    counts = {(gold, said): count for gold, said, count in confusion}
    rows = [[_bar(gold), *[str(counts.get((gold, said), 0)) for said in names]] for gold in names]
    return _table(["right ↓ said →", *map(_bar, names)], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(score: Score | None, signed: bool = False) -> str:
    if score is None:
        return "–"
    form = "+.3f" if signed else ".3f"
    return f"{score.mean:{form}} [{score.low:{form}}, {score.high:{form}}]"


def _bar(text: str) -> str:
    return text.replace("|", "\\|") or " "


def _plain(value: Any) -> Any:
    """Return a value with None for each number that is none: JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
