"""`trivium tune embedder` and `trivium tune reranker`: one result, each error with its cure, and real ones."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import trivium
from trivium.cli import tune_retrieval as commands
from trivium.tasks.training.read import read_training
from trivium.tune.retrieval import run as runs
from trivium.types import Document

REPORT = {
    "run": "runs/x", "task": "embedder", "method": "lora", "samples": 84, "validation_samples": 12, "deciding": 24,
    "left_out": {"no evidence": 3}, "steps": 6, "loss": 0.5, "seconds": 9.0, "stopped": "",
    "best": {"score": 0.9, "step": 6, "measure": "ndcg@10"}, "validation": {"ndcg@10": 0.9, "ndcg@10_64": 0.85},
    "model": "runs/x/model",
    "decision": {
        "gain": {"mean": 0.1, "low": 0.02, "high": 0.2, "n": 24}, "adopted": True, "kept": "/kb.before",
        "said": "nDCG@10 on 24 held-out questions: 0.800 -> 0.900, +0.100 (+0.020 to +0.200): adopted.",
    },
}  # fmt: skip


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What the library was asked; `calls.report` is what it gives back."""
    found: list[Any] = []
    opened = SimpleNamespace(root=tmp_path / "kb", chat="the chat model")

    def open_kb(screen: Any, kb: str, **options: Any) -> Any:
        found.append(("open", kb, options))
        return opened

    def tune(role: str, base: Any, plan: Any, out: Path, **options: Any) -> dict[str, Any]:
        options["on_stage"]("Mining negatives", 3, 3)
        found.append((role, plan, out, options))
        return {**REPORT, **found[0]} if found and isinstance(found[0], dict) else REPORT

    monkeypatch.setattr(commands, "open_kb", open_kb)
    monkeypatch.setattr(runs, "tune_retriever", tune)
    return found


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    row = {"id": "1", "question": "Who pays?", "answers": ["I"], "evidence": [{"source": "a", "text": "I pay."}]}
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps(row) + "\n", "utf-8")
    return file


def test_the_options_make_the_plan(run, calls: list[Any], questions: Path, tmp_path: Path) -> None:
    words = ["--unlabelled", "--write", "5", "--base", "b", "--method", "full", "--loss", "replug", "--teacher", "chat"]
    words += ["--dimensions", "64", "--dimensions", "32", "--negatives", "2", "--steps", "3", "--batch", "4"]
    words += ["--rate", "1e-3", "--minutes", "2", "--seed", "7", "--set", "rank=4", "--longest", "99"]
    done = run("tune", "embedder", str(questions), *words, "--out", str(tmp_path / "run"), "--kb", "mine", "--resume")
    assert done.status == 0, done.err
    (_, kb, models), (role, plan, out, options) = calls
    assert (kb, models["answers"]) == ("mine", True)
    assert (role, out, options["resume"]) == ("embedder", tmp_path / "run", True)
    assert [one.question for one in options["given"].examples] == ["Who pays?"]
    assert options["chat"]() == "the chat model"
    assert (plan.unlabelled, plan.written, plan.base, plan.method) == (True, 5, "b", "full")
    assert (plan.loss, plan.teacher, plan.dimensions, plan.negatives) == ("replug", "chat", (64, 32), 2)
    assert (plan.settings, plan.longest, plan.seed, plan.data) == ({"rank": 4}, 99, 7, str(questions))
    assert plan.training == {"epochs": 1.0, "steps": 3, "batch": 4, "seconds": 120.0, "rate": 1e-3}


def test_the_two_differ_in_their_defaults(run, calls: list[Any], questions: Path) -> None:
    assert run("tune", "embedder", str(questions)).status == run("tune", "reranker", str(questions)).status == 0
    (_, one, here, _), (_, other, there, _) = calls[1], calls[3]
    assert (one.longest, one.training["batch"], other.longest, other.training["batch"]) == (256, 16, 192, 8)
    assert here.name.startswith("tune-embedder-")
    assert there.name.startswith("tune-reranker-")
    assert calls[0][2]["answers"] is False
    run("tune", "embedder", str(questions), "--seed", "1")
    assert calls[5][2] != here, "another plan is another run"


def test_the_decision_is_printed(run, calls: list[Any], questions: Path) -> None:
    done = run("tune", "embedder", str(questions))
    assert "Mining negatives: 3 of 3" in done.err
    for line in (
        "Learnt from 84 questions (left out: no evidence: 3)",
        "6 steps in 9 s, loss 0.500, ndcg@10 0.900 at step 6",
        "the first 64 dimensions alone: 0.850",
        "Model: runs/x/model",
        "0.800 -> 0.900, +0.100 (+0.020 to +0.200): adopted.",
        "The old vectors stay in /kb.before",
    ):
        assert line in done.out
    assert run("tune", "embedder", str(questions), "--json").json == REPORT


def test_nothing_decided_is_said(run, calls: list[Any], questions: Path) -> None:
    calls.append({"decision": None})
    assert (
        "nothing was adopted. Use it with --embedder in a new knowledge base."
        in run("tune", "embedder", str(questions)).out
    )


def test_a_stopped_run_says_how_to_go_on(run, calls: list[Any], questions: Path, tmp_path: Path) -> None:
    calls.append({"stopped": "asked"})
    done = run("tune", "embedder", str(questions), "--out", str(tmp_path / "run"))
    assert done.status == 130
    assert f"--out {tmp_path / 'run'} and --resume" in done.out
    done = run("tune", "embedder", str(questions), "--json")
    assert (done.status, done.json["stopped"]) == (130, "asked")  # one object, which says it


@pytest.mark.parametrize("role", ["embedder", "reranker"])
def test_help_has_an_example(run, role: str) -> None:
    said = " ".join(run("tune", role, "--help").out.split())
    assert f"Example: trivium tune {role} questions.jsonl --kb handbook" in said
    assert "held-out questions" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{tmp}/none.jsonl"], "There is no file"),
        (["{set}", "--kb", "{tmp}/none"], "There is no knowledge base"),
        (["{set}", "--set", "rank"], "rank=16"),
        (["{set}", "--negatives", "0"], "--negatives"),
    ],
)
def test_errors_are_one_line_with_a_cure(run, questions: Path, tmp_path: Path, words: list[str], said: str) -> None:
    given = [word.format(set=questions, tmp=tmp_path) for word in words]
    done = run("tune", "embedder", *given, "--json")
    assert done.status in (1, 2)
    assert said in done.json["error"] + done.json["cure"]
    assert done.json["cure"]


# --- on the real models ----------------------------------------------------------------------------------------


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "trivium", *words, "--json"]


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("TRIVIUM_KB")}


def answered(folder: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        command(*words), cwd=folder, env=environment(), capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def squad(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `set/kb` and `set/questions.jsonl`: three questions of each passage of some SQuAD articles."""
    folder = tmp_path_factory.mktemp("squad")
    articles = json.loads((shared_data / "squad" / "test-v1.1.json").read_text("utf-8"))["data"][:3]
    for article in articles:
        article["paragraphs"] = [{**one, "qas": one["qas"][:3]} for one in article["paragraphs"][:12]]
    (folder / "squad.json").write_text(json.dumps({"version": "1.1", "data": articles}), "utf-8")
    answered(folder, "bench-set", "set", "squad.json")
    return folder


def spoilt(folder: Path) -> Path:
    """A copy of the embedded encoder whose words mean nothing: anything trained from the whole one is better."""
    from safetensors.numpy import load_file, save_file

    from trivium.models.pull import ensure

    made = shutil.copytree(ensure("all-minilm-l6-v2"), folder / "spoilt")
    weights = load_file(made / "model.safetensors")
    name = next(name for name in weights if name.endswith("word_embeddings.weight"))
    weights[name] = weights[name][::-1].copy()
    save_file(weights, made / "model.safetensors", metadata={"format": "pt"})
    return made


@pytest.mark.real
def test_a_better_embedder_takes_a_real_knowledge_base_over(shared_data: Path, tmp_path: Path) -> None:
    """Sentences that say the same in other words (STS-B): what a search by words alone hardly finds."""
    pairs = [one for one in read_training(shared_data / "pairs" / "sts-train.csv").samples if one.value >= 4]
    pairs = [one for one in pairs if overlap(one.text, one.second) < 0.3]
    others = [one.text for one in read_training(shared_data / "pairs" / "sts-dev.csv").samples[:300]]
    texts = dict.fromkeys([*(one.second for one in pairs), *others])
    bad = str(spoilt(tmp_path))
    base = trivium.open(tmp_path / "kb", embedder=bad)
    base.add([Document(f"d{number}", text) for number, text in enumerate(texts)])
    sources = {text: f"d{number}" for number, text in enumerate(texts)}
    rows = [
        {"id": one.id, "question": one.text, "evidence": [{"source": sources[one.second], "text": one.second}]}
        for one in pairs
    ]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    words = ["tune", "embedder", "questions.jsonl", "--kb", "kb", "--steps", "2", "--batch", "8", "--negatives", "2"]
    report = answered(tmp_path, *words, "--embedder", bad, "--base", "all-minilm-l6-v2", "--dimensions", "64")
    decision = report["decision"]
    assert decision["adopted"], decision["said"]
    assert decision["gain"]["low"] > 0
    assert 0 < report["validation"]["ndcg@10_64"] <= 1
    assert Path(decision["kept"]).name == "kb.before"
    asked = ["search", "Somebody slices potatoes.", "--kb"]
    (hit, *_) = answered(tmp_path, *asked, "kb")["hits"]  # with no --embedder: it has its own now
    assert "dense" in hit["found_by"]
    assert answered(tmp_path, *asked, "kb.before", "--embedder", bad)["hits"]


def overlap(one: str, other: str) -> float:
    a, b = set(one.lower().split()), set(other.lower().split())
    return len(a & b) / len(a | b)


@pytest.mark.real
def test_a_reranker_stops_at_ctrl_c_goes_on_and_is_judged(squad: Path) -> None:
    words = ["tune", "reranker", "set/questions.jsonl", "--kb", "set/kb", "--steps", "4", "--batch", "4"]
    words += ["--negatives", "2", "--longest", "96", "--out", "runs/reranker"]
    history = squad / "runs" / "reranker" / "history.jsonl"
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command(*words), cwd=squad, env=environment(), **streams) as process:
        try:
            end = time.monotonic() + 300
            while not (history.exists() and history.read_text()) and time.monotonic() < end:
                assert process.poll() is None, process.communicate()
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert json.loads(out)["stopped"] == "asked"
    assert not (squad / "set" / "kb" / "reranker").exists()
    report = answered(squad, *words, "--resume")
    assert report["steps"] == 4
    assert report["decision"]["adopted"] is (report["decision"]["gain"]["low"] > 0)
    assert (squad / "set" / "kb" / "reranker").exists() is report["decision"]["adopted"]
    asked = ["ask", "What is the capital of Montana?", "--kb", "set/kb", "--reranker", report["model"]]
    assert answered(squad, *asked)["hits"]
