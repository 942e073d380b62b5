from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROWS = [
    {"id": "1", "question": "How long is the warranty?", "answers": ["24 months"], "context": "It is 24 months."},
    {"id": "2", "question": "Who pays?", "answers": ["the maker"], "context": "The maker pays."},
]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)) + '\n{"id": "3", "question"')
    return path


def test_json(run, kb, questions: Path, tmp_path: Path) -> None:
    done = run("bench-set", str(tmp_path / "mine"), str(questions), "--json")
    assert done.status == 0
    result = done.json
    assert result["questions"] == 2
    assert result["problems"] == {"malformed": 1}
    assert result["kb"] == str(tmp_path / "mine" / "kb")
    assert result["failed"] == result["missing"] == []
    written = (tmp_path / "mine" / "questions.jsonl").read_text().splitlines()
    assert [json.loads(line)["evidence"][0]["text"] for line in written] == ["It is 24 months.", "The maker pays."]
    [(_, (documents, _))] = [call for call in kb.calls if call[0] == "add"]
    assert {d.source for d in documents} == {json.loads(line)["evidence"][0]["source"] for line in written}
    assert ("fetch", ["embedding"]) in kb.calls


def test_problems_are_shown_with_their_lines(run, kb, questions: Path, tmp_path: Path) -> None:
    done = run("bench-set", str(tmp_path / "mine"), str(questions))
    assert "set.jsonl:3 is not JSON" in done.err
    assert "Read 2 questions (plain)" in done.out
    assert str(tmp_path / "mine" / "questions.jsonl") in done.out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["{set}", "--documents", "{tmp}/none"], "There is no folder"),
        (["{set}", "--corpus", "{tmp}/none"], "There is no file"),
        (["{tmp}/none.json"], "There is no file"),
        (["{tmp}"], "holds no collection"),
    ],
)
def test_wrong_paths_cost_no_model(run, kb, questions: Path, tmp_path: Path, arguments: list[str], word: str) -> None:
    given = [argument.format(set=questions, tmp=tmp_path) for argument in arguments]
    done = run("bench-set", str(tmp_path / "mine"), *given, "--json")
    assert done.status == 2
    assert word in done.json["error"]
    assert kb.calls == []
    assert not (tmp_path / "mine").exists()


def test_a_set_without_passages_says_how_to_give_them(run, kb, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"id": "1", "question": "Who?", "answers": ["I"]}\n')
    done = run("bench-set", str(tmp_path / "mine"), str(tmp_path / "q.jsonl"), "--json")
    assert done.status == 2
    assert "--corpus" in done.json["cure"]
    assert kb.calls == []


@pytest.mark.real
def test_interrupted_and_run_again(tmp_path: Path, shared_data: Path) -> None:
    """Ctrl-C ends it with 130; run again it adds the rest; a third run adds nothing. Every source is stored."""
    source = shared_data / "xquad" / "xquad.en.json"
    if not source.exists():
        pytest.skip("no xquad in the folder of real data")
    command = [sys.executable, "-m", "trivium", "bench-set", "xquad", str(source), "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    if process.returncode != 0:  # a fast machine may be done by then
        assert process.returncode == 130
        assert json.loads(out)["error"] == "Interrupted."
    first = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert first["added"] + first["unchanged"] == first["documents"] > 100
    again = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert (again["added"], again["unchanged"]) == (0, first["documents"])
    listing = [sys.executable, "-m", "trivium", "list", "--kb", "xquad/kb", "--json"]
    stored = json.loads(subprocess.run(listing, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    sources = {document["source"] for document in stored["documents"]}
    rows = [
        json.loads(line) for line in (tmp_path / "xquad" / "questions.jsonl").read_text("utf-8").split("\n") if line
    ]
    assert len(rows) == first["questions"]
    assert {gold["source"] for row in rows for gold in row["evidence"]} <= sources


@pytest.mark.real
def test_filings_of_financebench(tmp_path: Path, shared_data: Path) -> None:
    """Evidence points to the PDF files beside the set, by name."""
    source = shared_data / "financebench" / "financebench_open_source.jsonl"
    if not source.exists():
        pytest.skip("no FinanceBench in the folder of real data")
    rows = [json.loads(line) for line in source.read_text("utf-8").split("\n") if line.strip()]
    small = {"FOOTLOCKER_2022_8K_dated-2022-05-20", "ULTABEAUTY_2023Q4_EARNINGS"}
    chosen = [row for row in rows if row["doc_name"] in small]
    if not chosen:
        pytest.skip("the small filings are not in this cut")
    (tmp_path / "two.jsonl").write_text("\n".join(map(json.dumps, chosen)))
    command = [sys.executable, "-m", "trivium", "bench-set", "fin", "two.jsonl"]
    command += ["--documents", str(source.parent), "--json"]
    done = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert done["failed"] == done["missing"] == []
    assert done["documents"] == len({row["doc_name"] for row in chosen})
    for line in (tmp_path / "fin" / "questions.jsonl").read_text("utf-8").split("\n"):
        if line:
            row = json.loads(line)
            assert {gold["source"] for gold in row["evidence"]} == {row["metadata"]["document"]}
            assert row["metadata"]["document"].endswith(".pdf")
