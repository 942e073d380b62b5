"""Kill -9 in the middle of an evaluation: what was written is not lost and not asked again, and the end is whole."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from trivium.evaluate.results import RESULTS

pytestmark = pytest.mark.attack

VICTIM = Path(__file__).with_name("evaluator.py")
QUESTIONS = 600
WORKERS = 4
KILLS = 12


def start(folder: Path, log: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(VICTIM), str(folder), str(log), str(QUESTIONS)], stdout=subprocess.PIPE, text=True
    )


def kept(folder: Path) -> dict[str, bytes]:
    """The whole lines of the results, by the question's id."""
    path = folder / RESULTS
    found = {}
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
        if line.endswith(b"\n"):
            found[json.loads(line)["example"]["id"]] = line
    return found


def test_kills_at_random_moments(tmp_path: Path) -> None:
    folder, log = tmp_path / "run", tmp_path / "log"
    random.seed(20261121)
    kills = in_the_middle = 0
    before: dict[str, bytes] = {}
    while kills < KILLS:
        victim = start(folder, log)
        try:
            victim.wait(timeout=random.uniform(0.3, 1.6))
        except subprocess.TimeoutExpired:
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            kills += 1
        now = kept(folder)
        assert before.items() <= now.items()  # nothing that was written is lost or changed
        in_the_middle += 0 < len(now) < QUESTIONS
        before = now
        if len(now) == QUESTIONS:
            break
    assert in_the_middle >= 2
    last = start(folder, log)
    output, _ = last.communicate(timeout=120)
    assert output.split() == [str(QUESTIONS), "1.0"]
    rows = (folder / RESULTS).read_text("utf-8").splitlines()
    assert [json.loads(row)["example"]["id"] for row in rows] == [f"q{n}" for n in range(QUESTIONS)]
    asked = Counter(log.read_text().split())
    assert set(asked) == {f"q{n}" for n in range(QUESTIONS)}
    again = sum(asked.values()) - QUESTIONS
    # Only what was under way, or waited to be written, when a kill fell may be asked again.
    assert again <= kills * 2 * WORKERS, f"{again} questions asked again after {kills} kills"
    once_more = start(folder, log)
    once_more.communicate(timeout=120)
    assert sum(Counter(log.read_text().split()).values()) == sum(asked.values())
