"""A small search over settings: each combination is a run of its own, and the validation score alone chooses.

The folder of a search reads as a run: the winner's adapter, history, curve, report and card lie in it, the trials below
`trials/`. The test part is scored once, for the winner. What was finished when a search was cut is not done again.
"""

from __future__ import annotations

import gc
import json
import math
import random
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from trivium.errors import TrainingFailed, UnknownName, UsageError
from trivium.evaluate import record as records
from trivium.extras import need
from trivium.index.durable import read_json, write_whole
from trivium.tune.methods import METHODS
from trivium.tune.processes import count
from trivium.tune.run import ADAPTER, CURVE, HISTORY, REPORT, Before, Plan, digest, look, score_test, taken_up, tune

TRIALS = "trials"
TRAINING = ("epochs", "steps", "batch", "accumulate", "rate", "schedule", "warmup", "layer_decay", "decay", "clip")
"""The settings of the training that can be searched, beside all of the method's own; see `loop.Settings`."""

_STATE = "trials.json"

Space = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination: its number in the grid (from 1), what it sets, and the plan with it."""

    number: int
    settings: Mapping[str, Any]
    plan: Plan

    @property
    def name(self) -> str:
        """The name of its folder."""
        words = [re.sub(r"[^\w.+-]", "_", f"{key}{value}") for key, value in self.settings.items()]
        return "-".join([f"{self.number:02}", *words])


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a trial: its best validation score and the step of it, or the problem that ended it."""

    name: str
    settings: Mapping[str, Any]
    score: float | None = None
    step: int = 0
    parameters: int = 0
    seconds: float = 0.0
    problem: str = ""


def trials_of(plan: Plan, space: Space, *, most: int = 0) -> list[Trial]:
    """Return the trials of a search: the whole grid, or `most` of it, drawn by the seed of the training.

    Args:
        plan: what all trials share.
        space: the values that are tried, by a setting of the method or of the training; where both have one of a
            name, it is the method's.
        most: trials at most; 0 for the grid.

    Raises:
        UnknownName, UsageError: a setting cannot be searched, or has no such value.
    """
    if not space:
        raise UsageError("There is nothing to search.", "Name a setting with its values: --search rank=4,8,16.")
    if plan.method not in METHODS:
        raise UnknownName("method", plan.method, METHODS)
    if "epochs" in space and (plan.training.get("steps") or "steps" in space):
        raise UsageError("Steps are given, so that epochs change nothing.", "Search one of the two.")
    places: Sequence[int] = range(math.prod(map(len, space.values())))
    if 0 < most < len(places):
        places = sorted(random.Random(int(plan.training.get("seed", 0))).sample(places, most))
    return [_trial(plan, space, place) for place in places]


def search(
    plan: Plan,
    space: Space,
    folder: Path,
    *,
    most: int = 0,
    resume: bool = False,
    before: Callable[[Before], None] | None = None,
    on_trial: Callable[[Trial, int, int], None] | None = None,
    on_progress: Callable[[Any], None] | None = None,
    stop: Callable[[], bool] | None = None,
    command: Sequence[str] = (),
) -> Mapping[str, Any]:
    """Carry out all trials, and return the winner's report with a row for each under `search`.

    Args:
        plan: what all trials share.
        space: see `trials_of`.
        folder: of the search; one that holds the same search is gone on with where `resume` is set.
        most: trials at most, drawn at random; 0 for the grid.
        resume: go on with the trial that the search was in.
        before: told what is known before the first trial.
        on_trial: told a trial that begins, which one it is (from 1), and of how many.
        on_progress: told after each step; see `loop.Progress`.
        stop: asked after each step.
        command: for the record.

    Raises:
        UsageError: a plan cannot be carried out, or there is no validation part to choose by.
        TrainingFailed: every trial failed.
        StoreFull: see `loop.train`.
    """
    need("torch", extra="tune")
    if count() > 1:
        raise UsageError("A search runs in one process.", "Search first, then launch a run with the settings it found.")
    trials = trials_of(plan, space, most=most)
    grid = {key: list(values) for key, values in space.items()}
    settings = {"plan": asdict(plan), "data": digest(plan), "search": {"space": grid, "trials": most}}
    with records.holding(folder):
        record = taken_up(folder, settings, command, resume)
        if record is not None and record.complete:
            return read_json(folder / REPORT)
        if record is None:
            known = look(trials[0].plan)  # a plan that cannot be carried out begins no search
            if not known.sizes["validation"]:
                raise UsageError("There is no validation part to choose by.", "Give more data, or --validation.")
            if before is not None:
                before(known)
            record = records.begin(folder, settings, command)
        rows = _tried(trials, folder, on_trial, on_progress, stop, command)
        if len(rows) == len(trials):
            report = _won(trials, rows, folder)
        else:
            report = {"run": str(folder), "stopped": "asked", "search": {"trials": [asdict(row) for row in rows]}}
        seconds = sum(row.seconds for row in rows)
        records.end(folder, record, asked=len(rows), seconds=seconds, complete=report["stopped"] != "asked")
        return report


def default_folder(plan: Plan, space: Space, most: int) -> Path:
    """Return the folder of a search that was not named: below `runs/`, by its data, method and settings."""
    name = records.settings_name({"plan": asdict(plan), "space": space, "most": most})
    return Path("runs") / f"search-{Path(plan.data).stem}-{plan.method}-{name}"


def _trial(plan: Plan, space: Space, place: int) -> Trial:
    """Return the trial at a place of the grid: its number written in the base of the values, the last ones fastest."""
    settings: dict[str, Any] = {}
    rest = place
    for key, values in reversed(list(space.items())):
        rest, digit = divmod(rest, len(values))
        settings[key] = values[digit]
    settings = {key: settings[key] for key in space}
    for key, value in settings.items():
        plan = _with(plan, key, value)
    return Trial(place + 1, settings, plan)


def _with(plan: Plan, key: str, value: Any) -> Plan:
    """Return the plan with a setting."""
    own = METHODS[plan.method].defaults
    if key in own:
        return replace(plan, settings={**plan.settings, key: value})
    if key not in TRAINING:
        raise UnknownName("setting to search", key, [*own, *TRAINING])
    if key == "schedule":
        if value not in ("linear", "cosine", "constant"):
            raise UnknownName("schedule", str(value), ("linear", "cosine", "constant"))
    elif isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise UsageError(f"{key}={value} is no number of at least 0.", f"For example: --search {key}=1,2")
    return replace(plan, training={**plan.training, key: value})


def _tried(
    trials: Sequence[Trial],
    folder: Path,
    on_trial: Callable[[Trial, int, int], None] | None,
    on_progress: Callable[[Any], None] | None,
    stop: Callable[[], bool] | None,
    command: Sequence[str],
) -> list[Row]:
    """Carry out the trials that are not done, and return the rows of those that are: not all where it was stopped."""
    done = {name: Row(**row) for name, row in read_json(folder / _STATE).items()}
    for at, trial in enumerate(trials, 1):
        if trial.name in done:
            continue
        if on_trial is not None:
            on_trial(trial, at, len(trials))
        place = folder / TRIALS / trial.name
        try:
            report = tune(
                trial.plan, place, resume=True, score=False, on_progress=on_progress, stop=stop, command=command
            )
        except TrainingFailed as error:  # a rate that diverges says no more than that it is too high
            done[trial.name] = Row(trial.name, trial.settings, problem=error.problem)
        else:
            if report["stopped"] == "asked":
                break
            best = report["best"]
            done[trial.name] = Row(
                trial.name, trial.settings, best["score"], best["step"], report["parameters"], report["seconds"]
            )
        write_whole(folder / _STATE, json.dumps({name: asdict(row) for name, row in done.items()}, indent=1) + "\n")
        shutil.rmtree(place / "checkpoints", ignore_errors=True)
        gc.collect()  # of a model and its trainer, which point at each other
    return [done[trial.name] for trial in trials if trial.name in done]


def _won(trials: Sequence[Trial], rows: Sequence[Row], folder: Path) -> dict[str, Any]:
    """Choose by validation, score the test part for the winner alone, and make the folder the winner's run."""
    reports = {row.name: read_json(folder / TRIALS / row.name / REPORT) for row in rows if not row.problem}
    scored = [row for row in rows if row.score is not None and not math.isnan(row.score)]
    if not scored:
        raise TrainingFailed(
            f"None of {len(rows)} trials came to an end: {rows[0].problem or 'no score is a number'}",
            "Search lower rates, and begin the search anew with another --out.",
        )
    best = reports[scored[0].name]["best"]
    sign = 1.0 if best["larger_is_better"] else -1.0
    winner = max(scored, key=lambda row: sign * (row.score or 0.0))  # of equals the first
    plan = next(trial.plan for trial in trials if trial.name == winner.name)
    place = folder / TRIALS / winner.name
    shutil.copytree(place / ADAPTER, folder / ADAPTER, dirs_exist_ok=True)
    for name in (HISTORY, CURVE):
        if (place / name).exists():
            shutil.copy(place / name, folder / name)
    report = {
        **reports[winner.name],
        "run": str(folder),
        "search": {
            "measure": best["measure"],
            "larger_is_better": best["larger_is_better"],
            "winner": winner.name,
            "trials": [asdict(row) for row in rows],
        },
        **score_test(plan, place, folder),
    }
    write_whole(folder / REPORT, json.dumps(report, indent=1) + "\n")
    _write_card(plan, report, folder)
    return report


def _write_card(plan: Plan, report: Mapping[str, Any], folder: Path) -> None:
    """Write the card of the winner: the record of the search, with the winner's plan."""
    from trivium.tune.export.card import CARD, card_text

    record = read_json(folder / records.RECORD)
    said = {**record, "settings": {**record["settings"], "plan": asdict(plan)}}
    adapter = read_json(folder / ADAPTER / "adapter.json")
    write_whole(folder / ADAPTER / CARD, card_text(said, report, adapter, name=folder.name))
