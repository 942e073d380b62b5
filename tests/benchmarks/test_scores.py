"""The benchmarks' own arithmetic: metrics against hand-computed values, intervals, and the sets' soundness."""

import importlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Import a benchmark module by name and forget it again."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == BENCHMARKS:
            del sys.modules[name]


def test_ndcg_against_hand_computed_values(load):
    ndcg = load("scores").ndcg
    assert ndcg(["a", "b"], {"a"}) == 1
    assert ndcg(["b", "a"], {"a"}) == pytest.approx(1 / math.log2(3))
    assert ndcg(["b", "c"], {"a"}) == 0
    # found at ranks 1 and 3 of three relevant: (1 + 1/2) / (1 + 1/log2(3) + 1/2)
    assert ndcg(["a", "x", "b"], {"a", "b", "c"}) == pytest.approx(1.5 / (1.5 + 1 / math.log2(3)))
    assert ndcg([f"x{n}" for n in range(10)] + ["a"], {"a"}) == 0  # rank 11 is beyond the cut


def test_recall_counts_the_relevant_in_the_first_five(load):
    recall = load("scores").recall
    assert recall(["a", "x", "b", "y", "z", "c"], {"a", "b", "c"}) == pytest.approx(2 / 3)
    assert recall(["a", "a", "a"], {"a", "b"}) == 0.5  # a repeated id counts once


def test_interval_holds_the_mean_and_shrinks_with_more_questions(load):
    estimate = load("scores").estimate
    random = np.random.default_rng(1)
    few, many = estimate(random.normal(0.5, 0.2, 30)), estimate(random.normal(0.5, 0.2, 3_000))
    for found in (few, many):
        assert found.low < found.mean < found.high
    assert many.high - many.low < (few.high - few.low) / 5
    assert estimate(np.zeros(10)) == type(few)(0.0, 0.0, 0.0)


def test_sets_are_sound_and_their_halves_apart(load, shared_data):
    data = load("data")
    for name in data.SETS:
        passages = data.corpus(name)
        ids = {passage.id for passage in passages}
        assert len(ids) == len(passages) == len({passage.text for passage in passages})
        dev, test = data.questions(name, "dev"), data.questions(name, "test")
        assert dev, name
        assert test, name
        assert not {question.text for question in dev} & {question.text for question in test}
        assert all(question.relevant and question.relevant <= ids for question in dev + test)


def test_squad_answers_stand_in_the_relevant_passages(load, shared_data):
    data = load("data")
    text_of = {passage.id: passage.text for passage in data.corpus("squad")}
    for question in data.questions("squad")[:300]:
        found = "\n".join(text_of[id] for id in question.relevant)
        assert any(answer in found for answer in question.answers), question.text
