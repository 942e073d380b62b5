"""Search with several queries for one question, and give what they found the scores that it has for the question.

A hit that a query of the model's found is near that query, which the model made up: how near it is to the question
that a person asked is what the judgement of the evidence needs (`trivium.generate.refuse`).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from trivium.retrieve.fuse import reciprocal_rank_fusion
from trivium.retrieve.search import DEPTH, can_read, search
from trivium.types import Hit

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

_AT_ONCE = 4


def search_all(
    index: Index,
    question: str,
    queries: Sequence[str],
    *,
    k: int,
    where: str | Where | None = None,
    principals: Sequence[str] | None = None,
) -> list[Hit]:
    """Return the `k` best hits of several queries, their lists joined by reciprocal rank (`fuse_queries`).

    Args:
        index: the knowledge base.
        question: as asked; the hits get the scores that they have for it.
        queries: what is searched for; the question itself only where it is among them.
        k: how many, and how many of each query.
        where, principals: as for `trivium.retrieve.search.search`.

    Raises:
        UsageError: a query is empty, or `k` is below 1.
        FilterError: `where` does not parse.
    """
    one = partial(search, index, k=k, where=where, principals=principals)
    if len(queries) == 1:
        lists = [one(queries[0])]
    else:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            lists = list(pool.map(one, queries))
    return scored_for(index, question, fuse_queries(lists)[:k], where=where, principals=principals)


def fuse_queries(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Return the hits of several ranked lists as one, by the sum of `1 / (60 + rank)` over the lists.

    Reciprocal rank fusion over queries: Rackauckas 2024, "RAG-Fusion", arXiv:2402.03367. `found_by` names the arms
    of the search that found a hit for any of the queries; `scores` keeps the best of each.
    """
    known: dict[str, list[Hit]] = {}
    for hits in lists:
        for hit in hits:
            known.setdefault(hit.chunk.id, []).append(hit)
    fused = reciprocal_rank_fusion({str(place): hits for place, hits in enumerate(lists)})
    return [_joined(hit, known[hit.chunk.id]) for hit in fused]


def _joined(fused: Hit, same: Sequence[Hit]) -> Hit:
    arms = tuple(dict.fromkeys(arm for hit in same for arm in hit.found_by))
    names = dict.fromkeys(name for hit in same for name in hit.scores)
    scores = {name: max(hit.scores[name] for hit in same if name in hit.scores) for name in names}
    return replace(fused, found_by=arms, scores=scores)


def scored_for(
    index: Index,
    question: str,
    hits: Sequence[Hit],
    *,
    where: str | Where | None = None,
    principals: Sequence[str] | None = None,
) -> list[Hit]:
    """Return hits in their order with the cosine and the BM25 score that each has for `question`.

    A hit that is not among the first of the lexical arm has no BM25 score; without an embedder that reads the
    question none has a cosine.
    """
    if not hits:
        return []
    words = index.lexical(question, n=DEPTH, where=where, principals=principals)
    lexical = {hit.chunk.id: hit.score for hit in words}
    dense: dict[str, float] = {}
    if can_read(index, question):
        vector = index.embedder.embed_query(question)
        vectors = index.vectors([hit.chunk.id for hit in hits])
        dense = {id: float(row @ vector) for id, row in vectors.items()}
    return [replace(hit, scores=_scores(hit, dense, lexical)) for hit in hits]


def _scores(hit: Hit, dense: dict[str, float], lexical: dict[str, float]) -> dict[str, float]:
    others = {name: score for name, score in hit.scores.items() if name not in ("dense", "lexical")}
    own = {name: arm[hit.chunk.id] for name, arm in (("dense", dense), ("lexical", lexical)) if hit.chunk.id in arm}
    return others | own
