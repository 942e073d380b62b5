"""`trivium evaluate`, on systems that need no model: files of answers, functions, a knowledge base with fakes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import trivium
from trivium.cli import evaluate as command
from trivium.cli.evaluate import spread
from trivium.evaluate import report
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.types import Document

Run = Callable[..., Any]

QUESTIONS = [
    {"id": "w", "question": "How long is the warranty?", "answers": ["24 months"],
     "evidence": [{"source": "handbook.md", "text": "The warranty is 24 months."}]},
    {"id": "p", "question": "Who approves travel?", "answers": ["the head of the department"],
     "evidence": [{"source": "handbook.md", "text": "Travel is approved by the head of the department."}]},
    {"id": "m", "question": "Who makes the coffee?", "answers": ["the robot"],
     "evidence": [{"source": "kitchen.md", "text": "Coffee is made by the robot."}]},
    {"id": "u", "question": "How many moons has Pluto?", "answers": [], "unanswerable": True},
]  # fmt: skip
ANSWERS = [
    {"id": "w", "answer": "It is 24 months.", "contexts": ["The warranty is 24 months."]},
    {"question": "Who approves travel?", "answer": "nobody"},
    {"id": "m", "answer": "the robot"},
    {"id": "u", "answer": "The documents do not say."},
]


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take seconds, and tests/evaluate/test_report.py looks at them."""
    monkeypatch.setattr(report, "write_plots", lambda of, *, abilities: [])


@pytest.fixture
def questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return lines(tmp_path / "set.jsonl", QUESTIONS)


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def answers(tmp_path: Path, questions: Path) -> Path:
    return lines(tmp_path / "answers.jsonl", ANSWERS)


def test_json_is_exactly_what_is_promised(run: Run, questions: Path, answers: Path) -> None:
    done = run("evaluate", str(questions), "--system", str(answers), "--out", "r", "--json")
    assert done.status == 0
    assert set(done.json) == {"run", "questions", "metrics", "failure_points", "judge_failures", "seconds"}
    assert done.json["run"] == "r"
    assert done.json["questions"] == 4
    low, high = pytest.approx(0.30, abs=0.01), pytest.approx(0.954, abs=0.01)
    assert done.json["metrics"]["correct"] == {"mean": 0.75, "low": low, "high": high, "n": 4}
    assert list(done.json["failure_points"]) == [*(f"FP{n}" for n in range(1, 8)), "retrieval_not_needed"]
    assert sum(done.json["failure_points"].values()) == 1
    assert done.json["judge_failures"] == 0
    assert Path("r/report.html").is_file()
    assert len(Path("r/results.jsonl").read_text("utf-8").splitlines()) == 4


def test_the_table_names_metrics_and_reasons(run: Run, questions: Path, answers: Path) -> None:
    done = run("evaluate", str(questions), "--system", str(answers))
    assert done.status == 0
    assert "0.750" in done.out
    assert "why answers were wrong" in done.out
    assert "4 of 4 questions" in done.out
    folder = next(Path("runs").iterdir())
    assert folder.name.startswith("set-answers-")
    again = run("evaluate", str(questions), "--system", str(answers))
    assert "4 of them answered before" in again.out
    assert len(list(Path("runs").iterdir())) == 1  # the same command is the same run


def test_other_settings_in_the_same_folder_are_refused(run: Run, questions: Path, answers: Path) -> None:
    run("evaluate", str(questions), "--system", str(answers), "--out", "r")
    done = run("evaluate", str(questions), "--system", str(answers), "--out", "r", "--seed", "5")
    assert done.status == 2
    assert "seed: 0, now 5" in done.err
    assert "--out" in done.err


def test_a_question_without_an_answer_is_an_error_by_name_and_asked_again(
    run: Run, questions: Path, tmp_path: Path
) -> None:
    partial = lines(tmp_path / "some.jsonl", ANSWERS[:2])
    done = run("evaluate", str(questions), "--system", str(partial), "--out", "r")
    assert done.status == 1
    assert "Not answered: m: UsageError: some.jsonl holds no answer to the question m." in done.err
    assert "2 of 4 questions" in done.out


def test_a_function_of_mine(run: Run, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_for_test.py").write_text(
        "def answer(question):\n    if 'coffee' in question: raise ValueError('no coffee')\n"
        "    return {'answer': '24 months', 'contexts': [{'text': 'x', 'source': 'handbook.md'}]}\n"
        "def broken(question):\n    return 7\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    done = run("evaluate", str(questions), "--system", "python:mine_for_test:answer", "--json")
    assert done.status == 1
    assert done.json["metrics"]["correct"]["n"] == 3
    done = run("evaluate", str(questions), "--system", "python:mine_for_test:broken")
    assert "int, which is no answer" in done.err
    done = run("evaluate", str(questions), "--system", "python:mine_for_test:nothing")
    assert done.status == 2
    assert "answer, broken" in done.err
    assert run("evaluate", str(questions), "--system", "python:there_is_none:f").status == 2


def test_another_run_is_compared_question_by_question(run: Run, questions: Path, answers: Path, tmp_path: Path) -> None:
    worse = lines(tmp_path / "worse.jsonl", [{**row, "answer": "nothing at all"} for row in ANSWERS])
    run("evaluate", str(questions), "--system", str(worse), "--out", "before")
    done = run("evaluate", str(questions), "--system", str(answers), "--out", "now", "--against", "before")
    assert done.status == 0
    assert "tie" in done.out  # four questions prove nothing
    assert "Now right: 3" in done.out
    assert "before: nothing at all" in done.out
    as_json = run("evaluate", str(questions), "--system", str(answers), "--out", "now", "--against", "before", "--json")
    assert as_json.json["against"]["gained"] == ["w", "m", "u"]
    assert run("evaluate", str(questions), "--system", str(answers), "--against", "nowhere").status == 2


def test_a_limit_is_drawn_by_the_seed(run: Run, questions: Path, answers: Path) -> None:
    drawn = {}
    for seed in ("1", "2", "3", "4"):
        run("evaluate", str(questions), "--system", str(answers), "--out", seed, "--limit", "2", "--seed", seed)
        rows = Path(seed, "results.jsonl").read_text("utf-8").splitlines()
        drawn[seed] = tuple(json.loads(row)["example"]["id"] for row in rows)
    assert all(len(ids) == 2 for ids in drawn.values())
    assert len(set(drawn.values())) > 1


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trivium.KnowledgeBase:
    chat = FakeChat("The warranty is 24 months.")
    base = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(), chat=chat)
    base.add([Document("handbook.md", "The warranty is 24 months. Travel is approved by the head of the department.")])
    monkeypatch.setattr(command, "open_kb", lambda *args, **options: base)
    return base


def test_a_pattern_over_a_knowledge_base(run: Run, questions: Path, base: trivium.KnowledgeBase) -> None:
    done = run("evaluate", str(questions), "--pattern", "naive", "--kb", "kb", "--out", "r")
    assert "No stored passage holds the answer to 1 of the questions, which will fail (FP1): m." in done.err
    assert done.status == 0
    rows = {row["example"]["id"]: row for row in map(json.loads, Path("r/results.jsonl").read_text().splitlines())}
    assert rows["w"]["right"] is True
    assert rows["w"]["ranks"] == [1]
    assert rows["m"]["failure"]["point"] == "FP1"
    record = json.loads(Path("r/run.json").read_text("utf-8"))
    assert record["settings"]["system"]["chat"] == "fake-chat"
    assert record["settings"]["system"]["kb"]["documents"] == 1
    assert record["settings"]["system"]["kb"]["embedder"] == "fake-embedder-64"
    assert record["notes"]["fp1_candidates"] == {"count": 1, "ids": ["m"]}
    base.add([Document("kitchen.md", "Coffee is made by the robot.")])
    changed = run("evaluate", str(questions), "--pattern", "naive", "--kb", "kb", "--out", "r")
    assert changed.status == 2
    assert "system.kb.content" in changed.err


def test_the_model_alone_tells_whether_retrieval_was_needed(
    run: Run, questions: Path, base: trivium.KnowledgeBase
) -> None:
    asked = base.chat.calls  # type: ignore[attr-defined]
    run("evaluate", str(questions), "--pattern", "naive", "--out", "with")
    both = len(asked)
    run("evaluate", str(questions), "--pattern", "naive", "--out", "without", "--no-closed-book")
    assert both > len(asked) - both > 0


def test_bad_input(run: Run, questions: Path, tmp_path: Path) -> None:
    assert "No question set is given" in run("evaluate").err
    assert run("evaluate", "missing.jsonl", "--system", "closed_book").status == 2
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert run("evaluate", str(empty), "--system", str(questions)).status == 2
    done = run("evaluate", str(questions), "--system", "unheard-of")
    assert done.status == 2
    assert "python:MODULE:FUNCTION" in done.err
    assert run("evaluate", str(questions), "--system", "pattern:clever").status == 2
    both = run("evaluate", str(questions), "--system", "closed_book", "--pattern", "naive")
    assert "Give one of them" in both.err
    assert "holds no answers" in run("evaluate", str(questions), "--system", str(empty)).err


def test_a_malformed_line_is_reported_and_the_rest_runs(run: Run, answers: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    rows = [json.dumps(row) for row in QUESTIONS]
    path.write_text("\n".join([rows[0], '{"id": "x", "question": ', rows[2]]) + "\n")
    done = run("evaluate", str(path), "--system", str(answers), "--json")
    assert done.json["questions"] == 2
    assert "broken.jsonl:2" in done.err


def test_abilities_take_all_the_files_after_them() -> None:
    assert spread(["q.jsonl", "--abilities", "a", "b", "--json"]) == [
        "q.jsonl", "--abilities", "a", "--abilities", "b", "--json",
    ]  # fmt: skip
    assert spread(["--abilities", "a", "--limit", "3"]) == ["--abilities", "a", "--limit", "3"]
    assert spread(["q", "--abilities"]) == ["q", "--abilities"]
    assert spread(["q", "--abilities=a", "b"]) == ["q", "--abilities=a", "b"]


def test_abilities_stand_in_the_report(
    run: Run, questions: Path, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trivium.cli import abilities

    figure = {"ability": "noise", "set": "rgb", "language": "en", "metric": "accuracy", "at": 0.2, "arm": "",
              "mean": 0.5, "low": 0.4, "high": 0.6, "n": 50}  # fmt: skip

    def measured(screen: Any, files: list[Path], *, out: Path, **options: Any) -> int:
        assert files == [Path("a.json"), Path("b.json")]
        out.mkdir()
        (out / "abilities.json").write_text(json.dumps({"figures": [figure]}))
        screen.emit({"not": "this"})
        return 0

    monkeypatch.setattr(abilities, "run_abilities", measured)
    given = [str(questions), "--system", str(answers), "--out", "r", "--json", "--abilities", "a.json", "b.json"]
    done = run("evaluate", *given)
    assert "metrics" in done.json
    assert "Noise robustness" in Path("r/report.html").read_text("utf-8")


def test_an_interrupt_leaves_a_run_to_go_on_with(
    run: Run, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stops_for_test.py").write_text(
        "import signal\ndef answer(question):\n"
        "    if 'travel' in question: signal.raise_signal(signal.SIGINT)\n    return 'x'\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    done = run("evaluate", str(questions), "--system", "python:stops_for_test:answer", "--out", "r", "--workers", "1")
    assert done.status == 130
    assert "What was finished is kept" in done.err
    assert Path("r/results.jsonl").read_text("utf-8").count("\n") >= 1
    assert json.loads(Path("r/run.json").read_text("utf-8"))["complete"] is False
