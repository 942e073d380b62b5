"""Threads that work through a sequence, a few items ahead of whoever takes the results."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_NAP = 0.5
"""Seconds between two looks around, so that an interrupt is heard on every system."""


class _Nothing:
    pass


class _Ended:
    """A thread has ended, by an error or without."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


_NOTHING = _Nothing()


class Pool(Generic[T, R]):
    """Calls `work` on each of `items` in `workers` threads; iterate over it for the results as they come.

    At most as many results wait to be taken as there are workers, however long `items` is. `work` must not raise
    `Exception`; what it raises all the same ends the iteration with that error.
    """

    def __init__(self, items: Iterable[T], work: Callable[[T], R], workers: int) -> None:
        self._items = iter(items)
        self._work = work
        self._taking = threading.Lock()
        self._done: queue.Queue[R | _Ended] = queue.Queue(maxsize=workers)
        self._working = workers
        self._stopped = threading.Event()
        # Threads of a daemon kind: an endpoint that hangs must not keep the program from ending.
        self._threads = [threading.Thread(target=self._run, daemon=True, name=f"question-{n}") for n in range(workers)]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[R]:
        return self._results(None)

    def stop(self) -> None:
        """Take no further item."""
        self._stopped.set()

    def drain(self, seconds: float) -> Iterator[R]:
        """Stop, and yield what is still under way, for at most so many seconds."""
        self.stop()
        return self._results(time.monotonic() + seconds)

    def _results(self, until: float | None) -> Iterator[R]:
        while self._working and (until is None or time.monotonic() < until):
            try:
                found = self._done.get(timeout=_NAP)
            except queue.Empty:
                continue
            if isinstance(found, _Ended):
                self._working -= 1
                if found.error is not None:
                    raise found.error
            else:
                yield found

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            while not self._stopped.is_set():
                with self._taking:
                    item = next(self._items, _NOTHING)
                if isinstance(item, _Nothing):
                    break
                self._done.put(self._work(item))
        except BaseException as raised:
            self._stopped.set()
            error = raised
        self._done.put(_Ended(error))
