from __future__ import annotations

import re
from pathlib import Path

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Rprec, Success, nDCG

from trivium.evaluate.metrics import retrieval
from trivium.text.tokens import analyse

CUTS = (1, 3, 5, 10, 100)
THEIRS = {
    **{f"hit_rate@{k}": Success @ k for k in CUTS},
    **{f"recall@{k}": R @ k for k in CUTS},
    **{f"precision@{k}": P @ k for k in CUTS},
    **{f"ndcg@{k}": nDCG @ k for k in CUTS},
    **{f"average_precision@{k}": AP @ k for k in CUTS},
    **{f"reciprocal_rank@{k}": RR @ k for k in CUTS},
    "ndcg": nDCG,
    "average_precision": AP,
    "reciprocal_rank": RR,
    "r_precision": Rprec,
}


def ours(ranking: list[str], grades: dict[str, int]) -> dict[str, float]:
    found = {}
    for name in THEIRS:
        metric, _, k = name.partition("@")
        measure = getattr(retrieval, metric)
        found[name] = measure(ranking, grades, int(k)) if k else measure(ranking, grades)
    return found


def theirs(rankings: dict[str, list[str]], qrels: dict[str, dict[str, int]]) -> dict[str, dict[str, float]]:
    run = {q: {id: float(-place) for place, id in enumerate(ranking)} for q, ranking in rankings.items()}
    found: dict[str, dict[str, float]] = {q: {} for q in rankings}
    name_of = {str(measure): name for name, measure in THEIRS.items()}
    for metric in ir_measures.iter_calc(list(THEIRS.values()), qrels, run):
        found[metric.query_id][name_of[str(metric.measure)]] = metric.value
    return found


@pytest.fixture(scope="module")
def cranfield(shared_data: Path) -> tuple[dict[str, list[str]], dict[str, dict[str, int]]]:
    """Rankings of all abstracts by shared words, and the graded judgements."""
    folder = shared_data / "cranfield"

    def records(name: str) -> dict[str, str]:
        parts = re.split(r"^\.I ", (folder / name).read_text(), flags=re.MULTILINE)[1:]
        return {part.split()[0]: part.split(".W", 1)[1] for part in parts}

    words = {id: frozenset(analyse(text)) for id, text in records("cran.all.1400").items()}
    texts = records("cran.qry")
    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "cranqrel").read_text().splitlines():
        query, document, grade = line.split()[:3]
        qrels.setdefault(query, {})[document] = int(grade)
    rankings = {}
    for line in (folder / "query_numbers.tsv").read_text().splitlines()[1:]:
        position, number = line.split("\t")
        asked = frozenset(analyse(next(t for n, t in texts.items() if int(n) == int(number))))
        rankings[position] = sorted(words, key=lambda id: (-len(asked & words[id]) / (len(words[id]) + 20), id))
    return {q: ranking for q, ranking in rankings.items() if q in qrels}, qrels


def test_all_equal_ir_measures_on_cranfield(cranfield) -> None:
    rankings, qrels = cranfield
    assert len(rankings) > 100
    assert len({grade for grades in qrels.values() for grade in grades.values()}) > 3
    expected = theirs(rankings, qrels)
    worst = 0.0
    for query, ranking in rankings.items():
        found = ours(ranking, qrels[query])
        assert set(found) == set(expected[query])
        worst = max(worst, *(abs(found[name] - expected[query][name]) for name in THEIRS))
    assert worst <= 1e-9
    mean = sum(ours(ranking, qrels[q])["ndcg@10"] for q, ranking in rankings.items()) / len(rankings)
    assert 0.1 < mean < 0.9  # the comparison is not one of zeros


@given(
    ranking=st.lists(st.integers(0, 40).map(str), unique=True, min_size=1, max_size=30),
    # Not below 0: where no grade is at least 0, trec_eval's ndcg reads past its table and may never end.
    grades=st.dictionaries(st.integers(0, 40).map(str), st.integers(0, 4), min_size=1, max_size=15),
)
@settings(max_examples=60, deadline=None)
def test_all_equal_ir_measures_on_any_ranking(ranking: list[str], grades: dict[str, int]) -> None:
    expected = theirs({"q": ranking}, {"q": grades})["q"]
    for name, value in ours(ranking, grades).items():
        assert value == pytest.approx(expected[name], abs=1e-9), name


@given(
    ranking=st.lists(st.sampled_from("abcdefgh"), max_size=20),
    grades=st.dictionaries(st.sampled_from("abcdefghij"), st.integers(-2, 5), max_size=8),
    k=st.none() | st.integers(0, 25),
)
def test_all_lie_between_0_and_1(ranking: list[str], grades: dict[str, int], k: int | None) -> None:
    for measure in (
        retrieval.hit_rate,
        retrieval.recall,
        retrieval.precision,
        retrieval.reciprocal_rank,
        retrieval.average_precision,
        retrieval.ndcg,
        retrieval.evidence_coverage,
    ):
        assert 0.0 <= measure(ranking, grades, k) <= 1.0 + 1e-12
    assert 0.0 <= retrieval.r_precision(ranking, grades) <= 1.0


def test_by_hand() -> None:
    ranking, grades = ["x", "b", "a", "y"], {"a": 2, "b": 1, "c": 1}
    assert retrieval.recall(ranking, grades, 2) == pytest.approx(1 / 3)
    assert retrieval.precision(ranking, grades, 10) == pytest.approx(2 / 10)
    assert retrieval.reciprocal_rank(ranking, grades) == 0.5
    assert retrieval.average_precision(ranking, grades) == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert retrieval.evidence_coverage(["a", "b", "c"], grades) == 1.0
    assert retrieval.evidence_coverage(ranking, grades) == 0.0
    assert retrieval.recall(["a", "a", "b"], grades, 2) == pytest.approx(1 / 3)  # a repeated id gains nothing


def test_nothing_relevant_scores_nothing() -> None:
    for grades in ({}, {"a": 0}, {"a": -1}):
        assert set(ours(["a", "b"], grades).values()) == {0.0}
        assert retrieval.evidence_coverage(["a"], grades) == 0.0
