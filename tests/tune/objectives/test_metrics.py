"""The metrics against scikit-learn, SciPy and seqeval."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trivium.tune.objectives.metrics import (
    by_class,
    classification,
    correlation,
    entities,
    entity_counts,
    entity_scores,
    ranks,
    regression,
)


@pytest.mark.parametrize(("classes", "seed"), [(2, 0), (2, 1), (5, 2), (12, 3)])
def test_classification_is_scikit_learns(classes: int, seed: int) -> None:
    learn = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(seed)
    gold = draw.permutation(np.concatenate((np.arange(classes), draw.integers(0, classes, 60))))
    probabilities = np.round(draw.dirichlet(np.ones(classes) * 0.5, len(gold)) + 1e-3, 2)  # with ties
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    said = probabilities.argmax(axis=1)
    found = classification(gold, probabilities)
    assert found["accuracy"] == pytest.approx(learn.accuracy_score(gold, said))
    assert found["macro_f1"] == pytest.approx(learn.f1_score(gold, said, average="macro"))
    assert found["micro_f1"] == pytest.approx(learn.f1_score(gold, said, average="micro"))
    assert found["cross_entropy"] == pytest.approx(learn.log_loss(gold, probabilities))
    scores = probabilities[:, 1] if classes == 2 else probabilities
    assert found["auc_roc"] == pytest.approx(learn.roc_auc_score(gold, scores, multi_class="ovr"))
    precision, recall, f1, support = learn.precision_recall_fscore_support(gold, said, zero_division=0)
    for place, row in by_class(gold, said).items():
        expected = [precision[place], recall[place], f1[place], support[place]]
        assert list(row.values()) == pytest.approx(expected)


def test_one_class_alone_has_no_area() -> None:
    found = classification(np.array([1, 1]), np.array([[0.2, 0.8], [0.6, 0.4]]))
    assert "auc_roc" not in found
    assert found["accuracy"] == 0.5


@pytest.mark.parametrize("seed", range(3))
def test_regression_is_scikit_learns_and_scipys(seed: int) -> None:
    learn, stats = pytest.importorskip("sklearn.metrics"), pytest.importorskip("scipy.stats")
    draw = np.random.default_rng(seed)
    gold = np.round(draw.normal(2, 1.5, 50), 1)
    said = np.round(gold * 0.5 + draw.normal(0, 1, 50), 1)
    found = regression(gold, said)
    assert found["mse"] == pytest.approx(learn.mean_squared_error(gold, said))
    assert found["mae"] == pytest.approx(learn.mean_absolute_error(gold, said))
    assert found["r2"] == pytest.approx(learn.r2_score(gold, said))
    assert found["pearson"] == pytest.approx(stats.pearsonr(gold, said).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(gold, said).statistic)
    assert ranks(said) == pytest.approx(stats.rankdata(said))


def test_values_that_do_not_vary_have_no_correlation() -> None:
    assert math.isnan(correlation(np.array([1.0, 2.0]), np.array([3.0, 3.0])))
    assert set(regression(np.array([1.0, 2.0]), np.array([3.0, 3.0]))) == {"mse", "mae", "r2"}


@pytest.mark.parametrize("seed", range(4))
def test_entities_are_seqevals_on_any_tags(seed: int) -> None:
    seqeval = pytest.importorskip("seqeval.metrics")
    from seqeval.metrics.sequence_labeling import get_entities

    draw = np.random.default_rng(seed)
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
    gold = [[names[number] for number in draw.integers(0, 7, draw.integers(1, 25))] for _ in range(60)]
    said = [[tag if draw.random() < 0.8 else names[draw.integers(0, 7)] for tag in tags] for tags in gold]
    for tags in (*gold, *said):
        assert entities(tags) == {(kind, start, end + 1) for kind, start, end in get_entities(tags)}
    kinds = {"LOC": 0, "ORG": 1, "PER": 2}
    counts = sum(entity_counts(right, own, kinds) for right, own in zip(gold, said, strict=True))
    found = entity_scores(counts.reshape(-1, 3))
    assert found["entity_f1"] == pytest.approx(seqeval.f1_score(gold, said))
    assert found["entity_precision"] == pytest.approx(seqeval.precision_score(gold, said))
    assert found["entity_recall"] == pytest.approx(seqeval.recall_score(gold, said))
    assert found["entity_macro_f1"] == pytest.approx(seqeval.f1_score(gold, said, average="macro"))


def test_entities_of_real_chinese_tags_are_seqevals(real) -> None:
    seqeval = pytest.importorskip("seqeval.metrics")
    samples = real("ner/msra_val", 200)
    gold = [list(sample.tags) for sample in samples]
    shifted = [[tags[-1], *tags[:-1]] for tags in gold]
    kinds = {"LOC": 0, "ORG": 1, "PER": 2}
    counts = sum(entity_counts(right, own, kinds) for right, own in zip(gold, shifted, strict=True))
    assert entity_scores(counts.reshape(-1, 3))["entity_f1"] == pytest.approx(seqeval.f1_score(gold, shifted))
