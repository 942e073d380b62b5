"""Retrieval metrics over passages that are relevant or not, and bootstrap intervals of their means."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

RESAMPLES = 10_000


def ndcg(ranking: Sequence[str], relevant: Collection[str], k: int = 10) -> float:
    """Return nDCG@k with gain 1 for a relevant id and the discount log2(rank + 1) (Järvelin and Kekäläinen 2002)."""
    gained = sum(1 / math.log2(rank + 2) for rank, id in enumerate(ranking[:k]) if id in relevant)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant))))
    return gained / ideal


def recall(ranking: Sequence[str], relevant: Collection[str], k: int = 5) -> float:
    """Return the share of the relevant ids that stand in the first k."""
    return len(set(ranking[:k]) & set(relevant)) / len(relevant)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95% percentile bootstrap interval."""

    mean: float
    low: float
    high: float


def estimate(values: ArrayLike, seed: int = 0) -> Estimate:
    """Resample the values with replacement. For a paired comparison give the differences, question by question.

    Args:
        values: shape (questions,).
        seed: of the resampling.
    """
    sample = np.asarray(values, dtype=np.float64)
    random = np.random.default_rng(seed)
    means = [sample[random.integers(0, len(sample), len(sample))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(sample.mean()), float(low), float(high))
