"""The page of the evaluation is written from typed-in results: every figure where it belongs, none invented."""

import importlib
import math
import sys
from pathlib import Path

import pytest

from trivium.tasks.questions import QuestionSet
from trivium.types import Document, Example, Gold

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def evaluation(monkeypatch):
    """Import the benchmark, and forget it and its neighbours again."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield importlib.import_module("evaluation")
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == BENCHMARKS:
            del sys.modules[name]


def score(mean, low, high, n):
    return {"mean": mean, "low": low, "high": high, "n": n}


def row(part, asked, metrics, points=None, errors=0):
    wrong = sum((points or {}).values())
    return {
        "part": part,
        "asked": asked,
        "errors": errors,
        "wrong": wrong,
        "metrics": metrics,
        "points": points or {},
    }


def whole(title, rows, compared=None, documents=160, **more):
    machine = {
        "cpu": "A processor",
        "cores": 3,
        "memory_gib": 7,
        "system": "A system",
        "python": "3.11.7",
        "packages": {"numpy": "2.4.6"},
    }
    figures = {
        "title": title,
        "questions": 757,
        "documents": documents,
        "published": 160,
        "rows": rows,
        "compared": compared or {},
        "models": "an embedder, a chat",
        **more,
    }
    return {"date": "2026-01-02", "commit": "abc1234", "machine": machine, "figures": figures}


def cells(page, start, column=0):
    """Return the cells of the first table line that begins so, after so many others."""
    lines = [line for line in page.splitlines() if line.startswith(f"| {start} ")]
    return [cell.strip() for cell in lines[column].strip("|").split("|")]


def test_a_measured_set_has_its_figures_and_the_others_say_that_they_have_none(evaluation):
    metrics = {"correct": score(0.625, 0.31, 0.86, 8), "faithfulness": score(1.0, 0.61, 1.0, 6)}
    kept = dict.fromkeys(evaluation.SETS)
    kept["xquad-en"] = whole("XQuAD, English", [row("", 8, metrics, {"FP2": 1, "FP4": 2}, errors=2)], documents=120)
    page = evaluation.page(kept)
    answers = cells(page, "XQuAD, English")
    assert answers == ["XQuAD, English", "8", "0.62 [0.31, 0.86]", "–", "–", "–", "–", "–", "1.00 [0.61, 1.00] (6)"]
    assert cells(page, "XQuAD, English", 1) == ["XQuAD, English", "8", "3", "0", "1", "0", "2", "0", "0", "0"]
    for source in evaluation.SETS.values():
        if source.title != "XQuAD, English":
            assert set(cells(page, source.title)[1:]) == {"not measured yet", "–"}
            assert set(cells(page, source.title, 1)[1:]) == {"not measured yet", "–"}
    assert "120 documents of 160 that it publishes; drawn from 757 questions" in page
    assert "2 questions could not be asked" in page
    assert "2026-01-02, commit abc1234" in page
    assert "On A processor, 3 cores, 7 GiB, A system" in page
    assert "Not measured yet: `make evaluation SETS=popqa`." in page


def test_parts_of_a_set_have_rows_of_their_own(evaluation):
    kept = dict.fromkeys(evaluation.SETS)
    rows = [row("answerable", 5, {"refused": score(0.2, 0, 0.6, 5)}), row("unanswerable", 4, {}, {"FP1": 4})]
    kept["squad"] = whole("SQuAD 2.0", rows)
    page = evaluation.page(kept)
    assert cells(page, "SQuAD 2.0, answerable")[-2] == "0.20 [0.00, 0.60]"
    assert cells(page, "SQuAD 2.0, unanswerable", 1)[1:4] == ["4", "4", "4"]


@pytest.mark.parametrize(
    ("mean", "low", "high", "verdict", "said"),
    [(0.3, 0.1, 0.5, "better", "Yes:"), (-0.3, -0.5, -0.1, "worse", "No:"), (0.1, -0.1, 0.3, "tie", "Not shown:")],
)
def test_the_comparison_says_what_its_interval_allows(evaluation, mean, low, high, verdict, said):
    one = {
        "grounded": score(0.5, 0.3, 0.7, 20),
        "closed_book": score(0.5 - mean, 0.0, 0.9, 20),
        "difference": score(mean, low, high, 20),
        "verdict": verdict,
    }
    kept = dict.fromkeys(evaluation.SETS)
    rows = [row("grounded", 20, {}), row("closed book", 20, {})]
    kept["popqa"] = whole("PopQA", rows, {"correct": one}, gained=7, lost=1)
    page = evaluation.page(kept)
    assert f"{said} " in page
    assert "7 questions were right only with the passages, 1 only without" in page
    assert cells(page, "correct")[3:] == [f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]", verdict, "20"]
    assert page.count("| PopQA, closed book ") == 1  # in the table of answers, not among the failure points


def test_of_a_large_corpus_all_that_answers_is_kept(evaluation):
    documents = tuple(Document(f"d{n}", f"text {n}") for n in range(100))
    examples = tuple(Example(str(n), "?", evidence=(Gold(f"d{n}", ""),)) for n in (3, 50, 97))
    kept = evaluation.bounded(QuestionSet("a", examples, documents), examples, most=10)
    assert len(kept) == 10
    assert {"d3", "d50", "d97"} <= {document.source for document in kept}
    assert kept == evaluation.bounded(QuestionSet("a", examples, documents), examples, most=10)
    assert evaluation.bounded(QuestionSet("a", examples, documents), examples, most=1000) == documents


def test_figures_are_kept_anew_where_the_answers_are_others(evaluation):
    row = {"part": "", "asked": 9, "asked_now": 0, "wrong": 2, "metrics": {"f1": {"mean": math.nan, "n": 0}}}
    kept = {"figures": {"rows": [row]}}
    assert evaluation._is_new({"rows": [row]}, None)
    assert not evaluation._is_new({"rows": [dict(row)]}, kept)
    assert evaluation._is_new({"rows": [{**row, "asked_now": 1}]}, kept)
    # killed between the last answer and the keeping of its figures: nothing is asked again
    assert evaluation._is_new({"rows": [{**row, "wrong": 3}]}, kept)
