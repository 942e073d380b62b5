"""The command line on the real models and real documents, as a person runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import trivium

pytestmark = pytest.mark.real
DEMO = Path(trivium.__file__).parent / "data" / "demo"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "trivium", *arguments]


def run(folder: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TRIVIUM_KB")}
    return subprocess.run(
        [*prefix, *command(*arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def as_json(folder: Path, *arguments: str, status: int = 0) -> dict[str, Any]:
    done = run(folder, *arguments, "--json")
    assert done.returncode == status, done.stderr
    assert done.stdout.count("\n") == 1
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a knowledge base `.trivium` of the demo's documents."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(DEMO, folder / "docs")
    report = as_json(folder, "add", "docs")
    assert report["failed"] == []
    assert report["added"] == len([path for path in DEMO.rglob("*") if path.is_file()])
    return folder


def test_adding_again_changes_nothing(place: Path) -> None:
    report = as_json(place, "add", "docs")
    assert (report["added"], report["updated"], report["chunks"]) == (0, 0, 0)
    assert as_json(place, "verify")["problems"] == []


@pytest.mark.parametrize(
    ("question", "word"),
    [("What happens to a file that cannot be read?", "reported"), ("删除一份文档会删除什么？", "向量")],
)
def test_a_cited_answer_quotes_the_stored_text(place: Path, question: str, word: str) -> None:
    answer = as_json(place, "ask", question)
    assert not answer["refused"]
    assert word in answer["text"] + "".join(c["quote"] for c in answer["citations"])
    assert answer["citations"]
    kb = trivium.open(place / ".trivium", create=False)
    ids = {document.source: document.id for document in kb.documents()}
    for citation in answer["citations"]:
        text = kb.document_text(ids[citation["source"]])
        assert text[citation["start"] : citation["end"]] == citation["quote"]
        assert f"[{citation['marker']}]" in answer["text"]


def test_a_refusal(place: Path) -> None:
    answer = as_json(place, "ask", "How many employees work in the Paris office?")
    assert answer["refused"]
    assert answer["citations"] == []


def test_access_holds_on_the_command_line(place: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("# Merger\n\nThe merger with Zanzibar Widgets closes on the fourth of May.\n")
    as_json(place, "add", str(secret), "--access", "user:ada")
    question = "When does the merger with Zanzibar Widgets close?"
    stranger = as_json(place, "search", question, "--as", "user:ben")
    assert all(hit["source"] != str(secret) for hit in stranger["hits"])
    assert as_json(place, "search", question, "--as", "user:ada")["hits"][0]["source"] == str(secret)
    assert "Zanzibar Widgets closes" not in json.dumps(as_json(place, "ask", question))
    receipt = as_json(place, "remove", str(secret))
    assert receipt["left"] == 0
    assert receipt["removed"][0]["chunks"] >= 1
    hits = as_json(place, "search", question, "--as", "user:ada", "--mode", "lexical")["hits"]
    assert all(hit["source"] != str(secret) for hit in hits)


def test_bad_files_are_named_and_the_rest_is_added(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "good.md").write_text("# Good\n\nThis one can be read.\n")
    (tmp_path / "docs" / "empty.pdf").write_bytes(b"")
    (tmp_path / "docs" / "坏 的.docx").write_bytes(b"PK\x03\x04 not a zip")
    report = as_json(tmp_path, "add", "docs", status=1)
    assert report["added"] == 1
    assert {Path(f["source"]).name for f in report["failed"]} == {"empty.pdf", "坏 的.docx"}
    assert all(f["reason"] for f in report["failed"])


def test_no_network_is_used(place: Path) -> None:
    prefix = ("unshare", "--map-root-user", "--net")
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system cannot start a process without a network")
    done = run(place, "ask", "What happens to a file that cannot be read?", prefix=prefix)
    assert done.returncode == 0, done.stderr
    assert "[1] " in done.stdout


@pytest.mark.parametrize("delay", [0.7, 1.5, 2.5])
def test_ctrl_c_while_adding_is_clean(tmp_path: Path, delay: float) -> None:
    (tmp_path / "docs").mkdir()
    for number in range(400):
        prose = f"Paragraph {number} speaks of matter {number * 7}. " * 40
        (tmp_path / "docs" / f"{number}.md").write_text(f"# Part {number}\n\n{prose}\n")
    process = subprocess.Popen(
        command("add", "docs"), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    if (tmp_path / ".trivium" / "trivium.json").exists():
        assert as_json(tmp_path, "verify")["problems"] == []


def test_the_demo_is_quick_and_shows_what_it_promises(tmp_path: Path) -> None:
    started = time.monotonic()
    done = run(tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 60
    questions = re.split(r"^\? ", done.stdout, flags=re.MULTILINE)[1:]
    assert len(questions) == 4
    cited = ["[1] " in answer for answer in questions]
    assert cited == [True, True, True, False]
    assert re.search(r"[\u4e00-\u9fff]", questions[2].split("\n", 1)[1])


def test_the_demo_takes_your_documents(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "warranty.md").write_text("# Warranty\n\nThe warranty of the K2 pump is 24 months.\n")
    done = run(tmp_path, "demo", "--docs", "mine", "--question", "How long is the warranty of the K2 pump?")
    assert done.returncode == 0, done.stderr
    assert "24 months" in done.stdout
    assert "[1] mine/warranty.md" in done.stdout
