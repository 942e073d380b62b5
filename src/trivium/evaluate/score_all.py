"""Score many stored answers on several cores, with no more than a few of them in memory.

A thread cannot do it: scoring is Python from end to end, and one interpreter runs on one core.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process

from trivium.errors import UsageError
from trivium.evaluate.score import score
from trivium.threads import Pool
from trivium.types import Answer, Example

Scores = dict[str, float | None]
Measure = Callable[[Example, Answer], Scores]


@contextmanager
def measuring(processes: int | None = None) -> Iterator[Measure]:
    """Yield what scores an answer in another process, by every metric that needs no model: to be called by threads.

    Args:
        processes: how many; None takes one for each core that this process may use. 1 starts none.
    """
    wanted = processes if processes is not None else cores()
    if wanted <= 1:
        yield score
        return
    # Spawned, not forked: the caller may have threads.
    pool = ProcessPoolExecutor(wanted, mp_context=get_context("spawn"), initializer=_begin)
    try:
        yield lambda example, answer: pool.submit(_scored, example, answer).result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def score_all(pairs: Iterable[tuple[Example, Answer]], *, processes: int | None = None) -> Iterator[Scores]:
    """Yield the scores of each example and answer, in their order: every metric that needs no model.

    Args:
        pairs: read as they are needed.
        processes: see `measuring`.

    Raises:
        UsageError: an example's format or grades cannot be read.
    """
    ahead = 2 * (processes if processes is not None else cores())
    with (
        measuring(processes) as measure,
        Pool(pairs, lambda pair: measure(*pair), ahead, in_order=True) as pool,
    ):
        yield from pool


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _scored(example: Example, answer: Answer) -> Scores:
    try:
        return score(example, answer)
    except UsageError as error:  # plain, so that it can be sent back: some of its kinds take other arguments
        raise UsageError(str(error)) from None
