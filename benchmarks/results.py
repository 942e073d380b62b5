"""Where measurements are kept (`.cache/results/<part>.json`), and the machine they were made on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from peers import CACHE

RESULTS = CACHE / "results"
BUSY = 0.10  # share of the cores that others may use before a timing is no longer worth printing


def machine() -> dict[str, Any]:
    """Describe the machine: no names, only what explains a timing."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    system = next(
        (line.split("=", 1)[1].strip('"') for line in _lines("/etc/os-release") if line.startswith("PRETTY_NAME")),
        platform.system(),
    )
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{system}, {platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "packages": {
            name: version(name) for name in ("trivium", "numpy", "onnxruntime", "lancedb", "pyarrow", "tokenizers")
        },
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []


def busy(seconds: float = 3.0) -> float:
    """Return the share of the cores that is in use right now, and warn where timings would mean little."""
    share = float(psutil.cpu_percent(interval=seconds)) / 100
    if share > BUSY:
        print(f"warning: others use {share:.0%} of the cores; the timings are not worth publishing", file=sys.stderr)
    return share


def commit() -> str:
    """Return the commit that was measured, marked where the tree differs from it; empty outside a checkout."""
    here = Path(__file__).parent
    line = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(line, cwd=here, capture_output=True, text=True)
    return found.stdout.strip()


def save(part: str, figures: dict[str, Any], busy_before: float | None = None) -> Path:
    """Keep what a part measured, with the machine, the date and the commit."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{part}.json"
    whole = {
        "part": part,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "busy_before": busy_before,
        "figures": figures,
    }
    written = path.with_suffix(".new")  # put in place as a whole: a call that is killed leaves what was there
    written.write_text(json.dumps(whole, indent=1, ensure_ascii=False), "utf-8")
    written.replace(path)
    return path


def load(part: str) -> dict[str, Any] | None:
    """Return what `save` kept, or None where the part was never run."""
    path = RESULTS / f"{part}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table, its first column to the left and the others to the right, aligned for a terminal."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: list[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (width + 1) + ":" for width in widths[1:]]) + "|"
    return "\n".join([line(head), rule, *(line(row) for row in rows)])
