"""`trivium tune DATA` and `trivium runs` as a person runs them, on a small model and a real file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from tests.tune.small import write_dialogues, write_model, write_reviews


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small models compute faster on one."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def given(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A real file of reviews, and a small encoder."""
    return write_reviews(tmp_path_factory.mktemp("base"), shared_data / "classify/SST2/train.tsv", 80)


@pytest.fixture
def words(given: tuple[Path, Path]) -> list[str]:
    """A run of a few steps."""
    data, encoder = given
    return [
        "tune", str(data), "--base", str(encoder), "--longest", "128", "--batch", "8", "--steps", "3", "--rate", "0.01",
    ]  # fmt: skip


def test_a_preview_shows_a_sample_and_begins_no_run(
    run: Any, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*words, "--preview")
    assert done.status == 0
    assert done.out == ""
    for line in ("Base      ", "Method    lora: ", "Samples   68 train, ", "Memory    about ", "A sample, what is "):
        assert f"\n{line}" in f"\n{done.err}"
    learnt, share = done.err.split(", of which ")[1].split(" are learnt (")
    assert int(learnt.replace(",", "")) > 0
    assert 0 < float(share.split("%")[0]) < 100
    assert done.err.count("⟦") == done.err.count("⟧") == 2  # the heading explains the sign, the sample has it
    facts = run(*words, "--preview", "--json").json
    assert facts["trained_tokens"] == int(learnt.replace(",", ""))
    assert facts["sizes"]["train"] == 68
    assert facts["preview"].count("⟦") == 1
    assert list(tmp_path.iterdir()) == []
    assert run(*words, "--steps", "1", "--out", "run", "--json").json["steps"] == 1


def test_a_run_is_shown_kept_and_listed(run: Any, words: list[str], tmp_path: Path) -> None:
    one, two = tmp_path / "runs" / "one", tmp_path / "runs" / "two"
    done = run(*words, "--out", str(one))
    assert done.status == 0, done.err
    assert "Best validation accuracy " in done.out
    assert f"Adapter: {one / 'adapter'}" in done.out
    assert "untuned base" in done.out
    assert "step 3/3  loss " in done.err
    assert {"run.json", "history.jsonl", "adapter", "report.json"} <= {file.name for file in one.iterdir()}

    again = run(*words, "--out", str(one))
    assert again.status == 2
    assert "already holds this run. Go on with it with --resume" in again.err
    found = run(*words, "--out", str(one), "--resume", "--json").json
    assert found == json.loads((one / "report.json").read_text("utf-8"))

    report = run(*words, "--set", "rank=2", "--out", str(two), "--json").json
    assert report["steps"] == 3
    assert report["parameters"] < found["parameters"]

    listed = run("runs", "--in", str(tmp_path / "runs"), "--json").json["runs"]
    assert {row["run"] for row in listed} == {str(one), str(two)}
    assert all(row["state"] == "done" and row["steps"] == 3 and row["method"] == "lora" for row in listed)
    assert "reviews.tsv" in run("runs", "--in", str(tmp_path / "runs")).out

    compared = run("runs", str(one), str(two), "--json").json
    assert compared["settings"] == ["plan.settings: {}, now nothing", "plan.settings.rank: nothing, now 2"]
    assert compared["scores"]["validation"] == [found["best"]["score"], report["best"]["score"]]
    shown = run("runs", str(one), str(two)).out
    assert "plan.settings.rank: nothing, now 2" in shown
    if compared["curve"]:
        assert Path(compared["curve"]).read_bytes().startswith(b"\x89PNG")


def test_no_runs_are_said(run: Any, tmp_path: Path) -> None:
    done = run("runs", "--in", str(tmp_path))
    assert done.status == 0
    assert "No tuning runs" in done.out
    assert run("runs", "a", "b", "c").status == 2


@pytest.mark.parametrize(
    ("more", "said", "cure"),
    [
        (["--method", "lorra"], "no method named 'lorra'", "adalora"),
        (["--set", "rang=4"], "no setting of lora named 'rang'", "rank"),
        (["--set", "rank"], "is not of the form key=value", "rank=16"),
        (["--task", "causal"], "cannot train a base for 'causal'", "Take classify"),
        (["--schedule", "square"], "no schedule 'square'", "linear, cosine or constant"),
        (["--base", "no-such-model"], "no base model named 'no-such-model'", "smollm2-135m-instruct"),
        (["--kind", "tagged"], "none of the kind 'tagged' can be made", "They can be taken as "),
    ],
)
def test_what_cannot_be_is_one_line_with_its_cure(
    run: Any, words: list[str], tmp_path: Path, more: list[str], said: str, cure: str
) -> None:
    done = run(*words, *more, "--out", str(tmp_path / "run"))
    assert done.status != 0
    assert done.out == ""
    (line,) = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    assert said in line
    assert cure in line
    assert "Traceback" not in done.err


def test_a_file_that_is_not_there_is_one_line(run: Any, tmp_path: Path) -> None:
    done = run("tune", str(tmp_path / "none.jsonl"), "--json")
    assert done.status == 2
    assert "none.jsonl" in done.json["error"]
    assert done.json["cure"]


def test_where_no_token_would_be_learnt_it_stops(run: Any, tmp_path: Path) -> None:
    model, data = write_model(tmp_path / "model"), write_dialogues(tmp_path / "data.json", 30)
    words = ["tune", str(data), "--base", str(model), "--out", str(tmp_path / "run")]
    done = run(*words, "--longest", "8")
    assert done.status == 2
    assert "none can be trained on" in done.err
    assert "--longest" in done.err
    facts = run(*words, "--preview", "--json").json
    said = facts["preview"].split()
    assert facts["preview"].split("⟦")[1].split("⟧")[0].split() == [said[said.index("user") + 1], "<|im_end|>"]
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.attack
def test_ctrl_c_ends_after_the_step_and_can_be_resumed(words: list[str], tmp_path: Path) -> None:
    long = [*words, "--steps", "400", "--every", "400", "--out", str(tmp_path / "run")]
    command = [sys.executable, "-m", "trivium", *long]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    history = tmp_path / "run" / "history.jsonl"
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (history.exists() and history.read_bytes().count(b"\n") >= 2):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Stopping after this step" in err
    taken = history.read_bytes().count(b"\n")
    assert 2 <= taken < 400
    assert f"Stopped at step {taken}. Go on with: --resume --out {tmp_path / 'run'}" in out
    assert (tmp_path / "run" / "checkpoints" / f"checkpoint-{taken}" / "whole").is_file()
    assert not (tmp_path / "run" / "report.json").exists()
    (row,) = json.loads(
        subprocess.run(
            [sys.executable, "-m", "trivium", "runs", str(tmp_path / "run"), "--json"],
            capture_output=True, text=True, check=True,
        ).stdout
    )["runs"]  # fmt: skip
    assert (row["steps"], row["state"]) == (taken, "not finished")
    again = subprocess.Popen([*command, "--resume"], env=environment, stderr=subprocess.PIPE, text=True)
    while history.read_bytes().count(b"\n") < taken + 1:
        assert again.poll() is None, again.communicate()[1]
        time.sleep(0.02)
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=60)
    rows = [json.loads(line)["step"] for line in history.read_text("utf-8").splitlines()]
    assert rows == list(range(1, len(rows) + 1))


def test_a_search_shows_every_trial_and_the_winner(run: Any, words: list[str], tmp_path: Path) -> None:
    searched = [*words, "--search", "rank=2,4", "--search", "rate=1e-4,1e-2", "--trials", "3"]
    done = run(*searched, "--out", str(tmp_path / "search"))
    assert done.status == 0, done.err
    assert [line for line in done.err.splitlines() if line.startswith("Trial ")][2].startswith("Trial 3 of 3: rank=")
    assert done.err.count("A sample, what is learnt") == 1
    rows = [line for line in done.out.splitlines() if line.split()[:1] and line.lstrip("* ").startswith(("2 ", "4 "))]
    assert len(rows) == 3
    assert sum(row.startswith("*") for row in rows) == 1
    assert "validation accuracy" in done.out
    assert f"Adapter: {tmp_path / 'search' / 'adapter'}" in done.out
    found = run(*searched, "--out", str(tmp_path / "search"), "--resume", "--json").json
    scores = {row["name"]: row["score"] for row in found["search"]["trials"]}
    assert found["search"]["winner"] == max(scores, key=lambda name: scores[name])
    listed = run("runs", str(tmp_path / "search"), "--json").json["runs"]
    assert {Path(row["run"]).name for row in listed} == {"search", *scores}
    refused = run(*searched, "--out", str(tmp_path / "search"))
    assert (refused.status, "--resume" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--trials", "2"], "--trials is of a search"),
        (["--search", "rank"], "is not of the form key=value"),
        (["--search", "rank=4,,8"], "leaves a value out"),
        (["--search", "rang=4,8"], "no setting to search named 'rang'"),
        (["--search", "epochs=1,2"], "epochs change nothing"),
    ],
)
def test_a_search_that_cannot_be_is_one_line(
    run: Any, words: list[str], tmp_path: Path, more: list[str], said: str
) -> None:
    done = run(*words, *more, "--out", str(tmp_path / "search"))
    assert done.status == 2
    assert said in done.err
    assert not (tmp_path / "search" / "run.json").exists()
