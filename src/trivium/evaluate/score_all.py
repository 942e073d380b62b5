"""Score many stored answers on several cores, in order, with no more than a few hundred in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context

from trivium.errors import UsageError
from trivium.evaluate.score import score
from trivium.types import Answer, Example

_BLOCK = 64
"""Answers that a process scores at a time."""
Scores = dict[str, float | None]


def score_all(pairs: Iterable[tuple[Example, Answer]], *, processes: int | None = None) -> Iterator[Scores]:
    """Yield the scores of each example and answer, in their order: every metric that needs no model.

    Args:
        pairs: read as they are needed.
        processes: how many work at once; None takes the cores that this process may use. 1 starts no other process.

    Raises:
        UsageError: an example's format or grades cannot be read.
    """
    wanted = processes if processes is not None else _cores()
    if wanted <= 1:
        for example, answer in pairs:
            yield score(example, answer)
        return
    rest = iter(pairs)
    # Spawned, not forked: the caller may have threads.
    with ProcessPoolExecutor(wanted, mp_context=get_context("spawn")) as pool:
        running: deque[Future[list[Scores]]] = deque()
        try:
            while True:
                while len(running) < 2 * wanted and (block := list(islice(rest, _BLOCK))):
                    running.append(pool.submit(_scored, block))
                if not running:
                    return
                yield from running.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _scored(block: list[tuple[Example, Answer]]) -> list[Scores]:
    try:
        return [score(example, answer) for example, answer in block]
    except UsageError as error:  # plain, so that it can be sent back: some of its kinds take other arguments
        raise UsageError(str(error)) from None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
