"""A whole run on a tiny encoder: what is written, what is refused, how it goes on, and a knowledge base switched."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the extra 'tune' is not installed")
pytest.importorskip("peft", reason="the extra 'tune' is not installed")

from tests.tune.retrieval.small import base_folder, documents, examples

import trivium
from trivium.errors import NotMergeable, UnknownName, UsageError
from trivium.evaluate.record import read
from trivium.models.rerank import OnnxReranker
from trivium.tune.retrieval import adopt
from trivium.tune.retrieval.material import Given
from trivium.tune.retrieval.plan import Plan
from trivium.tune.retrieval.run import tune_retriever
from trivium.tune.runs import compare_runs, list_runs

STEPS = {"steps": 4, "batch": 4, "every": 2, "rate": 1e-3}


@pytest.fixture
def kb(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))
    folder = base_folder(tmp_path / "tiny")
    made = trivium.open(tmp_path / "kb", embedder=str(folder))
    made.add(documents())
    return made


@pytest.fixture
def given() -> Given:
    return Given(tuple(examples(documents())), (), "digest")


@pytest.fixture
def plan(tmp_path) -> Plan:
    return Plan(base=str(tmp_path / "tiny"), longest=24, negatives=2, training=STEPS)


def test_an_embedder_is_trained_judged_and_kept_apart_where_it_does_not_win(tmp_path, kb, given, plan):
    out = tmp_path / "run"
    report = tune_retriever("embedder", kb, replace(plan, dimensions=(8,)), out, given=given)
    assert json.loads((out / "report.json").read_text()) == report
    assert report["steps"] == 4
    assert set(report["validation"]) == {"ndcg@10", "ndcg@10_8"}
    decision = report["decision"]
    assert decision["gain"]["n"] == report["deciding"] > 0
    assert decision["adopted"] is (decision["gain"]["low"] > 0) is False
    assert "not adopted" in decision["said"]
    assert not (kb.root / "embedder").exists()
    assert trivium.open(tmp_path / "kb", embedder=str(out / "model"), create=False).root == kb.root
    assert read(out).complete
    (row,) = list_runs(out)
    assert (row["state"], row["steps"], row["scores"]["test ndcg@10"]) == ("done", 4, report["test"]["ndcg@10"]["mean"])

    with pytest.raises(UsageError, match="already holds this run"):
        tune_retriever("embedder", kb, replace(plan, dimensions=(8,)), out, given=given)
    with pytest.raises(UsageError, match="other settings"):
        tune_retriever("embedder", kb, plan, out, given=given, resume=True)
    assert tune_retriever("embedder", kb, replace(plan, dimensions=(8,)), out, given=given, resume=True) == report


def test_a_knowledge_base_that_is_won_over_opens_with_its_own_embedder(tmp_path, kb, given, plan, monkeypatch):
    monkeypatch.setattr(adopt, "decided", lambda before, after: replace(real(before, after), adopted=True))
    out = tmp_path / "run"
    report = tune_retriever("embedder", kb, plan, out, given=given)
    assert report["decision"]["kept"] == str(tmp_path / "kb.before")
    opened = trivium.open(tmp_path / "kb", create=False)  # no --embedder is named
    assert opened.search("the engine")
    assert opened.embedder.name != kb.manifest["embedder"]
    assert trivium.open(tmp_path / "kb.before", embedder=plan.base, create=False).search("the engine")
    opened.add([documents(41)[40]])
    assert opened.size() == 41
    with pytest.raises(UsageError, match=r"kb\.before is there already"):  # known before anything is trained
        tune_retriever("embedder", opened, plan, tmp_path / "again", given=given)
    assert not (tmp_path / "again" / "history.jsonl").exists()


real = adopt.decided


def test_a_stopped_run_decides_nothing_and_goes_on_to_the_same_end(tmp_path, kb, given, plan):
    plain = tune_retriever("reranker", kb, plan, tmp_path / "plain", given=given)
    steps = []

    @contextmanager
    def watching():
        yield steps.append, lambda: len(steps) == 2  # asked before the third is told

    report = tune_retriever("reranker", kb, plan, tmp_path / "run", given=given, watching=watching)
    assert (report["stopped"], report["steps"]) == ("asked", 3)
    assert "decision" not in report
    assert not (tmp_path / "run" / "report.json").exists()
    assert not read(tmp_path / "run").complete
    resumed = tune_retriever("reranker", kb, plan, tmp_path / "run", given=given, resume=True)
    assert resumed["loss"] == pytest.approx(plain["loss"], rel=1e-3)
    assert resumed["best"] == plain["best"]
    assert compare_runs(tmp_path / "plain", tmp_path / "run")["settings"] == []


def test_a_reranker_stands_beside_the_search_that_it_learnt_to_correct(tmp_path, kb, given, plan, monkeypatch):
    monkeypatch.setattr(adopt, "decided", lambda before, after: replace(real(before, after), adopted=True))
    report = tune_retriever("reranker", kb, plan, tmp_path / "run", given=given)
    own = OnnxReranker(kb.root / "reranker")
    assert own.prior == json.loads((tmp_path / "run" / "model" / "trivium_adapter.json").read_text())["prior"] > 0
    assert trivium.open(tmp_path / "kb", embedder=plan.base, create=False).reranker.name == own.name
    assert report["decision"]["kept"] == ""
    late = tune_retriever("reranker", kb, replace(plan, teacher=f"late:{plan.base}"), tmp_path / "late", given=given)
    assert late["decision"]["gain"]["n"] > 0
    assert OnnxReranker(tmp_path / "late" / "model").prior == 0  # a teacher's differences are whole scores


def test_without_questions_nothing_is_adopted(tmp_path, kb, plan):
    given = Given((), tuple_of_samples(), "digest")
    report = tune_retriever("embedder", kb, plan, tmp_path / "run", given=given)
    assert report["decision"] is None
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()


def tuple_of_samples():
    from trivium.tasks.training.values import Retrieval

    return tuple(
        Retrieval(one.question, (one.evidence[0].text,), ("a query",), id=one.id) for one in examples(documents())
    )


@pytest.mark.parametrize(
    ("role", "change", "error", "word"),
    [
        ("embedder", {"loss": "listwise"}, UnknownName, "contrastive"),
        ("reranker", {"loss": "replug"}, UnknownName, "listwise"),
        ("embedder", {"method": "lorra"}, UnknownName, "lora"),
        ("embedder", {"method": "prefix"}, NotMergeable, "no weight can hold"),
        ("embedder", {"dimensions": (33,)}, UsageError, "cannot be cut from 32"),
        ("reranker", {"dimensions": (8,)}, UsageError, "no vectors"),
    ],
)
def test_what_would_fail_at_the_end_fails_at_the_start(tmp_path, kb, given, plan, role, change, error, word):
    with pytest.raises(error, match=word):
        tune_retriever(role, kb, replace(plan, **change), tmp_path / "run", given=given)
    assert not (tmp_path / "run").exists()


def test_one_process_is_enough(tmp_path, kb, given, plan, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="2 processes"):
        tune_retriever("embedder", kb, plan, tmp_path / "run", given=given)
