"""Put a cross-encoder's judgement in the place of the search score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trivium.models.base import Reranker
from trivium.types import Hit


def rerank(question: str, hits: Sequence[Hit], reranker: Reranker) -> list[Hit]:
    """Return the hits by the reranker's score, best first; `scores["rerank"]` holds it too.

    A cross-encoder reads question and passage together: Nogueira and Cho 2019, "Passage re-ranking with
    BERT", arXiv:1901.04085.
    """
    if not hits:
        return []
    scores = reranker.rerank(question, [hit.chunk.text for hit in hits])  # (n,)
    judged = [
        replace(hit, score=float(score), scores={**hit.scores, "rerank": float(score)})
        for hit, score in zip(hits, scores, strict=True)
    ]
    return sorted(judged, key=lambda hit: -hit.score)
