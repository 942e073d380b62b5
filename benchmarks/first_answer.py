"""From nothing to the first word of an answer: process start to first token, over a knowledge base of 10,000 chunks.

Every run starts a new process that opens the knowledge base, loads both embedded models, searches, reads the prompt
and writes the first piece of the answer. Two ways: the library (`trivium.ask`), and the command line in a terminal.
Each run asks another question, because a stored answer would be given at once; runs that end in a refusal are not
counted, because a refusal may need no model.

    python benchmarks/first_answer.py
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from data import corpus, questions
from peers import CACHE, OFFLINE
from results import busy, save, table
from vectors import Remembered, vectors_of

LIBRARY = """
import sys, trivium
said = []
def say(text):
    if text.strip() and not said:
        print(text, flush=True)
        said.append(text)
answer = trivium.ask(trivium.open(sys.argv[1], create=False), sys.argv[2], on_text=say, cache=False)
print("refused" if answer.refused else "answered", flush=True)
"""
_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|[\s\x00-\x1f]|[\xe2][\xa0-\xa3][\x80-\xbf]")  # and Braille spinners


def build(folder: Path, passages: int) -> int:
    """Make the knowledge base: all SQuAD paragraphs, then passages of 2Wiki and HotpotQA; return its chunks."""
    import trivium
    from trivium.models.embed import open_embedder
    from trivium.types import Document

    texts = [passage.text for name in ("squad", "2wiki", "hotpotqa") for passage in corpus(name)]
    texts = list(dict.fromkeys(texts))[:passages]
    real = open_embedder(None)
    shutil.rmtree(folder, ignore_errors=True)
    base = trivium.open(folder, embedder=Remembered(real, texts, vectors_of(texts, real)))
    report = base.add([Document(source=f"{n:05d}", text=text) for n, text in enumerate(texts)])
    return int(report.chunks)


def library(kb: Path, question: str) -> tuple[float, bool]:
    """Ask in a new Python process; return the seconds to the first piece of text, and whether it was answered."""
    command = [sys.executable, "-c", LIBRARY, str(kb), question]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **OFFLINE}) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - start
        rest = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"asking {question!r} failed with status {process.returncode}")
    return seconds, rest.strip().endswith("answered")


def terminal(kb: Path, question: str) -> float:
    """Ask by the command line in a terminal; return the seconds to the first character it shows."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "trivium", "ask", question, "--kb", str(kb)]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, env={**os.environ, **OFFLINE}
    )
    os.close(slave)
    seconds = None
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        if seconds is None and _ESCAPES.sub(b"", piece):
            seconds = time.perf_counter() - start
    os.close(master)
    if process.wait() or seconds is None:
        raise SystemExit(f"`trivium ask {question!r}` ended with status {process.returncode} or said nothing")
    return seconds


def measure(kb: Path, runs: int) -> dict[str, Any]:
    """Ask `runs` answerable questions each way."""
    found: dict[str, Any] = {"library": [], "terminal": [], "refused": 0}
    for question in questions("squad", "dev"):
        seconds, answered = library(kb, question.text)
        if not answered:
            found["refused"] += 1
            continue
        found["library"].append(seconds)
        found["terminal"].append(terminal(kb, question.text))
        if len(found["library"]) == runs:
            return found
    raise SystemExit(f"only {len(found['library'])} questions were answered")


def report(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    rows = []
    for way, title in (("library", "`trivium.ask` in a new process"), ("terminal", "`trivium ask` in a terminal")):
        seconds = figures[way]
        rows.append([title, f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f} to {max(seconds):.2f}"])
    return "\n".join(
        [
            table(["way", "s to the first text (median)", "spread"], rows),
            "",
            f"{figures['chunks']:,} chunks, {len(figures['library'])} runs (target: under 2 s).",
        ]
    )


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    kb = CACHE / "first-answer"
    chunks = build(kb, arguments.passages)
    before = busy()
    figures = {"chunks": chunks, **measure(kb, arguments.runs)}
    print(report(figures))
    if chunks >= 10_000 and arguments.runs >= 5:
        save("first_answer", figures, before)


if __name__ == "__main__":
    main()
