from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import trivium
from trivium.models.fake import FakeEmbedder
from trivium.tasks.questions import read_jsonl, write_questions
from trivium.types import Document, Example, Gold

EXAMPLES = [
    Example("a", "How long is the warranty?", ("24 months",), (Gold("m.md", "The warranty is 24 months."),)),
    Example("b", "Who pays for the delivery?", ("the seller",), (Gold("n.md", "The seller pays."),)),
    Example("c", "保修多久？", ("二十四个月",), (Gold("p.md", "保修期为二十四个月。"),)),
    Example("d", "Who is the president?", unanswerable=True, metadata={"document": "p.md"}),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_questions(tmp_path / "set.jsonl", EXAMPLES)
    return tmp_path / "set.jsonl"


def test_split_writes_a_file_for_each_part(run: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    done = run("questions", "split", str(file), "train=0.5", "test=0.5", "--out", str(tmp_path / "parts"), "--json")
    assert done.status == 0
    assert done.json["components"] == 3
    assert {part["questions"] for part in done.json["parts"].values()} == {2}
    rows = [row for part in done.json["parts"].values() for row in read_jsonl(part["path"])]
    assert sorted(row.id for row in rows) == ["a", "b", "c", "d"]
    (half,) = [p for p in done.json["parts"].values() if "c" in [row.id for row in read_jsonl(p["path"])]]
    assert {row.id for row in read_jsonl(half["path"])} >= {"c", "d"}  # asked of the same document


def test_split_says_how_large_the_parts_are(run: Callable[..., Any], file: Path) -> None:
    done = run("questions", "split", str(file))
    assert done.status == 0
    assert "train: 3 questions (75.0%, wanted 80.0%)" in done.out
    assert (file.parent / "set.test.jsonl").exists()


@pytest.mark.parametrize("part", ["train", "=0.5", "a b=1", "train=much", "../x=0.5", "train=-1"])
def test_a_part_that_cannot_be_is_wrong_usage(run: Callable[..., Any], file: Path, part: str) -> None:
    assert run("questions", "split", str(file), part).status == 2


def test_split_by_an_unknown_key_is_wrong_usage(run: Callable[..., Any], file: Path) -> None:
    done = run("questions", "split", str(file), "--by", "chapter")
    assert done.status == 2
    assert "chapter" in done.err


def test_leak_lists_pairs_and_its_status_says_so(run: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    write_questions(other, [Example("x", "how long is the WARRANTY ?", ("2 years",)), Example("y", "Why?", ("So",))])
    found = run("questions", "leak", str(file), str(other), "--json")
    assert found.status == 1
    assert found.json["leaking"] == 1
    assert [(pair["left"], pair["right"], pair["exact"]) for pair in found.json["pairs"]] == [("a", "x", True)]
    shown = run("questions", "leak", str(file), str(other))
    assert "exact  question  a = x" in shown.out
    assert run("questions", "leak", str(file), str(other), "--of", "evidence").status == 0
    assert run("questions", "leak", str(file), str(other), "--of", "answers").status == 2


def test_show(run: Callable[..., Any], file: Path) -> None:
    done = run("questions", "show", str(file), "--n", "1")
    assert done.status == 0
    assert "questions: 4" in done.out
    assert "1. How long is the warranty?" in done.out
    assert "Who pays" not in done.out
    facts = run("questions", "show", str(file), "--json").json
    assert (facts["questions"], facts["unanswerable"], facts["with_evidence"]) == (4, 1, 3)


def test_a_file_that_is_not_there_is_wrong_usage(run: Callable[..., Any]) -> None:
    for command in (["show", "no.jsonl"], ["split", "no.jsonl"], ["review", "no.jsonl"], ["leak", "no", "no"]):
        done = run("questions", *command)
        assert done.status == 2
        assert "Error: " in done.err


# -- make -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kb_folder(tmp_path: Path) -> str:
    base = trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    text = "The K3 pump was designed by Maria Lopez in a small workshop near the harbour of Lima."
    base.add([Document("pumps.md", text, title="Pumps")])
    secret = "The K9 pump was sold to the army by Carmen Vega for the sum of 7 million dollars in 1994."
    base.add([Document("secret.md", secret, title="Secret")], ["user:ada"])
    return str(tmp_path / "kb")


@pytest.fixture
def no_embedding(monkeypatch: pytest.MonkeyPatch) -> None:
    from trivium.cli import progress
    from trivium.models import embed

    monkeypatch.setattr(embed, "open_embedder", lambda spec: FakeEmbedder())
    monkeypatch.setattr(progress, "fetch_defaults", lambda screen, roles: None)


@pytest.mark.usefixtures("no_embedding")
def test_make_without_a_model(run: Callable[..., Any], kb_folder: str, tmp_path: Path) -> None:
    out = str(tmp_path / "made.jsonl")
    done = run("questions", "make", out, "--kb", kb_folder, "--no-model", "--kind", "cloze", "--json")
    assert done.status == 0
    made = done.json["kinds"]["cloze"]
    assert made["kept"] == done.json["new"] > 0
    assert made["rate"] == made["kept"] / made["tried"]
    rows = list(read_jsonl(out))
    assert {row.evidence[0].source for row in rows} == {"pumps.md"}  # what only Ada may read is not asked about
    again = run("questions", "make", out, "--kb", kb_folder, "--no-model", "--kind", "cloze")
    assert again.status == 0
    assert "0 new questions" in again.out
    assert "tries gave only" in again.err


@pytest.mark.usefixtures("no_embedding")
def test_make_for_one_who_may_read_more(run: Callable[..., Any], kb_folder: str, tmp_path: Path) -> None:
    out = str(tmp_path / "made.jsonl")
    run("questions", "make", out, "--kb", kb_folder, "--no-model", "--kind", "cloze", "--as", "user:ada")
    assert {row.evidence[0].source for row in read_jsonl(out)} == {"pumps.md", "secret.md"}


@pytest.mark.usefixtures("no_embedding")
def test_make_refuses_what_cannot_be(run: Callable[..., Any], kb_folder: str, tmp_path: Path) -> None:
    out = str(tmp_path / "made.jsonl")
    assert run("questions", "make", out, "--kb", kb_folder, "--kind", "riddle").status == 2
    assert run("questions", "make", out, "--kb", kb_folder, "--no-model", "--kind", "single").status == 2
    assert run("questions", "make", out, "--kb", str(tmp_path / "none")).status == 1


# -- review, at a terminal ------------------------------------------------------------------------------------------


class Terminal:
    """A pseudo-terminal with the command running in it."""

    def __init__(self, *arguments: str) -> None:
        self.screen, child = pty.openpty()
        environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb"}
        command = [sys.executable, "-m", "trivium", *arguments]
        self.process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment)
        os.close(child)
        self.seen = ""
        self.at = 0

    def until(self, words: str, seconds: float = 60.0) -> str:
        """Read on until the words appear; return what came up to them."""
        end, start = time.monotonic() + seconds, self.at
        while (found := self.seen.find(words, start)) < 0:
            left = end - time.monotonic()
            assert left > 0, f"{words!r} did not appear in {self.seen[start:]!r}"
            if select.select([self.screen], [], [], left)[0]:
                try:
                    self.seen += os.read(self.screen, 4096).decode("utf-8", "replace")
                except OSError as error:  # the command has ended
                    raise AssertionError(f"{words!r} did not appear in {self.seen[start:]!r}") from error
        self.at = found + len(words)
        return self.seen[start : self.at]

    def type(self, words: str) -> None:
        os.write(self.screen, words.encode())


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    one = Terminal(*arguments)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()
        os.close(one.screen)


def test_review_at_a_terminal(file: Path) -> None:
    ask = "[q]uit: "
    with terminal("questions", "review", str(file)) as one:
        assert "1/4. How long is the warranty?" in one.until(ask)
        one.type("k\n")
        assert "2/4. Who pays" in one.until(ask)
        one.type("e\n")
        one.until("question [Who pays")
        one.type("Who bears the cost of delivery?\n")
        one.until("answers")
        one.type("the seller | he\n")
        assert "3/4. 保修多久？" in one.until(ask)
        one.type("maybe\n")
        one.until("Type k, e, d, b or q")
        one.until(ask)
        one.type("q\n")
        assert "Kept 1, edited 1, dropped 0, left 2" in one.until("left 2")
        assert one.process.wait(20) == 0
    with terminal("questions", "review", str(file)) as one:  # goes on where it was left
        assert "3/4. 保修多久？" in one.until(ask)
        one.type("d\n")
        assert "the documents do not say" in one.until(ask)
        one.type("b\n")
        assert "3/4." in one.until(ask)
        one.type("k\n")
        one.until(ask)
        one.type("k\n")
        one.until("Kept 3, edited 1, dropped 0, left 0")
        assert one.process.wait(20) == 0
    rows = list(read_jsonl(file.with_name("set.reviewed.jsonl")))
    assert [(row.question, row.answers) for row in rows][1] == ("Who bears the cost of delivery?", ("the seller", "he"))
    assert len(rows) == 4
    assert [row.question for row in read_jsonl(file)] == [example.question for example in EXAMPLES]


def test_ctrl_c_and_the_end_of_the_input_keep_what_was_decided(file: Path) -> None:
    with terminal("questions", "review", str(file)) as one:
        one.until("[q]uit: ")
        one.type("d\n")
        one.until("[q]uit: ")
        one.process.send_signal(signal.SIGINT)
        one.until("Interrupted")
        assert one.process.wait(20) == 130
    with terminal("questions", "review", str(file)) as one:
        assert "2/4." in one.until("[q]uit: ")
        one.type("\x04")
        one.until("dropped 1, left 3")
        assert one.process.wait(20) == 0


def test_review_json_says_how_far_it_is(run: Callable[..., Any], file: Path) -> None:
    file.with_name("set.jsonl.review.jsonl").write_text(json.dumps({"id": "a", "choice": "drop"}) + "\n", "utf-8")
    done = run("questions", "review", str(file), "--json")
    assert (done.json["dropped"], done.json["left"]) == (1, 3)
    assert not file.with_name("set.reviewed.jsonl").exists()
