"""Run the benchmarks one after another, print their tables, and write `docs/benchmarks.md` from what was kept.

python benchmarks/run.py                    # everything: some hours, on an otherwise idle machine
python benchmarks/run.py ingest search      # some parts
python benchmarks/run.py --write            # only write the page again
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import durability
import first_answer
import ingest
import quality
import search
from peers import HERE, PEERS, TORCH
from results import BUSY, load

PAGE = HERE.parent / "docs" / "benchmarks.md"
PARTS = {
    "ingest": ("Ingest", ingest.report),
    "search": ("Search of 100,000 chunks", search.report),
    "quality": ("Retrieval quality", quality.report),
    "first_answer": ("First answer from a cold start", first_answer.report),
    "durability": ("What durability costs", durability.report),
}


def page() -> str:
    """Return the page: what was measured, on which machine, when, and how to do it again."""
    parts = ["# Benchmarks", "", INTRODUCTION.format(peers=_peers(), torch=TORCH), ""]
    for part, (title, report) in PARTS.items():
        whole = load(part)
        parts += [f"## {title}", ""]
        if whole is None:
            parts += [f"Not measured yet: `make bench ONLY={part}`.", ""]
            continue
        parts += [NOTES[part], "", report(whole["figures"]), "", _when(whole), ""]
    return "\n".join(parts)


def _peers() -> str:
    lines = [f"- {ingest.TITLES[name]}: {', '.join(pins)}" for name, pins in PEERS.items()]
    return "\n".join(lines)


def _when(whole: dict[str, Any]) -> str:
    machine = whole["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    line = (
        f"*Measured {whole['date']} at commit {whole['commit']}: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}; {packages}.*"
    )
    if (whole["busy_before"] or 0) > BUSY:
        line += f" **The machine was not quiet ({whole['busy_before']:.0%} of the cores in use): do not rely on it.**"
    return line


INTRODUCTION = """\
Everything here is measured by `make bench` (one part: `make bench ONLY=search`) on real public data and real
models, and written to this page by the same command. The peers, each in an environment of its own, with the same
weights (all-MiniLM-L6-v2):

{peers}

All with {torch} on the CPU in fp32, which is their default; Trivium runs the same weights as int8 in ONNX Runtime,
which is its default. Intervals are 95% bootstrap intervals over the questions."""

NOTES = {
    "ingest": (
        "SQuAD paragraphs, one chunk each in every system, rounds interleaved. Trivium reads one text file a "
        "paragraph and is finished when all is committed and flushed to the disk; the peers get the texts in memory "
        "and keep their index in memory. Each peer runs at the fastest of the batch sizes tried. Start-up (imports "
        "and loading the model) is not counted in the rates."
    ),
    "search": (
        "Real text, English and Chinese, in windows of a few sentences; real vectors; English questions. The "
        "question's embedding is counted."
    ),
    "quality": (
        "The test half of each set's questions; choices were made on the other half only. Each passage is one "
        "document with the same text in every system, default settings. Columns with a variant in brackets are not "
        "defaults and are shown for orientation; the last column compares Trivium's default with the best of the "
        "four peers' defaults on that set, question by question."
    ),
    "first_answer": (
        "Process start to the first piece of an answer's text, with both embedded models loaded from the disk and "
        "another question each time."
    ),
    "durability": (
        "The same additions with fsync as it is and with fsync replaced by nothing, in turns; a fake embedder, so "
        "that the model does not hide the cost."
    ),
}


def main() -> None:
    """Run the parts asked for, each in a process of its own, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help=f"some of: {', '.join(PARTS)} (with commas between)")
    parser.add_argument("--write", action="store_true", help="measure nothing, only write the page again")
    arguments = parser.parse_args()
    parts = arguments.only.replace(",", " ").split() or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    failed = []
    for part in [] if arguments.write else parts:
        print(f"\n== {PARTS[part][0]}", flush=True)
        if subprocess.run([sys.executable, str(HERE / f"{part}.py")]).returncode:
            failed.append(part)
    PAGE.write_text(page(), "utf-8")
    print(f"\nwritten: {Path(PAGE).relative_to(HERE.parent)}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
