"""`trivium compare`, `advise` and `improve` from the command line, on a fake chat model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import trivium
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.types import Document, Message

Run = Callable[..., Any]
TOWNS = {f"Town{n}": f"River{n}" for n in range(40)}


def say(messages: Sequence[Message]) -> str:
    """Knows what it is shown, and every fourth town by heart."""
    asked = messages[-1].content
    town = next(word.strip("?") for word in reversed(asked.split()) if word.startswith("Town"))
    known = int(town.removeprefix("Town")) % 4 == 0
    return f"It is {TOWNS[town]}." if known or f"{town} is called {TOWNS[town]}" in asked else "I do not know."


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trivium.advise.bench.open_chat", lambda *_, **__: FakeChat(say))
    monkeypatch.setattr("trivium.cli.progress.fetch_defaults", lambda *_: None)
    monkeypatch.setattr("trivium.models.embed.open_embedder", lambda *_: FakeEmbedder(256))
    base = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(256))
    texts = {town: f"{town} lies in a valley. The river at {town} is called {river}." for town, river in TOWNS.items()}
    base.add([Document(f"{town}.md", text) for town, text in texts.items()])
    rows = [
        {"id": town, "question": f"What is the river called that flows through {town}?", "answers": [river],
         "evidence": [{"source": f"{town}.md", "text": texts[town]}], "language": "en"}
        for town, river in TOWNS.items()
    ]  # fmt: skip
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return tmp_path


COMPARE = ("compare", "questions.jsonl", "--kb", "kb", "--arms", "closed_book,retrieve_only,advanced", "--out", "run")


def test_one_json_object_of_the_form_that_is_promised(place: Path, run: Run) -> None:
    done = run(*COMPARE, "--json")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["run"] == "run"
    arms = {arm["name"]: arm for arm in found["arms"]}
    assert list(arms) == ["closed_book", "retrieve_only", "advanced"]
    for arm in arms.values():
        assert set(arm) >= {"name", "metrics", "failure_points", "tokens", "seconds", "train_seconds", "cost"}
        assert set(arm["metrics"]["correct"]) >= {"mean", "low", "high"}
        assert set(arm["seconds"]) >= {"p50", "p95", "total"}
    assert arms["advanced"]["metrics"]["correct"]["mean"] == 1.0
    assert arms["closed_book"]["metrics"]["correct"]["mean"] < 0.6
    verdicts = {(pair["a"], pair["b"]): pair["verdict"] for pair in found["pairs"]}
    assert "tie" not in {verdict for pair, verdict in verdicts.items() if set(pair) == {"closed_book", "advanced"}}
    assert isinstance(found["advice"], list)


def test_a_person_sees_the_arms_and_where_the_page_is(place: Path, run: Run) -> None:
    done = run(*COMPARE)
    assert done.status == 0, done.err
    assert all(name in done.out for name in ("closed_book", "retrieve_only", "advanced", "Report: run"))
    [page] = list((place / "run").glob("*.html"))
    text = page.read_text("utf-8")
    assert "closed_book" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_advice_comes_from_the_folder_alone(place: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*COMPARE)

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr("trivium.advise.bench.open_chat", fail)
    done = run("advise", "run", "--need", "sources=true", "--json")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["take"] in ("advanced", "retrieve_only")
    assert len(found["ten"]) == 10
    assert run("advise", "run").out.strip()


def test_a_budget_is_planned_and_said(place: Path, run: Run) -> None:
    done = run(*COMPARE, "--budget", "2h")
    assert done.status == 0, done.err
    assert "The plan" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "missing.jsonl"), "missing.jsonl"),
        ((*COMPARE, "--arms", "advancd"), "advancd"),
        ((*COMPARE, "--budget", "soon"), "2h"),
        ((*COMPARE, "--budget", "5usd"), "--prices"),
        ((*COMPARE, "--shares", "1,2"), "0.25,0.15,0.6"),
        ((*COMPARE, "--need", "colour=red"), "colour"),
        ((*COMPARE, "--need", "fresh=maybe"), "true or false"),
        (("advise", "nowhere"), "nowhere"),
        (("improve", "questions.jsonl", "--kb", "kb", "--from", "closed_book"), "advanced"),
        (("improve", "questions.jsonl", "--kb", "kb", "--chunkers", "slidng"), "sliding"),
    ],
)
def test_a_wrong_word_is_one_line_and_a_cure(place: Path, run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.status == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_failed_arm_makes_the_status_1_and_the_rest_is_there(place: Path, run: Run) -> None:
    done = run(*COMPARE, "--arms", "advanced,closed_book+law", "--adapter", "law=law.gguf", "--json")
    assert done.status == 1
    arms = {arm["name"]: arm for arm in json.loads(done.out)["arms"]}
    assert arms["closed_book+law"]["error"]
    assert arms["advanced"]["metrics"]["correct"]["mean"] == 1.0


def test_improve_keeps_what_helps_and_says_why_not_the_rest(place: Path, run: Run) -> None:
    command = ("improve", "questions.jsonl", "--kb", "kb", "--from", "retrieve_only", "--out", "better", "--json")
    done = run(*command)
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["finished"]
    assert found["tries"]
    assert all(one["because"] for one in found["tries"])
    kept = [one for one in found["tries"] if one["kept"]]
    assert all(one["gain"]["low"] > 0 for one in kept)
    assert (found["confirmed"] is not None) == bool(kept)
    lineage = json.loads((place / "better" / "lineage.json").read_text("utf-8"))
    assert lineage["tries"] == found["tries"]
    assert json.loads(run(*command).out) == found
    assert "Lineage" in run(*command[:-1]).out
