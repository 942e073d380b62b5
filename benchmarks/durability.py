"""What it costs that a document is on the disk, not in the system's memory, before it is reported done.

The store engine calls no fsync; Trivium flushes what each commit wrote. The same additions run with fsync as it is
and with fsync replaced by nothing, in turns: one document a commit, the worst case, and many in one call, the usual
one. The embedder is the fake one, so that the cost is not hidden behind the model.

    python benchmarks/durability.py
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data import corpus
from peers import CACHE
from results import busy, save, table

DIMENSION = 384


class _Counter:
    """Counts the calls of fsync and the seconds spent in them."""

    def __init__(self, *, real: bool) -> None:
        self._fsync = os.fsync
        self._real = real
        self.calls = 0
        self.seconds = 0.0

    def __call__(self, descriptor: int) -> None:
        start = time.perf_counter()
        if self._real:
            self._fsync(descriptor)
        self.seconds += time.perf_counter() - start
        self.calls += 1


@contextmanager
def flushing(real: bool) -> Iterator[_Counter]:
    """Count this process's calls of fsync; without `real` they do nothing."""
    counter, kept = _Counter(real=real), os.fsync
    os.fsync = counter  # type: ignore[assignment]
    try:
        yield counter
    finally:
        os.fsync = kept


def _documents(first: int, number: int) -> list[Any]:
    from trivium.types import Document

    passages = corpus("squad")
    return [
        Document(source=f"{n:05d}", text=f"{n}\n{passages[n % len(passages)].text}")
        for n in range(first, first + number)
    ]


def _open(name: str) -> Any:
    import trivium
    from trivium.models.fake import FakeEmbedder

    folder: Path = CACHE / "durability" / name
    shutil.rmtree(folder, ignore_errors=True)
    return trivium.open(folder, embedder=FakeEmbedder(DIMENSION))


def single(commits: int) -> dict[str, Any]:
    """Add one document at a time, with and without fsync in turns; return the seconds of each addition."""
    bases = {True: _open("single-on"), False: _open("single-off")}
    seconds: dict[bool, list[float]] = {True: [], False: []}
    calls = inside = 0.0
    for n in range(commits):
        for real, base in bases.items():
            with flushing(real) as counter:
                start = time.perf_counter()
                base.add(_documents(n, 1))
                seconds[real].append(time.perf_counter() - start)
            if real:
                calls, inside = calls + counter.calls, inside + counter.seconds
    return {
        "on": seconds[True],
        "off": seconds[False],
        "calls_per_commit": calls / commits,
        "seconds_inside": inside / commits,
    }


def bulk(documents: int, rounds: int) -> dict[str, Any]:
    """Add many documents in one call to a new knowledge base, with and without fsync in turns."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    calls = 0
    for _ in range(rounds):
        for real in (True, False):
            base = _open(f"bulk-{real}")
            with flushing(real) as counter:
                start = time.perf_counter()
                base.add(_documents(0, documents))
                seconds[real].append(time.perf_counter() - start)
            calls = counter.calls if real else calls
    return {"documents": documents, "on": seconds[True], "off": seconds[False], "calls": calls}


def report(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    one, many = figures["single"], figures["bulk"]
    rows = []
    for title, on, off, documents, calls in (
        ("one document a commit", one["on"], one["off"], 1, one["calls_per_commit"]),
        (f"{many['documents']:,} documents in one call", many["on"], many["off"], many["documents"], many["calls"]),
    ):
        each_on, each_off = (statistics.median(seconds) / documents * 1_000 for seconds in (on, off))
        rows.append([title, f"{each_on:.2f}", f"{each_off:.2f}", f"{each_on - each_off:+.2f}", f"{calls:.0f}"])
    head = ["added", "ms a document, flushed", "not flushed", "difference", "fsync calls"]
    return table(head, rows)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--commits", type=int, default=50)
    parser.add_argument("--documents", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    before = busy()
    try:
        figures = {
            "single": single(arguments.commits),
            "bulk": bulk(arguments.documents, arguments.rounds),
        }
    finally:
        shutil.rmtree(CACHE / "durability", ignore_errors=True)
    print(report(figures))
    if arguments.commits >= 30 and arguments.rounds >= 3:
        save("durability", figures, before)


if __name__ == "__main__":
    main()
