"""What `add` reports, at the end and on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that was not added, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class AddReport:
    """What `add` did. `chunks` are those written now; `seconds` is wall-clock time."""

    added: int
    updated: int
    unchanged: int
    failed: tuple[Failure, ...]
    chunks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far `add` is: files finished (added, unchanged or failed) of all, and chunks committed."""

    files_done: int
    files_total: int
    chunks: int
    failed: int
    current: str


class Tally:
    """Counts what happens, for the report and the progress."""

    def __init__(self, progress: Callable[[Progress], None] | None) -> None:
        self._progress = progress
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self.total = 0
        self.added = self.updated = self.unchanged = self.chunks = 0
        self.failures: list[Failure] = []

    def fail(self, source: str, reason: str) -> None:
        with self._lock:
            self.failures.append(Failure(source, reason))
        self.tell(source)

    def same(self, source: str) -> None:
        with self._lock:
            self.unchanged += 1
        self.tell(source)

    def wrote(self, source: str, chunks: int, *, new: bool) -> None:
        with self._lock:
            self.added += new
            self.updated += not new
            self.chunks += chunks
        self.tell(source)

    def tell(self, current: str) -> None:
        if self._progress is not None:
            done = self.added + self.updated + self.unchanged + len(self.failures)
            self._progress(Progress(done, max(self.total, done), self.chunks, len(self.failures), current))

    def report(self) -> AddReport:
        seconds = time.monotonic() - self._started
        failed = tuple(sorted(self.failures, key=lambda failure: failure.source))
        return AddReport(self.added, self.updated, self.unchanged, failed, self.chunks, round(seconds, 3))
