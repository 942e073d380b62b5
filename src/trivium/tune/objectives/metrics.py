"""The metrics of classification, regression and tagging, in numpy; tests compare them with scikit-learn and seqeval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trivium.tune.objectives.outcome import Table, mean, present, ratio

EPSILON = float(np.finfo(np.float64).eps)  # the smallest probability that a cross-entropy is taken of, as scikit-learn


def classification(gold: NDArray[np.int64], probabilities: Table) -> dict[str, float]:
    """Return the scores of a classifier.

    `accuracy`; `macro_f1`, the mean F1 of the classes that are either right or said; `micro_f1`, which equals the
    accuracy where each sample has one label; `auc_roc`, the area under the ROC curve (of two classes: of the second;
    of more: the mean of each class against the rest, over those that the sample has); `cross_entropy` in nats.

    Args:
        gold: the right class of each sample; -1 for one that training did not have: never right, no cross-entropy.
        probabilities: (samples, classes).
    """
    said = probabilities.argmax(axis=1)
    right = said == gold
    seen = gold >= 0
    chosen = probabilities[np.flatnonzero(seen), gold[seen]]
    f1 = [row["f1"] for row in by_class(gold, said).values()]
    return present(
        {
            "accuracy": float(right.mean()),
            "macro_f1": float(np.mean(f1)),
            "micro_f1": float(right.mean()),
            "auc_roc": auc_roc(gold, probabilities),
            "cross_entropy": mean(-np.log(np.clip(chosen, EPSILON, 1.0))),
        }
    )


def by_class(gold: NDArray[np.int64], said: NDArray[np.int64]) -> dict[int, dict[str, float]]:
    """Return precision, recall, F1 and support of each class that is either right or said."""
    classes, places = np.unique(np.concatenate((gold, said)), return_inverse=True)
    right, own = places[: len(gold)], places[len(gold) :]
    hits = np.bincount(right[right == own], minlength=len(classes))
    wanted = np.bincount(right, minlength=len(classes))
    given = np.bincount(own, minlength=len(classes))
    return {
        int(name): {
            "precision": ratio(float(hits[place]), float(given[place])),
            "recall": ratio(float(hits[place]), float(wanted[place])),
            "f1": ratio(2.0 * float(hits[place]), float(wanted[place] + given[place])),
            "support": float(wanted[place]),
        }
        for place, name in enumerate(classes)
    }


def auc_roc(gold: NDArray[np.int64], probabilities: Table) -> float:
    """Return the area under the ROC curve; NaN where only one class is there. See `classification`."""
    if probabilities.shape[1] == 2:
        return area(probabilities[:, 1], gold == 1)
    areas = [area(probabilities[:, label], gold == label) for label in range(probabilities.shape[1])]
    return mean(np.array(areas, dtype=np.float64))


def area(scores: Table, positive: NDArray[np.bool_]) -> float:
    """Return the chance that a positive scores above a negative, ties by half (Hanley and McNeil 1982); else NaN."""
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        return math.nan
    return float((ranks(scores)[positive].sum() - many * (many + 1) / 2) / (many * few))


def ranks(values: Table) -> Table:
    """Return the rank of each value from 1; equal ones share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared: Table = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return shared


def regression(gold: Table, said: Table) -> dict[str, float]:
    """Return `mse`, `mae`, `r2`, `pearson` and `spearman`; the last three are left out where the values do not vary."""
    error = said - gold
    spread = float(((gold - gold.mean()) ** 2).sum())
    return present(
        {
            "mse": float((error**2).mean()),
            "mae": float(np.abs(error).mean()),
            "r2": 1 - float((error**2).sum()) / spread if spread else math.nan,
            "pearson": correlation(gold, said),
            "spearman": correlation(ranks(gold), ranks(said)),
        }
    )


def correlation(left: Table, right: Table) -> float:
    """Return Pearson's r; NaN where either side does not vary."""
    a, b = left - left.mean(), right - right.mean()
    size = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / size if size > 1e-12 else math.nan


def entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Return the entities of tags: (type, first token, token behind the last).

    As the evaluation of CoNLL counts (Tjong Kim Sang and De Meulder 2003, arXiv:cs/0306050): an `I-` that continues
    nothing of its type begins an entity.
    """
    found = set()
    kind, start = "", 0
    for place, tag in enumerate([*tags, "O"]):
        mark, _, name = tag.partition("-")
        goes_on = mark == "I" and name == kind and kind != ""
        if kind and not goes_on:
            found.add((kind, start, place))
            kind = ""
        if not goes_on and mark in ("B", "I") and name:
            kind, start = name, place
    return found


def entity_counts(gold: Sequence[str], said: Sequence[str], kinds: Mapping[str, int]) -> Table:
    """Return for each kind of entity how many are found, said and right, shape (kinds · 3,)."""
    counts = np.zeros((len(kinds), 3))
    right, own = entities(gold), entities(said)
    for column, group in enumerate((right & own, own, right)):
        for kind, _, _ in group:
            if kind in kinds:
                counts[kinds[kind], column] += 1
    return counts.reshape(-1)


def entity_scores(counts: Table) -> dict[str, float]:
    """Return precision, recall and F1 over all entities, and the mean F1 of their kinds, from summed counts (K, 3)."""
    found, said, gold = counts.sum(axis=0)
    kinds = counts[(counts[:, 1] + counts[:, 2]) > 0]
    if not len(kinds):
        return {}
    return {
        "entity_precision": ratio(found, said),
        "entity_recall": ratio(found, gold),
        "entity_f1": ratio(2 * found, said + gold),
        "entity_macro_f1": float(np.mean([ratio(2 * row[0], row[1] + row[2]) for row in kinds])),
    }
