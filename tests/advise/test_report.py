"""A comparison shown: JSON of the promised form, tables, and a page that is whole, offline and harmless."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.advise.cases import arm, comparison, failures, right, trial

from trivium.advise import page
from trivium.advise.decide import decide
from trivium.advise.page import write_page
from trivium.advise.report import decision_json, report_json, show, show_advice
from trivium.advise.values import ArmResult, Comparison, Decision, Needs
from trivium.types import Score

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&<!--[bold red]x[/]\u2028\x00\ud800 保修"
CHROME = shutil.which("chromium") or shutil.which("google-chrome")


def made() -> tuple[Comparison, Decision]:
    good, bad = right((70, 1), (30, 0)), right((20, 1), (70, 0), (10, 1))
    lost = failures(good, (10, "FP2", {"rank": 14}), (5, "FP1", {}))
    found = comparison(
        arm("closed_book", bad, "prompt", cost=0.5, seconds=0.2, said=("no",) * 100),
        arm(
            f"advanced {HOSTILE}", good, failures=lost, cost=2.0, said=(f"36 months {HOSTILE}",) * 100,
            settings={"chat": HOSTILE}, metrics={"f1": [0.5] * 99 + [math.nan]},
        ),
        arm("raft", good, "both", train_seconds=61.0, cost=2.5, abilities={HOSTILE: Score(0.6, 0.5, 0.7, 90)}),
        ArmResult("broken", "other", error=f"no module {HOSTILE}"),
        classes=[("en",), (HOSTILE,)] * 50,
        run=f"runs/{HOSTILE}",
        kb="handbook",
        trials=(trial("tune_reranker", good[40:], right((60, 1)), name=f"advanced {HOSTILE}", point="FP2"),),
    )  # fmt: skip
    questions = tuple(replace(one, text=f"What? {HOSTILE}", gold=HOSTILE, document=HOSTILE) for one in found.questions)
    found = replace(found, questions=questions)
    return found, decide(found, Needs(fresh=True, seconds=3.0))


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_json_has_the_promised_form() -> None:
    found, decision = made()
    told = strict(json.dumps(report_json(found, decision)))
    assert list(told) == ["run", "arms", "pairs", "advice"]
    closed, advanced, raft, broken = told["arms"]
    for one in (closed, advanced, raft):
        assert set(one) == {"name", "metrics", "failure_points", "tokens", "seconds", "train_seconds", "cost"}
        assert set(one["seconds"]) == {"p50", "p95", "total"}
        assert all(set(score) == {"mean", "low", "high"} for score in one["metrics"].values())
    assert closed["metrics"]["correct"]["mean"] == pytest.approx(0.3)
    assert advanced["failure_points"] == {"FP2": 10, "FP1": 5, "FP4": 15}
    assert advanced["metrics"]["f1"]["mean"] == pytest.approx(0.5)  # of 99
    assert (closed["tokens"], closed["cost"], closed["train_seconds"]) == (10_000, 0.5, None)
    assert raft["train_seconds"] == 61.0
    assert broken["metrics"] == {}
    assert broken["error"].startswith("no module")
    assert len(told["pairs"]) == 3
    for pair in told["pairs"]:
        assert set(pair) == {"a", "b", "metric", "difference", "low", "high", "verdict"}
        assert pair["low"] <= pair["difference"] <= pair["high"]
        assert pair["verdict"] in ("a", "b", "tie")
    by_names = {(pair["a"], pair["b"]): pair["verdict"] for pair in told["pairs"]}
    assert by_names[(f"advanced {HOSTILE}", "closed_book")] == "a"
    assert by_names[(f"advanced {HOSTILE}", "raft")] == "tie"
    for one in told["advice"]:
        assert set(one) == {"step", "because", "expected_gain"}
        assert one["expected_gain"] is None or set(one["expected_gain"]) == {"mean", "low", "high"}
    assert any(one["expected_gain"] for one in told["advice"])


def test_the_whole_decision_is_json_too() -> None:
    found, decision = made()
    told = strict(json.dumps(decision_json(found, decision)))
    assert told["take"] == f"advanced {HOSTILE}"
    assert [one["place"] for one in told["ranking"]] == [1, 1, 3]
    assert len(told["ten"]) == 10
    assert told["unmet"]["closed_book"] == ["what it knows ends with its training, and the knowledge changes"]
    assert told["fronts"]["cost"] == ["closed_book", f"advanced {HOSTILE}"]
    assert {"kind", "command", "measured_by", "unless", "at_most", "arm"} < set(told["advice"][0])


def test_arms_without_any_figure_are_null_in_json(tmp_path: Path) -> None:
    found = comparison(arm("a", [1.0] * 9), arm("b", [math.nan] * 9), arm("c", [math.nan] * 9, "both"))
    found = replace(found, arms=found.arms[::-1])
    decision = decide(found)
    assert decision.take == "a"
    assert "nan" not in write_page(found, decision, tmp_path).read_text("utf-8").lower().replace("nanmean", "")
    found = replace(found, arms=found.arms[1:][::-1])
    told = strict(json.dumps(report_json(found, decide(found))))
    assert told["arms"][1]["metrics"] == {}
    assert told["pairs"][0]["difference"] is None
    assert told["pairs"][0]["verdict"] == "tie"


def printed(show: Any, found: Comparison, decision: Decision) -> str:
    out = StringIO()
    show(found, decision, Console(file=out, width=200, force_terminal=False))
    return out.getvalue()


def test_the_terminal_shows_arms_failures_and_steps() -> None:
    found, decision = made()
    text = printed(show, found, decision)
    rows = [line.split() for line in text.splitlines()]
    assert [
        "3",
        "closed_book",
        "prompt",
        "0.300",
        "0.219",
        "to",
        "0.396",
        "100",
        "0.2",
        "s",
        "0.4",
        "s",
        "5.00",
        "USD",
    ] in rows
    assert "[bold red]x[/]" in text  # words in brackets are no styles
    assert "FP2 missed the top ranks" in text
    assert "failed" in text
    assert "Take advanced" in text
    assert "1. Tune a reranker: it reads 30 hits and keeps the best 10." in text
    assert "trivium tune reranker TRAINING_QUESTIONS --kb handbook" in text
    assert "Expected: +" in text


def test_the_whole_advice_is_printed() -> None:
    found, decision = made()
    text = printed(show_advice, found, decision)
    assert re.search(r"closed_book +\+40\.0 +\+2\d\.\d to \+5\d\.\d +100 +better", text)
    assert re.search(r"raft +\+0\.0 .* tie", text)
    assert "Not closed_book: what it knows ends with its training" in text
    for topic in ("field accuracy", "knowledge that changes"):
        assert topic in text
    assert "What would change this" in text
    nothing = replace(found, arms=found.arms[:1])
    assert "No arm meets the needs." in printed(show_advice, nothing, decide(nothing, Needs(sources=True)))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_offline_and_harmless(tmp_path: Path) -> None:
    found, decision = made()
    path = write_page(found, decision, tmp_path)
    assert path.name == "report.html"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    text = path.read_text("utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    names = [tag for tag, _ in tags.seen]
    assert "img" not in names
    assert names.count("script") == 1
    for _, attributes in tags.seen:
        assert not {"src", "onerror", "onclick", "onload"} & attributes.keys()
        assert not (attributes.get("href") or "#").startswith(("http", "//"))
    assert "http" not in re.sub(r"http-equiv|http://www.w3.org", "", text)
    assert text.count("<details class='asked'") == 100
    assert text.count("36 months") == 100
    assert names.count("polyline") == 2  # the fronts
    for words in (
        "What to take",
        "Why answers were wrong",
        "By class of question",
        "Abilities",
        "Whether tuning is worth it",
    ):
        assert words in text


def test_of_many_questions_those_on_which_the_arms_disagree_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST_QUESTIONS", 10)
    found = comparison(arm("a", right((50, 1), (50, 0))), arm("b", right((45, 1), (55, 0))))
    text = write_page(found, decide(found), tmp_path).read_text("utf-8")
    assert len(re.findall("data-kind='mixed'><summary", text)) == 5
    assert len(re.findall("<details class='asked'", text)) == 10
    assert "10 of 100 questions are listed" in text


def test_one_arm_alone_makes_a_page_too(tmp_path: Path) -> None:
    found = comparison(arm("closed_book", [1.0, 0.0, 1.0], "prompt"))
    assert "Take closed_book" in write_page(found, decide(found), tmp_path).read_text("utf-8")
    broken = replace(found, arms=(ArmResult("a", "tune", error="gone"),))
    assert "No arm meets the needs" in write_page(broken, decide(broken), tmp_path).read_text("utf-8")


@pytest.mark.real
@pytest.mark.skipif(CHROME is None, reason="no Chromium")
def test_a_browser_shows_the_page_and_runs_nothing_of_the_data(tmp_path: Path) -> None:
    found, decision = made()
    path = write_page(found, decision, tmp_path)
    assert CHROME is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"]
    dom = subprocess.run([CHROME, *flags, path.as_uri()], capture_output=True, timeout=120, check=True).stdout.decode()
    assert "100 of 100" in dom  # the script ran
    assert "<img" not in dom
