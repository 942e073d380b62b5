"""Ask a system every question of a set, score what it says, and keep all of it: `evaluate(examples, system, folder)`.

A run is a folder:

    run.json        what was asked of what, with which settings (`record.py`)
    results.jsonl   one line for each question (`results.py`), written as it comes
    report.html     the report (`report/`), plots/*.png beside it

A run that was stopped, killed or left by its endpoint goes on where it was when it is started again with the same
settings: what was answered is not asked again, what failed is.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trivium.errors import TriviumError, UsageError
from trivium.evaluate.record import Record, begin, digest, end, holding, read
from trivium.evaluate.results import Log, Result, read_results, result_ids
from trivium.evaluate.scoring import Scored, Scorer
from trivium.evaluate.summary import Failed, Report, Tally, failure_points, figures
from trivium.threads import Pool
from trivium.types import Answer, Example

WORKERS = 4
MOST_ERRORS_IN_A_ROW = 50
"""So many failures one after another mean that the system is gone: the run is given up, to be resumed later."""


@dataclass(frozen=True, slots=True)
class ByExample:
    """A system that must know more of a question than its words: its id, its choices, its expected form."""

    answer: Callable[[Example], Answer]


System = Callable[[str], Answer] | ByExample


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is: questions done of all, those of them that failed, and the share of right answers so far."""

    done: int
    total: int
    errors: int
    right: float | None
    asked_now: int


def evaluate(
    examples: Sequence[Example],
    system: System,
    folder: Path,
    *,
    scorer: Scorer | None = None,
    settings: Mapping[str, Any] | None = None,
    command: Sequence[str] = (),
    notes: Mapping[str, Any] | None = None,
    workers: int = WORKERS,
    seed: int = 0,
    progress: Callable[[RunProgress], None] | None = None,
) -> Report:
    """Ask each question once, score the answers, and return what came of it.

    Args:
        examples: the questions. Repeated ids are told apart as `id`, `id#2`, ….
        system: answers a question; called from several threads at once.
        folder: where the run is kept. Where it was begun before with the same settings, it goes on.
        scorer: says what each answer is worth; None is every metric that needs no model.
        settings: what else can change a figure (the system's models, the knowledge base's version); recorded.
        command: how to repeat the run, for the record.
        notes: what else is worth recording, such as questions whose evidence is not stored.
        workers: questions asked at once.
        seed: of the intervals.
        progress: called after each question, from this thread.

    Raises:
        UsageError: there is no question, or the folder holds a run with other settings.
        StoreFull: the disk is full; what was answered is kept.
        KeyboardInterrupt: Ctrl-C; what was answered, and what was under way for a moment, is kept.
    """
    if not examples:
        raise UsageError("There are no questions to ask.", "Give a question set with at least one question.")
    if workers < 1:
        raise UsageError(f"{workers} workers cannot ask anything.", "Give at least 1.")
    if scorer is None:
        from trivium.evaluate.scoring import scorer_of

        scorer = scorer_of()
    started = time.monotonic()
    examples = distinct(examples)
    with holding(folder):
        record = begin(folder, whole_settings(examples, settings or {}, seed), command, notes)
        with Log(folder) as log:
            tally = Tally([example.id for example in examples])
            for result in log.recover():
                tally.add(result)
            before = tally.answered
            session = _Session(log, tally, progress, len(examples))
            try:
                stopped = session.work(examples, _asker(system, scorer), workers)
            finally:
                asked, whole = session.asked, tally.answered == len(examples)
                end(folder, record, asked=asked, seconds=time.monotonic() - started, complete=whole)
            log.compact(tally.ids)
            report = _report(folder, record, tally, log.in_order(tally.ids), len(examples))
    return replace(report, answered_before=before, stopped=stopped, seconds=time.monotonic() - started)


def whole_settings(examples: Sequence[Example], settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return everything that can change a figure: the given settings, the questions by content, the seed."""
    questions = settings.get("questions", {})
    asked = {"n": len(examples), "sha256": digest(distinct(examples))}
    return {**settings, "questions": {**questions, **asked}, "seed": seed}


def report_of(folder: Path) -> Report:
    """Return what a run came to, from its folder alone; `seconds` are those of all its sessions.

    Raises:
        UsageError: there is no run in the folder.
    """
    record = read(folder)
    tally = Tally(result_ids(folder))
    for result in read_results(folder):
        tally.add(result)
    questions = int(record.settings.get("questions", {}).get("n", len(tally.ids)))
    return _report(folder, record, tally, read_results(folder), questions)


def _report(folder: Path, record: Record, tally: Tally, results: Iterator[Result], questions: int) -> Report:
    return Report(
        folder=folder,
        questions=questions,
        asked=tally.answered,
        metrics=figures(tally, seed=int(record.settings.get("seed", 0))),
        points=failure_points(results, tally.answered),
        judge_failures=sum(tally.judge_failures.values()),
        seconds=sum(float(session.get("seconds") or 0) for session in record.sessions),
        errors=tuple(Failed(tally.ids[place], tally.errors[place]) for place in sorted(tally.errors)),
        record=record,
        tally=tally,
    )


def distinct(examples: Sequence[Example]) -> Sequence[Example]:
    """Return the examples with ids that name one each: the second `a` becomes `a#2`."""
    if len({example.id for example in examples}) == len(examples):
        return examples
    taken: set[str] = set()
    times: Counter[str] = Counter()
    found = []
    for example in examples:
        key = example.id
        while key in taken:
            times[example.id] += 1
            key = f"{example.id}#{times[example.id] + 1}"
        taken.add(key)
        found.append(example if key == example.id else replace(example, id=key))
    return found


class _Session:
    """One session of work on a run: asks what is not answered yet, and writes what comes."""

    def __init__(self, log: Log, tally: Tally, progress: Callable[[RunProgress], None] | None, total: int) -> None:
        self.asked = 0
        self._log, self._tally, self._progress, self._total = log, tally, progress, total
        self._done = tally.answered
        self._errors = self._in_a_row = 0
        self._taken: Result | None = None

    def work(self, examples: Sequence[Example], ask: Callable[[Example], Result], workers: int) -> str:
        """Ask; return why the run was given up, or nothing."""
        self._tell()
        todo = (example for example in examples if not self._tally.has(example.id))
        # Decided before the first answer is counted: the generator looks again at each question when it comes to it.
        with Pool(todo, ask, min(workers, max(1, self._total - self._done))) as pool:
            try:
                for result in pool:
                    self._keep(result)
                    if self._in_a_row >= MOST_ERRORS_IN_A_ROW:
                        for late in pool.drain():
                            self._keep(late)
                        return f"{self._in_a_row} questions failed in a row, the last by {result.error}"
            except KeyboardInterrupt:
                if self._taken is not None:  # the interrupt fell between taking a result and writing it
                    self._keep(self._taken)
                for late in pool.drain():
                    self._keep(late)
                raise
        return ""

    def _keep(self, result: Result) -> None:
        self._taken = result
        self._log.append(result)
        self._taken = None
        self._tally.add(result)
        self.asked += 1
        self._done += 1
        failed = result.answer is None
        self._errors += failed
        self._in_a_row = self._in_a_row + 1 if failed else 0
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(RunProgress(self._done, self._total, self._errors, self._tally.running, self.asked))


def _asker(system: System, scorer: Scorer) -> Callable[[Example], Result]:
    """Return what asks one question and scores the answer; a failure becomes a result that names it."""

    def ask(example: Example) -> Result:
        begun = time.monotonic()
        try:
            answer = system.answer(example) if isinstance(system, ByExample) else system(example.question)
        except Exception as error:
            return Result(example, error=_reason(error), seconds=_since(begun))
        try:
            scored: Scored = scorer(example, answer)
        except Exception as error:
            return Result(example, error=f"scoring: {_reason(error)}", seconds=_since(begun))
        return Result(
            example,
            answer,
            scores=scored.scores,
            right=scored.right,
            failure=scored.failure,
            ranks=scored.ranks,
            judge_failures=scored.judge_failures,
            seconds=_since(begun),
        )

    return ask


def _reason(error: Exception) -> str:
    """Return an error's kind and words in one line."""
    words = error.problem if isinstance(error, TriviumError) else str(error)
    return f"{type(error).__name__}: {' '.join(words.split())[:500]}"


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 4)
