"""The results of a run on disk: one line of JSON for each question, written as it comes and found again after a kill.

`results.jsonl` holds the question with its gold answer, what the system said with its passages and its trace, the
scores, and the failure point of a wrong answer. A question that could not be asked holds its `error` instead.
A line is written whole before the question counts as done; a torn last line (a kill in the middle of it) is cut off
when the file is opened again. Where a question has several lines (it failed, and was asked again), the last counts.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from trivium.codec import answer_of
from trivium.errors import UsageError
from trivium.evaluate.failure.kinds import Failure
from trivium.index.durable import sync_folder
from trivium.journal import Journal
from trivium.types import Answer, Example, Gold

RESULTS = "results.jsonl"
_ID = re.compile(rb'\{"example": \{"id": ("(?:[^"\\]|\\.)*")')
CURE = "Free some space or choose another folder, and run the command again: what was answered is kept."
_FLUSH_SECONDS = 1.0
"""How often what was written is forced to the disk. A kill loses nothing; a power cut loses this much at most."""


@dataclass(frozen=True, slots=True)
class Result:
    """One question of a run.

    Attributes:
        example: the question and what is known about its answer.
        answer: what the system said; None where it failed.
        error: why it failed, by the error's name and words; empty where it answered.
        scores: by the metric's name; None where a metric does not apply to the question.
        right: whether the answer counts as right; None where that cannot be said.
        failure: why a wrong answer is wrong.
        ranks: for each piece of gold evidence the place, from 1, of the first hit that holds it; 0 where none does.
        judge_failures: how many judgements could not be had.
        seconds: wall-clock time of the question, scoring included.
    """

    example: Example
    answer: Answer | None = None
    error: str = ""
    scores: Mapping[str, float | None] = field(default_factory=dict)
    right: bool | None = None
    failure: Failure | None = None
    ranks: tuple[int, ...] = ()
    judge_failures: int = 0
    seconds: float = 0.0


def dump_result(result: Result) -> str:
    """Return a result as one line of JSON, without its end of line."""
    text = json.dumps(_fields(result), ensure_ascii=False, default=plain)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085")


def load_result(line: str | bytes) -> Result:
    """Return the result that `dump_result` wrote.

    Raises:
        ValueError: the line is not one.
    """
    try:
        found = json.loads(line)
        failure = found["failure"]
        return Result(
            example=example_of(found["example"]),
            answer=answer_of(found["answer"]) if found["answer"] else None,
            error=found["error"],
            scores=found["scores"],
            right=found["right"],
            failure=Failure(**{**failure, "unknown": tuple(failure["unknown"])}) if failure else None,
            ranks=tuple(found["ranks"]),
            judge_failures=found["judge_failures"],
            seconds=found["seconds"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a result: {error!r}") from error


def example_of(found: Mapping[str, Any]) -> Example:
    """Return the example of a JSON object with its fields."""
    return Example(
        id=found["id"],
        question=found["question"],
        answers=tuple(found["answers"]),
        evidence=tuple(Gold(**gold) for gold in found["evidence"]),
        unanswerable=found["unanswerable"],
        parts=tuple(tuple(part) for part in found["parts"]),
        choices=tuple(found["choices"]),
        format=found["format"],
        tags=tuple(found["tags"]),
        language=found["language"],
        metadata=found["metadata"],
    )


def _fields(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    return {name: getattr(value, name) for name in _names(kind)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(one.name for one in dataclasses.fields(kind))


def plain(value: object) -> object:
    """Return what JSON can hold of a value inside a result; `dataclasses.asdict` would copy all of it first."""
    if dataclasses.is_dataclass(value):
        return _fields(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)


class Log:
    """The results file of one run, open for writing. A context manager; one process at a time.

    It keeps of each question where its last line stands, not what it says.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RESULTS
        self.unreadable = 0
        self._places: dict[str, tuple[int, int]] = {}
        self._superseded = 0
        self._journal = Journal(self.path, CURE)
        self._flushed = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._places)

    def recover(self) -> Iterator[Result]:
        """Yield the results that the file holds already, later lines of a question after its earlier ones.

        A torn last line is cut off; a line in the middle that cannot be read counts in `unreadable`, and its question
        as not asked.
        """
        at = 0
        with open(self.path, "rb") as file:
            for line in file:
                start, at = at, at + len(line)
                try:
                    result = load_result(line)
                except ValueError:
                    self.unreadable += 1
                    continue
                self._note(result.example.id, start, len(line))
                yield result

    def append(self, result: Result) -> None:
        """Write one result. After it returns, a kill does not lose it.

        Raises:
            StoreFull: the disk is full; what was written before is whole.
        """
        # An unpaired surrogate becomes the escape that JSON has for it.
        data = dump_result(result).encode("utf-8", "backslashreplace") + b"\n"
        start = self._journal.append(data, flush=False)
        self._note(result.example.id, start, len(data))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Force what was written to the disk."""
        self._journal.flush()
        self._flushed = time.monotonic()

    def in_order(self, ids: Iterable[str]) -> Iterator[Result]:
        """Yield the last result of each of these questions that was asked, one in memory at a time."""
        with open(self.path, "rb") as file:
            for key in ids:
                if key in self._places:
                    start, size = self._places[key]
                    file.seek(start)
                    yield load_result(file.read(size))

    def compact(self, ids: Iterable[str]) -> None:
        """Rewrite the file in the order of `ids`, without superseded lines. It is replaced whole or not at all."""
        order = [key for key in ids if key in self._places]
        starts = [self._places[key][0] for key in order]
        if not self._superseded and not self.unreadable and starts == sorted(starts):
            self.flush()
            return
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        try:
            with open(self.path, "rb") as old, open(temporary, "wb") as new:
                at, places = 0, {}
                for key in order:
                    start, size = self._places[key]
                    old.seek(start)
                    new.write(old.read(size))
                    places[key] = (at, size)
                    at += size
                new.flush()
                os.fsync(new.fileno())
            self._journal.close()
            os.replace(temporary, self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise self._journal.full(error) from error
        self._journal = Journal(self.path, CURE)
        self._places, self._superseded, self.unreadable = places, 0, 0

    def close(self) -> None:
        """Force what was written to the disk and close the file."""
        if not self._journal.closed:
            self.flush()
            self._journal.close()

    def _note(self, key: str, start: int, size: int) -> None:
        self._superseded += key in self._places
        self._places[key] = (start, size)


def read_results(folder: str | os.PathLike[str]) -> Iterator[Result]:
    """Yield the results of a run, in the order of its file, one in memory at a time.

    Raises:
        UsageError: there is no run in the folder.
    """
    path = _results_file(folder)
    last = set(_last_lines(path).values())
    with open(path, "rb") as file:
        for number, line in enumerate(file):
            if number in last:
                yield load_result(line)


def result_ids(folder: str | os.PathLike[str]) -> list[str]:
    """Return the ids of the questions that a run has a result of, in the order of its file.

    Raises:
        UsageError: there is no run in the folder.
    """
    last = _last_lines(_results_file(folder))
    return sorted(last, key=lambda key: last[key])


def _results_file(folder: str | os.PathLike[str]) -> Path:
    path = Path(folder) / RESULTS
    if not path.is_file():
        raise UsageError(f"There is no run at {folder}: it holds no {RESULTS}.", "Give the folder of an earlier run.")
    return path


def _last_lines(path: Path) -> dict[str, int]:
    """Return by id the number of the line that counts: the last whole one of the question."""
    last: dict[str, int] = {}
    with open(path, "rb") as file:
        for number, line in enumerate(file):
            if (key := _id(line)) is not None:
                last[key] = number
    return last


def _id(line: bytes) -> str | None:
    """Return the id of a whole line, without reading the rest of it; None where it is torn or no result."""
    found = _ID.match(line)
    if found is None or not line.endswith(b"}\n"):
        return None
    key: str = json.loads(found[1])
    return key
