"""Threads that work through a sequence, a few items ahead of whoever takes the results: `Pool(items, work, workers)`.

The items are drawn by the thread that takes the results, when there is room for one more: an iterator that looks at
what came of the earlier items needs no lock.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
GRACE = 10.0
"""Seconds that are given to what is under way when the work is interrupted."""
_NAP = 0.5
"""Seconds between two looks around, so that an interrupt is heard on every system."""


@dataclass(frozen=True, slots=True)
class _Outcome(Generic[R]):
    """What came of one item: results in the order in which they came, none for an item that was left."""

    place: int
    results: tuple[R, ...] = ()
    error: BaseException | None = None


class Pool(Generic[T, R]):
    """Calls `work` on each of `items` in threads; iterate over it for the results. Use it in a `with` block.

    The end of the block waits for what is under way, after an error or an interrupt for a moment only, and after
    `drain` not at all.

    Args:
        items: drawn as there is room: no more than twice as many as workers are under way or wait to be taken, and in
            order no more than workers.
        work: what it raises ends the iteration with that error.
        workers: threads.
        in_order: give the results in the order of the items, and not as they come.
    """

    def __init__(self, items: Iterable[T], work: Callable[[T], R], workers: int, *, in_order: bool = False) -> None:
        self._items = iter(items)
        self._work = work
        self._in_order = in_order
        self._most = workers if in_order else 2 * workers
        self._drawn = self._taken = 0
        self._early: dict[int, _Outcome[R]] = {}
        self._given: queue.SimpleQueue[tuple[int, T] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[_Outcome[R]] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._drained = False
        # Threads of a daemon kind: an endpoint that hangs must not keep the program from ending.
        self._threads = [threading.Thread(target=self._run, daemon=True, name=f"trivium-{n}") for n in range(workers)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Pool[T, R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._drained:
            return
        until = None if kind is None else time.monotonic() + GRACE
        for thread in self._threads:
            while thread.is_alive() and (until is None or time.monotonic() < until):
                thread.join(_NAP)

    def __iter__(self) -> Iterator[R]:
        return self._results(None)

    def stop(self) -> None:
        """Begin no further item."""
        self._stopped.set()
        while True:
            try:
                task = self._given.get_nowait()
            except queue.Empty:
                break
            if task is not None:
                self._done.put(_Outcome(task[0]))
        for _ in self._threads:
            self._given.put(None)

    def drain(self, seconds: float = GRACE) -> Iterator[R]:
        """Stop, and yield what is still under way, for at most so many seconds."""
        self.stop()
        self._drained = True
        return self._results(time.monotonic() + seconds)

    def _results(self, until: float | None) -> Iterator[R]:
        while True:
            self._draw()
            if self._taken == self._drawn:
                return
            outcome = self._next(until)
            if outcome is None:
                return
            self._taken += 1
            if outcome.error is not None:
                self.stop()
                raise outcome.error
            yield from outcome.results

    def _draw(self) -> None:
        """Give the threads as many items as there is room for."""
        while not self._stopped.is_set() and self._drawn - self._taken < self._most:
            try:
                item = next(self._items)
            except StopIteration:
                self._most = 0
                for _ in self._threads:
                    self._given.put(None)
                return
            self._given.put((self._drawn, item))
            self._drawn += 1

    def _next(self, until: float | None) -> _Outcome[R] | None:
        """Return the next outcome, waiting for it; None where the time is over."""
        while self._taken not in self._early:
            if until is not None and time.monotonic() >= until:
                return None
            try:
                outcome = self._done.get(timeout=_NAP)
            except queue.Empty:
                continue
            if not self._in_order:
                return outcome
            self._early[outcome.place] = outcome
        return self._early.pop(self._taken)

    def _run(self) -> None:
        while (task := self._given.get()) is not None:
            place, item = task
            if self._stopped.is_set():
                self._done.put(_Outcome(place))
                continue
            try:
                self._done.put(_Outcome(place, (self._work(item),)))
            except BaseException as error:
                self._done.put(_Outcome(place, error=error))
