"""Kill -9 in the middle of `trivium tune`: the resumed run ends as one that nobody touched."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.attack
pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.tune.export.small_llama import write_llama  # noqa: E402

VICTIM = Path(__file__).with_name("tuner.py")
STEPS, EVERY, KILLS = 24, 5, 4
WITHIN = 300.0  # seconds for any moment that is waited for


@pytest.fixture(scope="module")
def words(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    model = write_llama(tmp_path_factory.mktemp("base") / "small", layers=2)
    return [
        "tune", str(shared_data / "ft" / "identity.json"), "--base", str(model), "--limit", "40", "--longest", "250",
        "--batch", "8", "--steps", str(STEPS), "--every", str(EVERY), "--rate", "0.003", "--json",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a run that nobody touched."""
    return finish(words, tmp_path_factory.mktemp("whole") / "run")


def start(words: list[str], folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "trivium", *words, "--out", str(folder), "--resume"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def finish(words: list[str], folder: Path) -> dict[str, Any]:
    out, _ = start(words, folder).communicate(timeout=WITHIN)
    report = json.loads(out)
    assert report.get("steps") == STEPS, report
    return report


def kill_when(process: subprocess.Popen[str], moment: Any) -> bool:
    """Kill -9 as soon as `moment()` is true; return whether it came before the end of the process."""
    deadline = time.monotonic() + WITHIN
    while process.poll() is None:
        if moment():
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return process.returncode == -signal.SIGKILL
        assert time.monotonic() < deadline
        time.sleep(0.0005)
    process.communicate()
    return False


def steps_of(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of the history."""
    path = folder / "history.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def same(report: dict[str, Any], whole: dict[str, Any], folder: Path) -> None:
    rows = steps_of(folder)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert report["loss"] == pytest.approx(whole["loss"], abs=1e-3)
    assert report["best"]["score"] == pytest.approx(whole["best"]["score"], abs=1e-3)
    assert report["best"]["step"] == whole["best"]["step"]


def test_kills_at_random_steps(words: list[str], whole: dict[str, Any], tmp_path: Path) -> None:
    random.seed(20261121)
    folder, kills = tmp_path / "run", 0
    for step in sorted(random.sample(range(1, STEPS - 1), KILLS)):
        kills += kill_when(start(words, folder), lambda step=step: len(steps_of(folder)) >= step)
    assert kills >= KILLS - 1, "the kills came too late"
    same(finish(words, folder), whole, folder)


@pytest.mark.parametrize(
    ("torn", "at"),
    [
        (f"checkpoints/checkpoint-{2 * EVERY}/trained.new", EVERY),
        (f"checkpoints/checkpoint-{2 * EVERY}/optimizer.pt", EVERY),
        (f"checkpoints/checkpoint-{2 * EVERY}/rng_state.pth", EVERY),
        (f"checkpoints/checkpoint-{EVERY}/scheduler.pt", 0),
        ("best/trained.new", 0),
    ],
)
def test_a_kill_in_the_middle_of_a_file(
    words: list[str], whole: dict[str, Any], tmp_path: Path, torn: str, at: int
) -> None:
    folder = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, str(VICTIM), torn, *words, "--out", str(folder)], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (folder / torn).stat().st_size > 0
    assert [file.parent.name for file in folder.rglob("whole")] == ([f"checkpoint-{at}"] if at else [])
    same(finish(words, folder), whole, folder)


def test_a_kill_while_the_adapter_is_saved_and_the_test_scored(
    words: list[str], whole: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    assert kill_when(start(words, folder), (folder / "adapter").exists)
    assert not (folder / "report.json").exists()
    report = finish(words, folder)
    same(report, whole, folder)
    assert report["test"].keys() == whole["test"].keys()


def test_kills_in_a_search(words: list[str], tmp_path: Path) -> None:
    """Two kills, in different trials: the search ends as one that nobody touched, and no trial is begun anew."""
    searched = [*words, "--steps", "8", "--search", "rank=2,8", "--search", "rate=0.0001,0.003"]
    folder = tmp_path / "cut"
    trials = folder / "trials"

    def reached(trial: str, step: int) -> bool:
        return any(len(steps_of(place)) >= step for place in trials.glob(f"{trial}-*"))

    assert kill_when(start(searched, folder), lambda: reached("01", 6))
    assert kill_when(start(searched, folder), lambda: reached("03", 2))
    first = next(trials.glob("01-*")) / "report.json"
    before = first.stat().st_mtime_ns
    cut = json.loads(start(searched, folder).communicate(timeout=WITHIN)[0])
    assert first.stat().st_mtime_ns == before
    whole = json.loads(start(searched, tmp_path / "whole").communicate(timeout=WITHIN)[0])
    assert cut["search"]["winner"] == whole["search"]["winner"]
    scores = [[row["score"] for row in one["search"]["trials"]] for one in (cut, whole)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)
    assert len(scores[0]) == 4
