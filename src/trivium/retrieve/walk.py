"""Search by walking the graph: from the question's entities, and from what a search finds, to chunks further on.

A chunk that answers the second half of a question often shares no word and no meaning with the question: it is about
an entity that only the first half's chunk names. The walk gets there (`trivium.index.graph.rank`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from trivium.index.graph.rank import pagerank, seeds
from trivium.index.graph.view import View, view
from trivium.retrieve.search import search
from trivium.types import Hit

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

STARTS = 20
"""Hits of the search at which the walk may restart."""
PASSAGES = 0.5
"""How often the walk restarts at those hits for each time that it restarts at an entity of the question."""
GRAPH = 0.5
"""The weight of the walk beside the search, which has the rest."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk found, and the entities at which it began, by name."""

    hits: tuple[Hit, ...]
    entities: tuple[str, ...]
    nodes: int


def walk(
    index: Index,
    question: str,
    *,
    k: int = 10,
    where: str | Where | None = None,
    principals: Sequence[str] | None = None,
    graph: float = GRAPH,
) -> Walk:
    """Return the k best chunks by the walk and the search together, best first.

    Args:
        index: the knowledge base. Where it has no graph, or the question names nothing in it, the search decides.
        question: plain text.
        k: how many.
        where: a filter expression or a condition on metadata: of the graph too only what satisfies it is walked.
        principals: who asks; None sees what everyone may read, in the graph as in the search.
        graph: the weight of the walk, 0 to 1.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
    """
    index = index.snapshot()
    hits = search(index, question, k=max(k, STARTS), where=where, principals=principals)
    seen = view(index, where=where, principals=principals)
    starts = seeds(seen, question)
    names = tuple(seen.names[node] for node in starts)
    if not starts:
        return Walk(tuple(hits[:k]), names, seen.size)
    scores = _mixed(seen, hits, starts, graph)
    best = sorted(scores, key=lambda id: -scores[id])[:k]
    known = {hit.chunk.id: hit for hit in hits}
    more = index.chunks([id for id in best if id not in known], where=where, principals=principals)
    known |= {id: Hit(chunk, 0.0, (), {}) for id, chunk in more.items()}
    return Walk(tuple(_walked(known[id], scores[id]) for id in best if id in known), names, seen.size)


def _mixed(seen: View, hits: Sequence[Hit], starts: Mapping[int, float], graph: float) -> dict[str, float]:
    """Return the score of each chunk that the search or the walk has found, 0 to 1."""
    total = sum(starts.values())
    best = max((hit.score for hit in hits), default=0.0) or 1.0
    found = {hit.chunk.id: max(0.0, hit.score) / best for hit in hits}
    first = {seen.place[hit.chunk.id]: found[hit.chunk.id] for hit in hits[:STARTS] if hit.chunk.id in seen.place}
    share = PASSAGES / (sum(first.values()) or 1.0)
    _, reached = pagerank(
        seen, {node: value / total for node, value in starts.items()}, {at: v * share for at, v in first.items()}
    )
    most = float(reached.max(initial=0.0)) or 1.0
    scores = {id: (1 - graph) * value for id, value in found.items()}
    for at in np.flatnonzero(reached):
        id = seen.chunks[at]
        scores[id] = scores.get(id, 0.0) + graph * float(reached[at]) / most
    return scores


def _walked(hit: Hit, score: float) -> Hit:
    return replace(hit, score=score, found_by=(*hit.found_by, "graph"), scores={**hit.scores, "graph": score})
