"""Trivium itself as a worker (see `peers.py`): its real pipeline, from files on disk to committed and flushed.

`load` opens the embedded model, `index` adds a folder to a new knowledge base, `open` takes one that is there,
`search` answers questions with the default settings, `time` says how long each took, `embed` only embeds, for the
cost of the pipeline around it.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

from wire import serve


def main() -> None:
    """Serve until standard input ends."""
    state: dict[str, Any] = {}

    def load() -> dict[str, Any]:
        start = time.perf_counter()
        import trivium  # noqa: F401
        from trivium.models.embed import open_embedder

        state["embedder"] = open_embedder(None)
        state["embedder"].embed(["The first call prepares the session."])
        return {"seconds": time.perf_counter() - start}

    def index(folder: str, kb: str) -> dict[str, Any]:
        import trivium

        start = time.perf_counter()
        state["kb"] = base = trivium.open(kb, embedder=state["embedder"])
        opened, cpu = time.perf_counter(), _cpu_seconds()
        report = base.add([folder])
        return {
            "seconds": time.perf_counter() - opened,
            "cpu_seconds": _cpu_seconds() - cpu,
            "open_seconds": opened - start,
            "chunks": report.chunks,
            "failed": [f"{failure.source}: {failure.reason}" for failure in report.failed],
        }

    def search(questions: list[str], k: int, variant: str = "") -> dict[str, Any]:
        start = time.perf_counter()
        found = [state["kb"].search(question, k=k, mode=variant or "hybrid") for question in questions]
        seconds = time.perf_counter() - start
        rankings = [[Path(hit.chunk.source).stem for hit in hits] for hits in found]
        return {"seconds": seconds, "rankings": rankings}

    def embed(texts: list[str]) -> dict[str, Any]:
        start, cpu = time.perf_counter(), _cpu_seconds()
        state["embedder"].embed(texts)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "cpu_seconds": _cpu_seconds() - cpu, "chunks": len(texts)}

    def open_(kb: str) -> dict[str, Any]:
        import trivium

        start = time.perf_counter()
        state["kb"] = trivium.open(kb, embedder=state.get("embedder"), create=False)
        return {"seconds": time.perf_counter() - start}

    def time_(questions: list[str], k: int, mode: str, principals: list[str] | None) -> dict[str, Any]:
        seconds = []
        for question in questions:
            start = time.perf_counter()
            found = state["kb"].search(question, k=k, mode=mode, principals=principals)
            seconds.append(time.perf_counter() - start)
            if not found and mode != "lexical":
                raise SystemExit(f"nothing was found for {question!r}")
        return {"seconds": seconds, "peak_bytes": _peak_bytes()}

    serve({"load": load, "index": index, "open": open_, "search": search, "time": time_, "embed": embed})


def _cpu_seconds() -> float:
    """Return the processor time of this process and of its children that have ended (the readers of files)."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_bytes() -> int:
    """Return the most memory that this process held since its program was loaded.

    Not `ru_maxrss`, which a child inherits from the process that started it.
    """
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("The peak memory is measured on Linux only.")


if __name__ == "__main__":
    main()
