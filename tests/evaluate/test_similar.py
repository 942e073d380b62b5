from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from trivium.evaluate.metrics.similar import answer_perplexity, cosine, perplexity, soft_f1
from trivium.models.embed import open_embedder
from trivium.models.fake import FakeEmbedder
from trivium.types import TokenLogprob


@pytest.mark.parametrize("measure", [cosine, soft_f1])
def test_bounds_and_best_answer(measure) -> None:
    embedder = FakeEmbedder(256)
    assert measure("a red house", ["nothing", "a red house"], embedder) == pytest.approx(1.0)
    assert 0.0 <= measure("green trees", ["a red house"], embedder) < 0.6
    assert measure("", ["a red house"], embedder) == 0.0
    assert measure("x", [], embedder) is None
    assert measure("读不懂", ["x"], FakeEmbedder(unknown_rate=0.9)) is None


def test_soft_f1_by_hand() -> None:
    found = soft_f1("red house here", ["red house"], FakeEmbedder(4096))
    assert found == pytest.approx(2 * (2 / 3) / (2 / 3 + 1), abs=1e-6)  # precision 2/3, recall 1


def test_perplexity_is_the_exponential_of_the_mean() -> None:
    tokens = [TokenLogprob("a", math.log(0.5)), TokenLogprob("b", math.log(0.125))]
    assert perplexity(tokens) == pytest.approx(4.0)
    assert perplexity([]) is None
    assert perplexity([TokenLogprob("a", -math.inf)]) == pytest.approx(math.exp(700))
    assert answer_perplexity("q", "  ", model=None) is None


@pytest.mark.real
def test_meaning_agrees_with_people(shared_data: Path) -> None:
    """The STS benchmark: people's judgements of 300 pairs against both metrics, by rank correlation."""
    embedder = open_embedder()
    with (shared_data / "pairs" / "sts-dev.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if len(row) >= 7][:300]
    people = np.array([float(row[4]) for row in rows])
    for measure, least in ((cosine, 0.75), (soft_f1, 0.6)):
        found = np.array([measure(row[5], [row[6]], embedder) for row in rows])
        ranks = [np.argsort(np.argsort(values)) for values in (people, found)]
        assert np.corrcoef(*ranks)[0, 1] > least, measure.__name__


@pytest.mark.real
def test_minilm_says_nothing_of_chinese() -> None:
    assert cosine("他毕业于北京大学", ["北京大学"], open_embedder()) is None
