"""Put trials to a reader, write each answer down as it comes, and never ask the same twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from trivium.errors import ContextOverflow
from trivium.evaluate.abilities.values import CaseSet, Reader, Said, Trial
from trivium.evaluate.results import CURE
from trivium.journal import Journal
from trivium.text.markers import without_markers
from trivium.threads import Pool
from trivium.types import Answer

FILE = "abilities.jsonl"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: `done` of its `total` trials, of which `failed` could not be answered."""

    stage: str
    done: int
    total: int
    failed: int = 0


class Answers:
    """Answers by what was asked, in a file of one JSON object a line. A context manager; one process at a time.

    A torn last line (a kill in the middle of it) is cut off when the file is opened again.

    Args:
        folder: where the file is. It holds the answers of one reader (`trivium.evaluate.record` sees to that).

    Attributes:
        said: by the key of the trial.
        asked: trials that were asked now, and not found.
        failed: of all trials so far, those that could not be answered.

    Raises:
        StoreFull: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.asked = 0
        self.failed = 0
        self._journal = Journal(self.path, CURE)
        self.said = _read(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._journal.close()

    def get(self, trial: Trial) -> Said | None:
        """Return what was said before, if it was asked before."""
        return self.said.get(key(trial))

    def put(self, trial: Trial, said: Said, answer: Answer | None) -> None:
        """Keep what was said; it is on the disk when this returns.

        Raises:
            StoreFull: the disk is full; what was written before is whole.
        """
        line = {
            "key": key(trial),
            "question": trial.question,
            "passages": list(trial.passages),
            "text": said.text,
            "refused": said.refused,
            "error": said.error,
            "seconds": round(answer.seconds.total, 4) if answer else 0.0,
        }
        self._journal.append(json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
        self.said[key(trial)] = said
        self.asked += 1


def key(trial: Trial) -> str:
    """Return the digest of a trial's question and passages in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (trial.question, *trial.passages):
        digest.update(part.encode("utf-8", "surrogatepass"))
        digest.update(b"\x00")
    return digest.hexdigest()


def ask(
    trials: Sequence[Trial],
    *,
    reader: Reader,
    answers: Answers,
    workers: int = 1,
    progress: Callable[[Progress], None] | None = None,
) -> list[Said]:
    """Return an answer to each trial, in order; only what is not among `answers` yet is asked, and once.

    A question that is too long for the model gives an answer with an `error`. Any other failure ends it: what was
    said before stays written, and a second call goes on from there.

    Raises:
        ModelError: the model failed.
        StoreFull: the answers could not be written.
        KeyboardInterrupt: Ctrl-C; what was said, and what was under way for a moment, is kept.
    """
    new = {key(trial): trial for trial in trials if answers.get(trial) is None}
    stage = trials[0].stage if trials else ""
    done, failed = len(trials) - len(new), 0

    def one(trial: Trial) -> tuple[Trial, Said, Answer | None]:
        try:
            answer = reader(trial.question, trial.passages)
        except ContextOverflow as error:
            return trial, Said("", error=str(error)), None
        return trial, Said(without_markers(answer.text), answer.refused), answer

    with Pool(new.values(), one, min(max(workers, 1), max(len(new), 1))) as pool:
        try:
            for trial, said, answer in pool:
                answers.put(trial, said, answer)
                done, failed = done + 1, failed + bool(said.error)
                if progress is not None:
                    progress(Progress(stage, done, len(trials), failed))
        except KeyboardInterrupt:
            for trial, said, answer in pool.drain():
                answers.put(trial, said, answer)
            raise
    found = [answers.said[key(trial)] for trial in trials]
    answers.failed += sum(bool(said.error) for said in found)
    return found


def trials_of(cases: CaseSet, passages: Iterable[tuple[str, ...]], stage: str) -> list[Trial]:
    """Return a trial for each case with its passages."""
    return [
        Trial(case.question, shown, f"{cases.name}: {stage}") for case, shown in zip(cases.cases, passages, strict=True)
    ]


def _read(path: Path) -> dict[str, Said]:
    """Return the answers of a file; a line that is no answer is passed over."""
    said: dict[str, Said] = {}
    with path.open("rb") as file:
        for line in file:
            try:
                found = json.loads(line)
                said[found["key"]] = Said(found["text"], found["refused"], found["error"])
            except (ValueError, KeyError, TypeError):
                continue
    return said
