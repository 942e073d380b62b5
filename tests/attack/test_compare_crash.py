"""Kill -9 in the middle of a comparison: the end is what it would have been, and next to nothing is asked twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.attack

VICTIM = Path(__file__).with_name("comparer.py")
KILLS = 8


def start(place: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(VICTIM), str(place / "kb"), str(place / name), str(place / f"{name}.log")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def asked(place: Path, name: str) -> int:
    log = place / f"{name}.log"
    return len(log.read_text("utf-8").split()) if log.exists() else 0


def test_a_killed_comparison_comes_to_the_same_end(tmp_path: Path) -> None:
    whole, _ = start(tmp_path, "whole").communicate(timeout=300)
    undisturbed = asked(tmp_path, "whole")
    assert undisturbed > 150
    random.seed(20261121)
    kills = in_the_middle = 0
    while kills < KILLS:
        victim = start(tmp_path, "killed")
        before = asked(tmp_path, "killed")
        while victim.poll() is None and asked(tmp_path, "killed") < before + random.randint(5, 40):
            time.sleep(0.005)
        if victim.poll() is None:
            victim.send_signal(signal.SIGKILL)
            kills += 1
            in_the_middle += asked(tmp_path, "killed") > before
        victim.communicate()
        if victim.returncode == 0:
            break
    assert in_the_middle >= 3
    output, _ = start(tmp_path, "killed").communicate(timeout=300)
    first, second = json.loads(whole), json.loads(output)
    for told in (first, second):
        told.pop("run")
        for advice in told["advice"]:  # its commands name the folder
            advice.pop("command", None)
    assert second["arms"] == first["arms"]
    assert second["pairs"] == first["pairs"]
    # Each time one question was under way, and one warms the arm again.
    assert asked(tmp_path, "killed") <= undisturbed + 3 * (kills + 1)
    repeated = asked(tmp_path, "killed")
    start(tmp_path, "killed").communicate(timeout=300)
    assert asked(tmp_path, "killed") == repeated
