"""The report of a run: whole, offline, and harmless whatever stands in documents, questions and answers."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from trivium.errors import MissingExtra
from trivium.evaluate import report as room
from trivium.evaluate.against import against, comparison_json
from trivium.evaluate.failure import Failure
from trivium.evaluate.report import html, write_report
from trivium.evaluate.report.groups import GROUPS, grouped, meaning, with_cuts
from trivium.evaluate.report.svg import (
    Dot,
    Series,
    curve,
    difference_bar,
    fixed,
    histogram,
    interval_bar,
    number,
    scatter,
    stacked,
)
from trivium.evaluate.report.table import comparison_lines, comparison_table, cuts_table, metrics_table, points_table
from trivium.evaluate.run import evaluate
from trivium.evaluate.score import METRICS
from trivium.evaluate.scoring import Scored
from trivium.evaluate.summary import Report
from trivium.types import Answer, Chunk, Citation, Example, Gold, Hit, Score, Step, Timing, Usage

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&<!--<script>document.title='owned'//\u2028\x00\ud800 保修"
CHROME = shutil.which("chromium") or shutil.which("google-chrome")


def said(question: str, text: str) -> Answer:
    chunk = Chunk("d:0", "d", f"docs/{HOSTILE}.md", f"It holds {text}. {HOSTILE}", 0, 9, page=3)
    return Answer(
        question,
        text,
        refused=text == "",
        citations=(Citation(1, f"docs/{HOSTILE}.md", 3, 0, 9, f"It holds {HOSTILE}"),),
        hits=(Hit(chunk, 0.5, ("dense",)), Hit(Chunk("e:0", "e", "b.md", "other", 0, 5), 0.25, ("lexical",))),
        unsupported=((0, min(2, len(text))),),
        usage=Usage(20, 5),
        seconds=Timing(0.1, 0.2, 0.3),
        trace=(Step("search", {"hits": [["d:0", 0.5]], HOSTILE: HOSTILE}, 0.01),),
    )


def examples(n: int) -> list[Example]:
    return [
        Example(
            f"q{i}",
            f"What is {i}? {HOSTILE if i == 1 else ''}",
            (f"{i}",),
            (Gold("b.md", f"gold {HOSTILE}"),),
            tags=("even" if i % 2 == 0 else HOSTILE,),
            language="en",
        )
        for i in range(n)
    ]


def scorer(example: Example, answer: Answer) -> Scored:
    right = answer.text in example.answers
    failure = None if right else Failure("FP4", f"It was shown. {HOSTILE}", {"chunks": ["d:0"]})
    place = int(example.id[1:])
    scores = {"f1": (place % 10) / 10, "exact_match": float(right), "recall@1": 0.0, "recall@5": 1.0, HOSTILE: 0.5}
    return Scored(scores, right, failure, (2,), int(place == 3))


def system(question: str) -> Answer:
    place = int(re.findall(r"\d+", question)[0])
    if place == 4:
        raise RuntimeError(f"gone {HOSTILE}")
    return said(question, HOSTILE if place == 1 else "" if place == 2 else str(place))


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return evaluate(
        examples(25),
        system,
        tmp_path / "run",
        scorer=scorer,
        settings={"system": {"name": HOSTILE}},
        command=["trivium", HOSTILE],
    )


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots take a second, and only their own test looks at them."""
    if "plots" not in request.node.name:
        monkeypatch.setattr(room, "write_plots", lambda report, *, abilities: [])


class Page(HTMLParser):
    """The tags of a page with their attributes, its scripts by id, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.text = ""
        self._inside: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("id") or tag if tag in ("script", "style") else None

    def handle_data(self, data: str) -> None:
        if self._inside is None:
            self.text += data
        else:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._inside = None


def page_of(report: Report, **more: Any) -> Page:
    return Page(write_report(report, **more).read_text("utf-8"))


def blocks(page: Page) -> list[dict[str, Any]]:
    found = [page.scripts[name] for name in sorted(page.scripts) if name.startswith("block-")]
    return [json.loads(gzip.decompress(base64.b64decode(packed))) for packed in found]


def test_nothing_hostile_becomes_markup(report: Report) -> None:
    page = page_of(report)
    assert {tag for tag, _ in page.tags} <= {
        "html", "head", "meta", "title", "style", "body", "header", "nav", "main", "div", "span", "a", "b", "h1", "h2",
        "h3", "p", "table", "tr", "th", "td", "details", "summary", "ul", "li", "dl", "dt", "dd", "code", "button",
        "input", "select", "option", "noscript", "script", "svg", "rect", "path", "text", "polygon",
        "polyline", "circle",
    }  # fmt: skip
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    index = json.loads(page.scripts["index"])
    assert HOSTILE.replace("\ud800", "?") in index["question"][1]
    assert "<" not in page.scripts["index"]
    assert index["id"] == [f"q{i}" for i in range(25)]
    assert "<img src=x onerror=alert(1)>" in page.text  # shown as the text that it is


def test_the_page_asks_for_nothing_from_outside(report: Report) -> None:
    page = page_of(report)
    assert not [a for _, a in page.tags if a.get("src") or (a.get("href") or "#")[0] != "#"]
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "img", "iframe", "object", "video"})
    own = page.scripts["style"] + page.scripts["script"]
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|import\(", own)
    policies = [a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv")]
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none'")


def test_everything_of_a_question_is_in_the_page(report: Report) -> None:
    found = blocks(page_of(report))
    rows = [row for block in found for row in block["rows"]]
    assert len(rows) == 25
    assert rows[5]["answer"] == "5"
    assert rows[5]["citations"][0]["page"] == 3
    assert rows[5]["evidence"][0]["source"] == "b.md"
    assert rows[5]["trace"][0]["name"] == "search"
    assert rows[5]["scores"]["f1"] == 0.5
    passages = found[0]["passages"]
    assert passages[rows[5]["hits"][0][0]]["text"].startswith("It holds 5.")
    assert passages[rows[5]["hits"][1][0]] is passages[rows[6]["hits"][1][0]]  # the same passage is kept once
    assert rows[4]["error"].startswith("RuntimeError: gone")
    assert rows[1]["failure"]["point"] == "FP4"


def test_the_figures_are_in_the_page(report: Report) -> None:
    page = page_of(report)
    right = report.metrics["correct"]
    assert f"{right.mean:.1%}" in page.text
    assert f"{right.low:.3f} to {right.high:.3f}" in page.text
    assert "not extracted" in page.text
    assert "1 questions could not be asked" in page.text
    assert "1 judgements could not be had" in page.text
    assert "even" in page.text
    assert [tag for tag, _ in page.tags].count("polyline") == 1  # recall@k


def test_a_run_without_any_answer_still_has_a_report(tmp_path: Path) -> None:
    def gone(question: str) -> Answer:
        raise ConnectionError("gone")

    report = evaluate(examples(3), gone, tmp_path, scorer=scorer)
    page = page_of(report)
    assert "Nothing was answered" in page.text
    assert len(blocks(page)[0]["rows"]) == 3


def test_of_very_many_questions_an_even_choice_is_listed(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MOST_QUESTIONS", 10)
    page = page_of(report)
    index = json.loads(page.scripts["index"])
    assert len(index["id"]) == 10
    assert {"q1", "q2", "q4"} <= set(index["id"])  # all that were not answered rightly
    assert "10 of 25 questions are listed" in page.text


def test_passages_are_cut_to_a_budget(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "_PASSAGES", 0)
    monkeypatch.setattr(html, "_SHORT", 12)
    texts = [passage["text"] for block in blocks(page_of(report)) for passage in block["passages"]]
    assert max(map(len, texts)) == 12


def test_without_matplotlib_the_plots_are_left_out_with_a_word(
    report: Report, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(report: Report, *, abilities: object) -> None:
        raise MissingExtra("matplotlib", "evaluate")

    monkeypatch.setattr(room, "write_plots", missing)
    assert write_report(report).exists()
    assert "pip install 'trivium[evaluate]'" in caplog.text
    assert not (report.folder / "plots").exists()


def test_plots_are_pictures(report: Report) -> None:
    pytest.importorskip("matplotlib")
    write_report(report)
    for name in ("metrics", "failure_points", "recall", "distributions"):
        data = (report.folder / "plots" / f"{name}.png").read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) > 5_000


def test_abilities_that_were_measured_are_shown(report: Report) -> None:
    figures = [
        {"ability": "noise", "set": f"rgb_{HOSTILE}", "language": "en", "metric": "accuracy", "at": at, "arm": "",
         "mean": 1 - at, "low": 0.9 - at, "high": 1.0, "n": 40}
        for at in (0.0, 0.2, 0.4, 0.6, 0.8)
    ]  # fmt: skip
    refused = {**figures[0], "ability": "rejection", "metric": "rejection", "at": None, "mean": 0.25}
    nothing = {**refused, "metric": "accuracy", "mean": None, "low": None, "high": None, "n": 0}
    (report.folder / "abilities").mkdir()
    (report.folder / "abilities" / "abilities.json").write_text(json.dumps({"figures": [*figures, refused, nothing]}))
    page = page_of(report)
    assert "Noise robustness" in page.text
    assert "Negative rejection" in page.text
    assert [tag for tag, _ in page.tags].count("polyline") == 2


# -- two runs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path: Path) -> Report:
    """The same questions, of which half of the first thirty are now wrong."""

    def worse(question: str) -> Answer:
        place = int(re.findall(r"\d+", question)[0])
        return said(question, "nothing" if place % 2 == 0 else str(place))

    return evaluate(examples(30), worse, tmp_path / "other", scorer=scorer)


def test_paired_differences(report: Report, other: Report) -> None:
    found = against(report.folder, other.folder)
    assert found.questions == 24  # one failed here, five are only there
    right = next(one for one in found.metrics if one.metric == "correct")
    both = [i for i in range(25) if i != 4]
    mine = [i not in (1, 2) for i in both]
    theirs = [i % 2 == 1 for i in both]
    assert right.this.mean == pytest.approx(sum(mine) / 24)
    assert right.difference.mean == pytest.approx((sum(mine) - sum(theirs)) / 24)
    assert right.verdict == "better"
    assert {change.id for change in found.gained} == {f"q{i}" for i in both if i % 2 == 0 and i != 2}
    assert {change.id for change in found.lost} == {"q1"}
    assert found.lost[0].other == "1"
    assert found.settings


def test_no_difference_is_a_tie(report: Report) -> None:
    found = against(report.folder, report.folder)
    assert {one.verdict for one in found.metrics} == {"tie"}
    assert found.gained == found.lost == ()
    printed = comparison_json(found)
    assert printed["gained"] == []
    assert "tie" in str(printed["metrics"])


def test_a_small_difference_is_a_tie(tmp_path: Path) -> None:
    def system_of(wrong: set[int]) -> Any:
        return lambda q: said(q, "no" if int(re.findall(r"\d+", q)[0]) in wrong else re.findall(r"\d+", q)[0])

    evaluate(examples(40), system_of({3}), tmp_path / "a", scorer=scorer)
    evaluate(examples(40), system_of({5, 7}), tmp_path / "b", scorer=scorer)
    right = against(tmp_path / "a", tmp_path / "b").metrics[0]
    assert (right.metric, right.verdict) == ("correct", "tie")
    assert right.difference.mean > 0


def test_the_comparison_is_in_the_page_and_in_the_tables(report: Report, other: Report) -> None:
    found = against(report.folder, other.folder)
    page = page_of(report, comparison=found)
    assert "Now right" in page.text
    changes = json.loads(page.scripts["index"])["change"]
    assert changes.count(1) == len(found.gained)
    assert changes.count(-1) == 1
    assert comparison_table(found).row_count == len(found.metrics)
    assert any("Now wrong: 1" in line for line in comparison_lines(found))
    assert metrics_table(report).row_count > 3
    cuts = cuts_table(report)
    assert cuts is not None
    assert [column.header for column in cuts.columns] == ["among the first k passages", "@1", "@5"]
    points = points_table(report)
    assert points is not None
    assert points.row_count == 1


# -- parts ------------------------------------------------------------------------------------------------------------


def test_every_metric_has_a_group_and_a_meaning() -> None:
    groups = grouped(METRICS)
    assert sorted(name for names in groups.values() for name in names) == sorted(METRICS)
    assert "Others" not in groups
    assert set(groups) <= set(GROUPS)
    wording = set(GROUPS["Wording"])
    assert [name for name in METRICS if not meaning(name) and name not in wording] == []
    assert grouped(["judge_faithfulness", "mine"]) == {"Grounding": ["judge_faithfulness"], "Others": ["mine"]}
    assert with_cuts(["mrr", "recall@5", "recall@1"]) == (["mrr"], {"recall": {5: "recall@5", 1: "recall@1"}})


def test_charts_stay_in_their_frames_and_escape() -> None:
    points = [(float(k), Score(k / 10, k / 10 - 0.05, k / 10 + 0.05, 9)) for k in range(1, 11)]
    drawn = [
        interval_bar(Score(0.5, 0.4, 2.0, 10)),
        difference_bar(Score(-0.1, -0.2, -0.05, 10), 0.2),
        histogram([0.0, 0.5, 1.0, 7.0, float("nan")]),
        curve([Series(HOSTILE.replace("\x00", ""), points), Series("b", points[:1])], x_label="<k>", y_label="r"),
        curve([], x_label="k", y_label="r"),
    ]
    for svg in drawn:
        assert "<script" not in svg
        width, height = map(float, re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0])
        assert all(-1 <= float(x) <= width + 1 for x in re.findall(r' (?:x|cx)="(-?[\d.]+)"', svg))
        assert all(-1 <= float(y) <= height + 1 for y in re.findall(r' (?:y|cy)="(-?[\d.]+)"', svg))
    counted = [int(n) for n in re.findall(r"<title>[^<]*: (\d+)</title>", drawn[2])]
    assert sum(counted) == 4


@pytest.mark.parametrize(
    ("value", "short", "long"), [(0.5, "0.5", "0.500"), (12.345, "12.3", "12.3"), (0, "0", "0.000")]
)
def test_figures_are_written_alike(value: float, short: str, long: str) -> None:
    assert number(value) == short
    assert fixed(value) == long
    assert fixed(float("nan")) == "–"


@pytest.mark.real
@pytest.mark.skipif(CHROME is None, reason="no browser here")
def test_a_browser_draws_the_list_and_runs_nothing_hostile(report: Report) -> None:
    path = write_report(report)
    done = subprocess.run(
        [str(CHROME), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom",
         f"{path.as_uri()}#question=q1"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    page = Page(done.stdout)
    assert sum(a.get("class") == "row" for _, a in page.tags) == 25
    assert "gold evidence" in page.text  # the opened question was unpacked
    assert "img" not in {tag for tag, _ in page.tags}
    assert "<title>Evaluation" in done.stdout


def test_scatters_join_what_is_marked_and_keep_names_apart() -> None:
    here = Score(0.5, 0.4, 0.6, 90)
    dots = [Dot(HOSTILE, 0.01, here, True), Dot("b", 5.0, here, True), Dot("c", 5.0, here), Dot("d", 5.0, here)]
    drawn = scatter(dots, x_label="seconds", y_label="correct")
    assert "<img" not in drawn
    assert drawn.count("<circle") == 4
    assert len(re.search('class="line front" points="([^"]*)"', drawn)[1].split()) == 2  # type: ignore[index]
    places = [float(y) for y in re.findall('class="name" x="[^"]*" y="([^"]*)"', drawn)]
    assert len({round(y) for y in places[1:]}) == 3
    ticks = re.findall('text-anchor="middle">([^<]*)<', drawn)
    assert float(ticks[1]) < 0.1  # logarithmic
    near = scatter([Dot("a", 1.0, here), Dot("b", 2.0, here)], x_label="seconds", y_label="correct")
    assert 'text-anchor="middle">0<' in near  # from 0
    assert "line front" not in near


def test_stacked_bars_are_as_long_as_their_counts() -> None:
    drawn = stacked([("a", {"x": 3, "y": 1}), (HOSTILE, {"y": 4}), ("none", {})], ["x", "y"], 4)
    assert "<img" not in drawn
    widths = [
        float(width)
        for width in re.findall('class="fill s[12]" x="[^"]*" y="[^"]*" width="([^"]*)" height="15"', drawn)
    ]
    assert widths == [pytest.approx(0.75 * 1032), pytest.approx(0.25 * 1032), pytest.approx(1032)]
    assert "none: 0" in drawn
