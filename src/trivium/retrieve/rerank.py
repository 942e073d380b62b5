"""Put a reranker's judgement in the place of the search score, or beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trivium.models.base import Reranker
from trivium.retrieve.search import UNREADABLE
from trivium.types import Hit


def rerank(question: str, hits: Sequence[Hit], reranker: Reranker) -> list[Hit]:
    """Return the hits by the reranker's score, best first; `scores["rerank"]` holds it too.

    A cross-encoder reads question and passage together: Nogueira and Cho 2019, "Passage re-ranking with
    BERT", arXiv:1901.04085. A reranker with a `prior` wants the search's score beside its own, at that weight. One that
    has `unknown_rate` and does not know the question's words (Chinese with an English model) steps aside: the hits
    come back as they are.
    """
    if not hits or not _reads(reranker, question):
        return list(hits)
    prior = float(getattr(reranker, "prior", 0.0))
    scores = reranker.rerank(question, [hit.chunk.text for hit in hits])  # (n,)
    judged = [
        replace(hit, score=float(score) + prior * hit.score, scores={**hit.scores, "rerank": float(score)})
        for hit, score in zip(hits, scores, strict=True)
    ]
    return sorted(judged, key=lambda hit: -hit.score)


def _reads(reranker: Reranker, question: str) -> bool:
    unknown = getattr(reranker, "unknown_rate", None)
    return unknown is None or float(unknown(question)) < UNREADABLE
