"""How fast and how exact a search of 100,000 chunks of real text is, by mode and by access list.

Two knowledge bases hold the same chunks and vectors: in `public` everyone may read all; in `lists` each document
carries an access list, so that one group reads all, one half, one a hundredth. The vectors are Trivium's own,
computed once. Latencies include the embedding of the question and are taken in a process that only searches.

    python benchmarks/search.py                              # builds both, then measures: about 10 minutes
    python benchmarks/search.py --chunks 2000 --questions 20     # a smoke test
    python benchmarks/search.py --keep                       # with the knowledge bases of the last run
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passages import asked, windows
from peers import CACHE, OFFLINE, Worker
from results import busy, save, table
from vectors import Remembered, vectors_of

K = 10
WARM_UP = 20
ACCESS: dict[str, tuple[str, list[str] | None, int]] = {
    "everyone": ("public", None, 1),
    "a group that reads all": ("lists", ["group:all"], 1),
    "a group that reads 50%": ("lists", ["group:half"], 2),
    "a group that reads 1%": ("lists", ["group:hundredth"], 100),
}
"""Who asks: the knowledge base, the principals, and that they may read every n-th chunk."""
MODES = ("hybrid", "dense", "lexical")
COLD = "import sys, trivium; print(len(trivium.open(sys.argv[1], create=False).search(sys.argv[2])), flush=True)"


def build(kb: Path, texts: list[str], embedder: Remembered, lists: bool) -> dict[str, float]:
    """Make a knowledge base of one chunk a text; return the seconds and the bytes on the disk.

    Raises:
        SystemExit: a text became more than one chunk, or was embedded anew.
    """
    import trivium
    from trivium.types import Document

    shutil.rmtree(kb, ignore_errors=True)
    start = time.perf_counter()
    base = trivium.open(kb, embedder=embedder)
    chunks = 0
    parts: dict[tuple[str, ...], list[Document]] = {}
    for n, text in enumerate(texts):
        parts.setdefault(_access(n) if lists else (), []).append(Document(source=f"{n:06d}", text=text))
    for access, documents in parts.items():
        chunks += base.add(documents, access=access).chunks
    seconds = time.perf_counter() - start
    if chunks != len(texts) or embedder.missed:
        raise SystemExit(f"{chunks} chunks of {len(texts)} texts; {embedder.missed} were not the kept ones.")
    size = sum(path.stat().st_size for path in kb.rglob("*") if path.is_file())
    return {"seconds": seconds, "bytes": float(size)}


def _access(n: int) -> tuple[str, ...]:
    groups = {"group:all": 1, "group:half": 2, "group:hundredth": 100}
    return tuple(group for group, every in groups.items() if n % every == 0)


def latencies(folder: Path, questions: list[str]) -> tuple[dict[str, dict[str, list[float]]], int]:
    """Return the seconds of each search, by who asks and mode, and the peak memory of the searching process."""
    found: dict[str, dict[str, list[float]]] = {}
    peak = 0
    for name in ("public", "lists"):
        with Worker("trivium") as worker:
            worker.ask("open", kb=str(folder / name))
            for who, (kb, principals, _) in ACCESS.items():
                if kb != name:
                    continue
                found[who] = {}
                for mode in MODES:
                    worker.ask("time", questions=questions[:WARM_UP], k=K, mode=mode, principals=principals)
                    answer = worker.ask("time", questions=questions, k=K, mode=mode, principals=principals)
                    found[who][mode] = answer["seconds"]
                    peak = max(peak, answer["peak_bytes"])
    return found, peak


def recalls(
    folder: Path, vectors: NDArray[np.float32], questions: Sequence[str], embedder: Remembered
) -> dict[str, float]:
    """Return the share of the exact ten nearest chunks that the dense arm finds, by who asks."""
    import trivium

    queries = [embedder.embed_query(question) for question in questions]
    found = {}
    for who, (kb, principals, every) in ACCESS.items():
        base = trivium.open(folder / kb, embedder=embedder, create=False)
        readable = np.arange(len(vectors)) % every == 0
        nearest = min(K, int(readable.sum()))
        shares = []
        for query in queries:
            scores = np.where(readable, vectors @ query, -2.0)
            last = np.partition(scores, -nearest)[-nearest]
            hits = base.dense(query, n=K, principals=principals)
            places = {int(hit.chunk.source) for hit in hits}
            shares.append(sum(scores[place] >= last - 1e-6 for place in places) / nearest)
        found[who] = statistics.mean(shares)
    return found


def cold_opens(kb: Path, question: str, runs: int, drop: bool) -> list[float]:
    """Return the seconds from starting a process to its first answered search.

    Args:
        kb: the knowledge base.
        question: asked of it.
        runs: how many processes, one after another.
        drop: ask the system to forget the knowledge base's files before each.
    """
    seconds = []
    for _ in range(runs):
        if drop:
            _forget(kb)
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", COLD, str(kb), question],
            check=True,
            env={**os.environ, **OFFLINE},
            stdout=subprocess.DEVNULL,
        )
        seconds.append(time.perf_counter() - start)
    return seconds


def _forget(folder: Path) -> None:
    """Drop a folder's files from the page cache, where the system has the call."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def report(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    rows = []
    for who, by_mode in figures["seconds"].items():
        for mode, seconds in by_mode.items():
            p50, p95 = np.percentile(np.array(seconds) * 1_000, [50, 95])
            recall = f"{figures['recall'][who]:.4f}" if mode == "dense" else "-"
            rows.append([f"{who}, {mode}", f"{p50:.1f}", f"{p95:.1f}", recall])
    cold, warm = figures["cold_open"]["dropped"], figures["cold_open"]["cached"]
    build = figures["build"]["public"]
    return "\n".join(
        [
            table(["who asks, mode", "p50 ms", "p95 ms", "recall@10 of exact"], rows),
            "",
            f"{figures['chunks']:,} chunks, {figures['questions']} questions, k = {K} "
            "(targets for hybrid: p50 under 25 ms, p95 under 60 ms; recall at least 0.98).",
            f"Process start to first answered search: median {statistics.median(cold):.2f} s with the knowledge "
            f"base's files dropped from the page cache (worst {max(cold):.2f} s), {statistics.median(warm):.2f} s "
            "with them in it (target: under 2 s).",
            f"Peak memory of the searching process: {figures['peak_bytes'] / 1e9:.2f} GB (target: under 1.5 GB).",
            f"Build from ready vectors (cut, analyse, store, index, flush): {build['seconds']:.0f} s; "
            f"on the disk {build['bytes'] / 1e6:.0f} MB.",
        ]
    )


def measure(chunks: int, number: int, keep: bool, runs: int) -> dict[str, Any]:
    """Build what is needed and take every figure."""
    from trivium.models.embed import open_embedder

    folder = CACHE / "search" / str(chunks)
    texts, questions = windows(chunks), asked(number)
    real = open_embedder(None)
    vectors = vectors_of(texts, real)
    embedder = Remembered(real, texts, vectors)
    built = {}
    for name in ("public", "lists"):
        kept = folder / f"{name}.json"  # written when the build is whole
        if not (keep and kept.exists()):
            kept.unlink(missing_ok=True)
            built[name] = build(folder / name, texts, embedder, lists=name == "lists")
            kept.write_text(json.dumps(built[name]))
        built[name] = json.loads(kept.read_text())
        print(f"{name}: built in {built[name]['seconds']:.1f} s", file=sys.stderr)
    seconds, peak = latencies(folder, questions)
    return {
        "chunks": chunks,
        "questions": len(questions),
        "build": built,
        "seconds": seconds,
        "peak_bytes": peak,
        "recall": recalls(folder, vectors, questions, embedder),
        "cold_open": {
            "dropped": cold_opens(folder / "public", questions[0], runs, drop=True),
            "cached": cold_opens(folder / "public", questions[0], runs, drop=False),
        },
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--runs", type=int, default=7, help="processes started for the cold open")
    parser.add_argument("--keep", action="store_true", help="use the knowledge bases of the last run")
    arguments = parser.parse_args()
    before = busy()
    figures = measure(arguments.chunks, arguments.questions, arguments.keep, arguments.runs)
    print(report(figures))
    if arguments.chunks >= 100_000 and arguments.questions >= 200:
        save("search", figures, before)


if __name__ == "__main__":
    main()
