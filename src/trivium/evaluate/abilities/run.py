"""A run of the abilities in a folder: the record, the answers as they come, the figures and the charts.

    run.json          the reader with its models, and each session of work (`trivium.evaluate.record`)
    abilities.jsonl   one line for each answer, written as it comes
    abilities.json    the figures
    noise.svg, …      the curves

A run that was stopped goes on where it was when it is started again. Other files, more questions or other abilities
may be asked of the same reader in the same folder: what was answered is not asked again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from trivium.errors import StoreFull, UsageError
from trivium.evaluate.abilities import measure, planned
from trivium.evaluate.abilities.ask import Answers, Progress, ask
from trivium.evaluate.abilities.cases import read_all, sampled
from trivium.evaluate.abilities.passages import SEED, SHOWN
from trivium.evaluate.abilities.values import CaseSet, Measured, Reader
from trivium.evaluate.record import begin, end, holding
from trivium.index.durable import write_whole
from trivium.tasks.records import Problem

FIGURES = "abilities.json"
TITLES: Mapping[str, str] = {
    "noise": "Noise robustness",
    "rejection": "Negative rejection",
    "integration": "Information integration",
    "counterfactual": "Counterfactual robustness",
    "conflict": "Passages against memory",
    "position": "Position sensitivity",
}
"""Of `ABILITIES`."""


@dataclass(frozen=True, slots=True)
class AbilitiesReport:
    """What a run came to.

    Attributes:
        folder: where it is kept.
        figures: in the order of `ABILITIES`.
        questions: how many there are in the sets.
        asked: answers that the reader gave now; others were there from before, or asked for twice.
        failed: answers that could not be had, which no figure counts.
        seconds: of this session.
    """

    folder: Path
    figures: tuple[Measured, ...]
    questions: int
    asked: int
    failed: int
    seconds: float


def read_files(
    files: Iterable[str | os.PathLike[str]],
    *,
    only: Sequence[str] = (),
    problems: list[Problem] | None = None,
) -> list[CaseSet]:
    """Read the files (`read_all`), each with a name of its own, and see that something can be measured on them.

    Args:
        files: of RGB, NQ-Swap or ConFiQA, question sets with evidence, and question sets that give the truth.
        only: the abilities wanted; empty is all.
        problems: takes the records that cannot be read; without it they are an error.

    Raises:
        UsageError: a file holds nothing to measure; or nothing of what is wanted.
        UnknownName: a name that is not in `ABILITIES`.
    """
    sets = read_all(files, problems=problems)
    planned(sets, only or None)
    return _told_apart(sets)


def measured_in(
    folder: Path,
    sets: Sequence[CaseSet],
    reader: Reader,
    *,
    settings: Mapping[str, Any],
    only: Sequence[str] = (),
    limit: int | None = None,
    shown: int = SHOWN,
    seed: int = SEED,
    workers: int = 1,
    command: Sequence[str] = (),
    progress: Callable[[Progress], None] | None = None,
) -> AbilitiesReport:
    """Measure the abilities of a reader, and keep answers, figures and charts in a folder.

    Args:
        folder: of this reader's run; where it was begun before, it goes on.
        sets: what to ask (`read_files`).
        reader: who is asked; from several threads at once where `workers` is more than 1.
        settings: what an answer depends on beside question and passages: the reader, its models. Recorded; a folder
            holds answers of one reader.
        only: names of `ABILITIES`; empty is all that the sets are for.
        limit: the most questions of each set, a sample by `seed`.
        shown: passages shown for each question.
        seed: of their choice and order.
        workers: questions asked at once.
        command: how to repeat the run, for the record.
        progress: called after each answer, from this thread.

    Raises:
        UsageError: the folder holds a run with other settings.
        ModelError: the reader failed; what was answered is kept.
        StoreFull: the disk is full; what was answered is kept.
    """
    started = time.monotonic()
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} questions leaves none.", "Give 1 or more.")
    asked_of = [sampled(cases, limit, seed) for cases in sets]
    with holding(folder):
        record = begin(folder, {"kind": "abilities", **settings}, command)
        complete = False
        with Answers(folder) as answers:
            try:
                put = partial(ask, reader=reader, answers=answers, workers=workers, progress=progress)
                figures = measure(asked_of, put, abilities=only or None, shown=shown, seed=seed)
                complete = True
            finally:
                seconds = time.monotonic() - started
                end(folder, record, asked=answers.asked, seconds=seconds, complete=complete)
        questions = sum(len(cases.cases) for cases in asked_of)
        report = AbilitiesReport(folder, tuple(figures), questions, answers.asked, answers.failed, seconds)
        _write(report, {"passages": shown, "seed": seed, "limit": limit, "sets": [cases.name for cases in sets]})
    return report


def as_json(one: Measured) -> dict[str, object]:
    """Return a figure as JSON holds it; a mean over nothing is null."""
    score = one.score
    return {
        "ability": one.ability,
        "set": one.set,
        "language": one.language,
        "metric": one.metric,
        "at": one.at,
        "arm": one.arm,
        "mean": score.mean if score.n else None,
        "low": score.low if score.n else None,
        "high": score.high if score.n else None,
        "n": score.n,
    }


def _write(report: AbilitiesReport, how: Mapping[str, object]) -> None:
    from trivium.evaluate.abilities.plot import charts, standalone  # the report, whose charts it uses, reads FIGURES

    content = {**how, "questions": report.questions, "figures": [as_json(one) for one in report.figures]}
    try:
        write_whole(report.folder / FIGURES, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
        for name, svg in charts(report.figures).items():
            write_whole(report.folder / f"{name}.svg", standalone(svg, TITLES[name]))
    except OSError as error:
        raise StoreFull(
            f"{report.folder} cannot be written: {error.strerror or error}.", "Free some space, and run it again."
        ) from error


def _told_apart(sets: Sequence[CaseSet]) -> list[CaseSet]:
    """Return the sets with names that name one each: the second `dev` becomes `dev#2`."""
    found: list[CaseSet] = []
    for cases in sets:
        name, number = cases.name, 1
        while name in {one.name for one in found}:
            number += 1
            name = f"{cases.name}#{number}"
        found.append(CaseSet(name, cases.cases))
    return found
