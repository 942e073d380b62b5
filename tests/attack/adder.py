"""A process that adds files and writes down what it was told is done: the victim of the tests beside it.

python adder.py KB LOG PATH...   (each line of LOG: `embedded <hash>` or `done <source>`)
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence

import trivium
from trivium.index.tally import Progress
from trivium.models.base import Vectors
from trivium.models.fake import FakeEmbedder


class LoggingEmbedder(FakeEmbedder):
    """Writes down every text that it embeds, and takes its time, as a real one does."""

    def __init__(self, log: int, seconds_per_text: float = 0.0005) -> None:
        super().__init__()
        self._log = log
        self._seconds = seconds_per_text

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = super().embed(texts)
        time.sleep(self._seconds * len(texts))
        lines = "".join(f"embedded {hashlib.sha256(text.encode()).hexdigest()}\n" for text in texts)
        os.write(self._log, lines.encode())
        return vectors


def main() -> None:
    uri, log_path, *paths = sys.argv[1:]
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    kb = trivium.open(uri, embedder=LoggingEmbedder(log))
    chunks = 0

    def progress(state: Progress) -> None:
        nonlocal chunks
        if state.chunks > chunks:  # told after the commit that holds it
            chunks = state.chunks
            os.write(log, f"done {state.current}\n".encode())

    report = kb.add(paths, progress=progress)
    sys.stdout.write(f"{report.added} {report.updated} {report.unchanged} {len(report.failed)}\n")


if __name__ == "__main__":
    main()
