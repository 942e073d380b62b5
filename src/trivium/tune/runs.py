"""Look at tuning runs: list those below a folder, compare two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trivium.errors import UsageError
from trivium.evaluate import record as records
from trivium.tune.curve import draw_curves
from trivium.tune.history import read_history
from trivium.tune.run import REPORT


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """Return what is known of each tuning run in `folder` or below it, newest first; of a search its trials too."""
    if (folder / records.RECORD).exists():
        places = [folder, *sorted(folder.glob(f"trials/*/{records.RECORD}"))]
    else:
        places = sorted(folder.glob(f"*/{records.RECORD}"))
    found = []
    for place in places:
        run = place if place.is_dir() else place.parent
        record = records.read(run)
        if "plan" in record.settings:
            found.append(_row(run, record))
    return sorted(found, key=lambda row: str(row["started"]), reverse=True)


def compare_runs(a: Path, b: Path) -> dict[str, Any]:
    """Return how two runs differ: settings as `name: a, now b`, scores side by side, and a picture of both curves.

    Raises:
        UsageError: a folder holds no tuning run.
    """
    first, second = records.read(a), records.read(b)
    for folder, record in ((a, first), (b, second)):
        if "plan" not in record.settings:
            raise UsageError(f"{folder} is no tuning run.", "Give a folder that `trivium tune` wrote.")
    scores: dict[str, list[Any]] = {}
    for place, folder in enumerate((a, b)):
        for name, value in _scores(folder).items():
            scores.setdefault(name, [None, None])[place] = value
    curve = b / "curves.png"
    drawn = draw_curves({run.name: read_history(run / "history.jsonl") for run in (a, b)}, curve)
    return {
        "runs": [str(a), str(b)],
        "settings": records.differences(first.settings, second.settings),
        "scores": scores,
        "curve": str(curve) if drawn else None,
    }


def _row(run: Path, record: records.Record) -> dict[str, Any]:
    plan = record.settings["plan"]
    history = read_history(run / "history.jsonl")
    scores = _scores(run)
    return {
        "run": str(run),
        "method": plan["method"],
        "data": Path(plan["data"]).name,
        "base": plan["base"] or "embedded",
        "steps": int(history[-1]["step"]) if history else 0,
        "validation": scores.get("validation"),
        "state": "done" if record.complete else "not finished",
        "started": record.sessions[0]["started"] if record.sessions else "",
        "scores": scores,
    }


def _scores(run: Path) -> dict[str, Any]:
    file = run / REPORT
    if not file.exists():
        history = read_history(run / "history.jsonl")
        return {"loss": history[-1]["loss"]} if history else {}
    report = json.loads(file.read_text("utf-8"))
    found = {"loss": report["loss"], "validation": report["best"]["score"], "seconds": report["seconds"]}
    return found | {f"test {name}": score["mean"] for name, score in report.get("test", {}).items()}
