"""Trivium itself as a worker (see `peers.py`): its real pipeline, from files on disk to committed and flushed.

`load` opens the embedded model, `index` adds a folder to a new knowledge base, `search` answers questions with the
default settings, `embed` only embeds, for the cost of the pipeline around it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from wire import serve


def main() -> None:
    """Serve until standard input ends."""
    state: dict[str, Any] = {}

    def load() -> dict[str, Any]:
        start = time.perf_counter()
        from trivium.models.embed import open_embedder

        import trivium  # noqa: F401

        state["embedder"] = open_embedder(None)
        state["embedder"].embed(["The first call prepares the session."])
        return {"seconds": time.perf_counter() - start}

    def index(folder: str, kb: str) -> dict[str, Any]:
        import trivium

        start = time.perf_counter()
        state["kb"] = base = trivium.open(kb, embedder=state["embedder"])
        opened = time.perf_counter()
        report = base.add([folder])
        seconds = time.perf_counter() - opened
        failed = [f"{failure.source}: {failure.reason}" for failure in report.failed]
        return {"seconds": seconds, "open_seconds": opened - start, "chunks": report.chunks, "failed": failed}

    def search(questions: list[str], k: int, variant: str = "") -> dict[str, Any]:
        start = time.perf_counter()
        found = [state["kb"].search(question, k=k, mode=variant or "hybrid") for question in questions]
        seconds = time.perf_counter() - start
        rankings = [[Path(hit.chunk.source).stem for hit in hits] for hits in found]
        return {"seconds": seconds, "rankings": rankings}

    def embed(texts: list[str]) -> dict[str, Any]:
        start = time.perf_counter()
        state["embedder"].embed(texts)
        return {"seconds": time.perf_counter() - start, "chunks": len(texts)}

    serve({"load": load, "index": index, "search": search, "embed": embed})


if __name__ == "__main__":
    main()
