"""Retrieval quality on real questions, default settings: Trivium and the four peers over the same passages.

Every system gets each passage of `data.corpus(name)` as one document with the same text: Trivium as a text file
through its whole pipeline, the peers in memory. Only Trivium and LlamaIndex split long documents by default; a hit
on a part counts as a hit on its passage, at the rank of the first part. Only the test half of the questions is
printed: thresholds and weights may have been chosen on the development half.

    python benchmarks/quality.py                      # all sets, all systems
    python benchmarks/quality.py --sets xquad-en --systems trivium langchain

The peers' rankings are kept in `.cache/rankings` by their versions and the data: they do not change; nor do their
vectors, which the three peers that call sentence-transformers share (`remember.py`). Trivium's are computed each time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import data
from peers import CACHE, PEERS, SHARED, TITLES, TORCH, Worker, model_folder, versions
from results import save, table
from scores import estimate, ndcg, recall

DEPTH = 20  # hits fetched, so that ten passages remain where several hits are parts of one
BATCH = 32
MEASURES = {"nDCG@10": ndcg, "recall@5": recall}
SYSTEMS: dict[str, tuple[str, str]] = {
    "trivium": ("trivium", ""),
    "trivium dense": ("trivium", "dense"),
    "trivium lexical": ("trivium", "lexical"),
    "llamaindex": ("llamaindex", ""),
    "langchain": ("langchain", ""),
    "haystack": ("haystack", ""),
    "txtai": ("txtai", ""),
    "haystack bm25": ("haystack", "bm25"),
    "txtai hybrid": ("txtai", "hybrid"),
}
"""Rows of the table: the system that runs, and its variant; a default is the empty one."""
DEFAULTS = ("llamaindex", "langchain", "haystack", "txtai")

Rankings = dict[str, list[str]]
"""Passage ids, best first, by question."""


def rankings(name: str, rows: list[str]) -> dict[str, Rankings]:
    """Return each row's rankings of all questions of a set, asking each system once for all its rows."""
    found: dict[str, Rankings] = {}
    for system in dict.fromkeys(SYSTEMS[row][0] for row in rows):
        wanted = [row for row in rows if SYSTEMS[row][0] == system]
        missing = [row for row in wanted if system == "trivium" or not _cached(name, row).exists()]
        if missing:
            _ask(name, system, missing)
        found.update({row: json.loads(_cached(name, row).read_text("utf-8")) for row in wanted})
    return found


def _cached(name: str, row: str) -> Path:
    system = SYSTEMS[row][0]
    passages = "\0".join(passage.text for passage in data.corpus(name))
    asked = "\0".join(question.text for question in data.questions(name))
    parts = [versions(system) if system in PEERS else "", passages, asked, str(DEPTH)]
    key = hashlib.sha256("\1".join(parts).encode()).hexdigest()[:12]
    return CACHE / "rankings" / name / f"{row.replace(' ', '-')}-{key}.json"


def _ask(name: str, system: str, rows: list[str]) -> None:
    """Index the set in a system and keep the rankings of every question for each of its rows."""
    passages, asked = data.corpus(name), [question.text for question in data.questions(name)]
    print(f"{name}: {TITLES[system]} indexes {len(passages)} passages …", file=sys.stderr)
    # One thread is kinder to whoever else computes; what is found is the same.
    with (
        Worker(system, threads=1 if system in PEERS else None) as worker,
        tempfile.TemporaryDirectory(prefix="trivium-quality-") as folder,
    ):
        if system == "trivium":
            worker.ask("load")
            _index_files(worker, Path(folder), passages)
        else:
            kept = CACHE / f"peer-vectors-{hashlib.sha256(' '.join([TORCH, *SHARED]).encode()).hexdigest()[:8]}.db"
            worker.ask("load", model=str(model_folder()), batch=BATCH, kept=str(kept))
            ids, texts = [passage.id for passage in passages], [passage.text for passage in passages]
            worker.ask("index", ids=ids, texts=texts, split=True)
        for row in rows:
            answer = worker.ask("search", questions=asked, k=DEPTH, variant=SYSTEMS[row][1])
            found = {question: list(dict.fromkeys(r)) for question, r in zip(asked, answer["rankings"], strict=True)}
            path = _cached(name, row)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found, ensure_ascii=False), "utf-8")


def _index_files(worker: Worker, folder: Path, passages: tuple[data.Passage, ...]) -> None:
    files = folder / "files"
    files.mkdir()
    for passage in passages:
        (files / f"{passage.id}.txt").write_text(passage.text, "utf-8")
    answer = worker.ask("index", folder=str(files), kb=str(folder / "kb"))
    shutil.rmtree(files)
    if answer["failed"]:
        raise SystemExit("Trivium could not add:\n" + "\n".join(answer["failed"][:10]))
    print(f"  {answer['chunks']} chunks of {len(passages)} passages", file=sys.stderr)


def judge(name: str, found: dict[str, Rankings], half: data.Half) -> dict[str, Any]:
    """Return each row's estimates on one half, and Trivium's paired difference to the best default of a peer."""
    asked = data.questions(name, half)
    values = {
        measure: {
            row: np.array([function(ranking[q.text], q.relevant) for q in asked]) for row, ranking in found.items()
        }
        for measure, function in MEASURES.items()
    }
    judged: dict[str, Any] = {"questions": len(asked), "passages": len(data.corpus(name)), "measures": {}}
    for measure, by_row in values.items():
        entry: dict[str, Any] = {"rows": {row: _plain(v) for row, v in by_row.items()}}
        peers = [row for row in by_row if row in DEFAULTS]
        if "trivium" in by_row and peers:
            best = max(peers, key=lambda row: by_row[row].mean())
            entry["best"] = best
            entry["difference"] = _plain(by_row["trivium"] - by_row[best])
        judged["measures"][measure] = entry
    return judged


def _plain(values: Any) -> list[float]:
    found = estimate(values)
    return [round(found.mean, 5), round(found.low, 5), round(found.high, 5)]


def report(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown: for each measure Trivium against the best peer, then every row's mean."""
    parts = []
    for measure in MEASURES:
        entries = {name: judged["measures"][measure] for name, judged in figures.items()}
        parts.append(f"**{measure}**")
        compared = {name: entry for name, entry in entries.items() if "best" in entry}
        if compared:
            head = ["set", "questions", "passages", "Trivium", "best peer", "", "difference", "verdict"]
            rows = [_compare(name, figures[name], entry) for name, entry in compared.items()]
            parts.append(table(head, rows))
        columns = [row for row in SYSTEMS if any(row in entry["rows"] for entry in entries.values())]
        means = [
            [name, *(_plus_minus(entry["rows"].get(column)) for column in columns)] for name, entry in entries.items()
        ]
        parts.append(table(["set", *(_title(column) for column in columns)], means))
    return "\n\n".join(parts)


def _compare(name: str, judged: dict[str, Any], entry: dict[str, Any]) -> list[str]:
    difference = entry["difference"]
    if difference[0] < 0:
        verdict = "lower" if difference[2] < 0 else "lower, a tie"
    else:
        verdict = "higher" if difference[1] > 0 else "equal" if difference[0] == 0 else "higher, a tie"
    return [
        name,
        str(judged["questions"]),
        str(judged["passages"]),
        _cell(entry["rows"]["trivium"]),
        TITLES[entry["best"]],
        _cell(entry["rows"][entry["best"]]),
        _cell(difference, sign="+"),
        verdict,
    ]


def _title(row: str) -> str:
    system, variant = SYSTEMS[row]
    return f"{TITLES[system]} ({variant})" if variant else TITLES[system]


def _cell(value: list[float], sign: str = "") -> str:
    mean, low, high = value
    return f"{mean:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def _plus_minus(value: list[float] | None) -> str:
    """Return a mean and half the width of its interval."""
    return "-" if value is None else f"{value[0]:.3f} ±{(value[2] - value[1]) / 2:.3f}"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=list(data.SETS), choices=list(data.SETS))
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--half", default="test", choices=["dev", "test"])
    arguments = parser.parse_args()
    figures = {}
    for name in arguments.sets:
        figures[name] = judge(name, rankings(name, arguments.systems), arguments.half)
        print(report({name: figures[name]}), flush=True)
    print(report(figures))
    if arguments.half == "test" and set(arguments.sets) == set(data.SETS) and set(arguments.systems) == set(SYSTEMS):
        save("quality", figures)


if __name__ == "__main__":
    main()
