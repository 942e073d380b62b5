"""How far does a judge agree with people? `trivium judge calibrate` on answers that people labelled.

Each set of `benchmarks/grounding.py` with labels of people is written as a file of labels, the first `--limit` answers
of its test half in the order of their md5, and given to the command twice: with the judge, and without a model.

    python benchmarks/judge.py                         # the embedded chat model; puts the table into docs/grounding.md
    python benchmarks/judge.py --judge URL#MODEL --look     # another judge; only prints
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from data import half_of
from grounding import PAGE, SETS, Labelled
from results import table
from trivium.models.chat import EMBEDDED

BY_PEOPLE = ("SciFact claims", "HalluQA", "UHGEval clauses")
HEADINGS = ["answers", "number", "good", "scored by", "kappa", "95% interval", "balanced accuracy", "AUC", "failures"]
BEFORE, AFTER = "<!-- judge -->", "<!-- end judge -->"


def drawn(name: str, limit: int) -> list[Labelled]:
    """Return the first answers of a set's test half, in the order of the md5 of question and answer."""
    rows = [row for row in SETS[name]() if half_of(row.question or row.answer) == "test"]
    return sorted(rows, key=lambda row: hashlib.md5(f"{row.question}\n{row.answer}".encode()).hexdigest())[:limit]


def write_labels(path: Path, rows: list[Labelled]) -> None:
    """Write answers with their labels in the form that the command reads."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            record = {
                "question": row.question,
                "answer": row.answer,
                "passages": list(row.passages),
                "label": row.supported,
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def calibrated(labels: Path, judge: str) -> dict[str, Any]:
    """Run the command and return its object; without a judge, of the metric that needs no model."""
    command = [sys.executable, "-m", "trivium", "judge", "calibrate", str(labels), "--json"]
    done = subprocess.run([*command, *(["--judge", judge] if judge else [])], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row_of(name: str, found: dict[str, Any], by: str, good: float) -> list[str]:
    """Return one row of the table."""
    kappa = found["kappa"]
    shown = ["cannot be said", ""]
    if kappa["mean"] is not None:
        shown = [f"{kappa['mean']:.2f}", f"{kappa['low']:.2f} to {kappa['high']:.2f}"]
    rest = [f"{found[key]['mean']:.2f}" for key in ("balanced_accuracy", "auc")]
    return [name, f"{found['labelled']:,}", f"{good:.0%}", by, *shown, *rest, f"{found['judge_failures']:,}"]


def main() -> None:
    """Calibrate on each set and put the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", default=EMBEDDED, metavar="MODEL", help="as for --chat of the command line")
    parser.add_argument("--limit", type=int, default=60, metavar="N", help="answers of each set")
    parser.add_argument("--sets", nargs="*", choices=BY_PEOPLE, default=list(BY_PEOPLE))
    parser.add_argument("--look", action="store_true", help="only print")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.sets:
            print(f"{name} …", file=sys.stderr)
            answers = drawn(name, given.limit)
            labels = Path(folder, "labels.jsonl")
            write_labels(labels, answers)
            good = sum(row.supported for row in answers) / len(answers)
            for judge in (given.judge, ""):
                rows.append(row_of(name, calibrated(labels, judge), judge or "no model", good))
    figures = table(HEADINGS, rows)
    print(figures)
    if not given.look:
        page = PAGE.read_text("utf-8")
        before, _, rest = page.partition(BEFORE)
        after = rest.partition(AFTER)[2]
        PAGE.write_text(f"{before}{BEFORE}\n{figures}\n{AFTER}{after}", "utf-8")


if __name__ == "__main__":
    main()
