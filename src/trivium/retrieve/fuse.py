"""Join the ranked lists of several search arms into one.

Each function takes the arms by name and gives one list, best first, in which every hit keeps the names of all
arms that found it and its score in each. Ties keep the order in which the arms named the hits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trivium.errors import UsageError
from trivium.types import Hit

Arms = Mapping[str, Sequence[Hit]]

FLOORS: Mapping[str, float] = {"dense": 0.0, "lexical": 0.0}
"""The score at which an arm says nothing: a BM25 of 0 shares no term; a cosine below 0 counts as 0."""


def reciprocal_rank_fusion(arms: Arms, *, weights: Mapping[str, float] | None = None, k: float = 60.0) -> list[Hit]:
    """Sum over the arms `weight / (k + rank)`, with ranks from 1 and 0 for an arm that missed the hit.

    Cormack, Clarke and Buettcher 2009, "Reciprocal rank fusion outperforms Condorcet and individual rank
    learning methods", where k = 60 and every weight is 1.

    Args:
        arms: ranked lists by the name of the arm.
        weights: a weight for each arm; 1 for an arm that is not named.
        k: how little the first ranks stand out.

    Raises:
        UsageError: a weight is negative, or `k` is not above 0.
    """
    if k <= 0:
        raise UsageError(f"The constant k of reciprocal rank fusion is {k}.", "Give a number above 0.")
    weight = _weights(arms, weights)
    total: dict[str, float] = {}
    for name, hits in arms.items():
        for rank, hit in enumerate(hits, start=1):
            total[hit.chunk.id] = total.get(hit.chunk.id, 0.0) + weight[name] / (k + rank)
    return _merged(arms, total)


def weighted_score_fusion(
    arms: Arms, *, weights: Mapping[str, float] | None = None, floors: Mapping[str, float] = FLOORS
) -> list[Hit]:
    """Sum over the arms `weight * (score - floor) / (best - floor)`, with weights made to sum to 1.

    The convex combination of Bruch, Gai and Ingber 2022, "An analysis of fusion functions for hybrid
    retrieval" (arXiv:2210.11934), with their theoretical minimum as the floor. An arm that missed the hit
    adds the score that the hit's `scores` name for this arm, where they do, else 0.

    Args:
        arms: ranked lists by the name of the arm.
        weights: a weight for each arm; 1 for an arm that is not named.
        floors: the least score of each arm; 0 for an arm that is not named.

    Raises:
        UsageError: a weight is negative.
    """
    weight = _weights(arms, weights)
    share = sum(weight[name] for name, hits in arms.items() if hits) or 1.0
    known = _scores(arms)
    total = dict.fromkeys(known, 0.0)
    for name, hits in arms.items():
        floor = floors.get(name, 0.0)
        best = max((hit.score for hit in hits), default=floor)
        span = best - floor
        if span <= 0.0:
            continue
        for id, scores in known.items():
            if name in scores:
                total[id] += weight[name] / share * max(0.0, scores[name] - floor) / span
    return _merged(arms, total)


def _weights(arms: Arms, weights: Mapping[str, float] | None) -> dict[str, float]:
    given = dict(weights or {})
    if wrong := [name for name, weight in given.items() if weight < 0]:
        raise UsageError(f"The weight of {', '.join(sorted(wrong))} is negative.", "Give 0 or more.")
    return {name: given.get(name, 1.0) for name in arms}


def _scores(arms: Arms) -> dict[str, dict[str, float]]:
    """Return each chunk's score in every arm that found it, and those its hits carry besides."""
    known: dict[str, dict[str, float]] = {}
    for name, hits in arms.items():
        for hit in hits:
            scores = known.setdefault(hit.chunk.id, {})
            for other, score in hit.scores.items():
                scores.setdefault(other, score)
            scores[name] = hit.score
    return known


def _merged(arms: Arms, total: Mapping[str, float]) -> list[Hit]:
    known = _scores(arms)
    found: dict[str, list[str]] = {}
    first: dict[str, Hit] = {}
    for name, hits in arms.items():
        for hit in hits:
            found.setdefault(hit.chunk.id, []).append(name)
            first.setdefault(hit.chunk.id, hit)
    merged = [replace(hit, score=total[id], found_by=tuple(found[id]), scores=known[id]) for id, hit in first.items()]
    return sorted(merged, key=lambda hit: -hit.score)
