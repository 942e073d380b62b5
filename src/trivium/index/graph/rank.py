"""Which chunks a question's entities lead to: personalised PageRank over entities and chunks.

Gutierrez et al. 2024, "HippoRAG" (arXiv:2405.14831): the walk restarts at the question's entities, rarer ones more
often (node specificity), and a passage is worth the probability of its nodes. As in HippoRAG 2 (Gutierrez et al. 2025,
arXiv:2502.14802) the passages are nodes themselves, so that the walk can also restart at those a search has found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from trivium.index.graph.phrases import entities
from trivium.index.graph.values import KINDS, NAMED, entity_key
from trivium.index.graph.view import Floats, View
from trivium.text.tokens import analyse, stop_words

DAMPING = 0.6
"""The probability of another step. HippoRAG has 0.5; on all of 2Wiki's questions 0.6 is a point better."""
_STEPS = 16
"""Of `DAMPING` ** 16 nothing is left to see."""
_LONGEST = 8  # words, or Chinese characters, of a name
_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_WORD = re.compile(r"[^\W_]+(?:[.'’&-][^\W_]+)*")


def seeds(view: View, question: str) -> dict[int, float]:
    """Return the named entities of the graph in a question, each with its specificity, 1 / (chunks that name it).

    Whatever stands in the question counts that is a name in the graph, in any case; the longest names win. Numbers and
    plain phrases count for nothing: with them, rare words such as "earlier" draw the walk away, and recall@5 on 2Wiki
    is 5 points lower.
    """
    found: dict[int, float] = {}
    for name in [*(name for name, _ in entities(question)), *_spans(view, question)]:
        node = view.find(name)
        if node is not None and KINDS[view.kind[node]] in NAMED:
            found[node] = 1.0 / float(view.degree[node])
    return found


def _spans(view: View, question: str) -> list[str]:
    """Return the stretches of the question that are names in the graph and lie in no longer one."""
    words = [match.span() for match in _WORD.finditer(_HAN.sub(lambda m: " " * len(m[0]), question))]
    spans = [
        (words[at][0], words[end][1]) for at in range(len(words)) for end in range(at, min(at + _LONGEST, len(words)))
    ]
    for run in _HAN.finditer(question):
        spans += [
            (at, end)
            for at in range(run.start(), run.end() - 1)
            for end in range(at + 2, min(at + _LONGEST, run.end()) + 1)
        ]
    taken: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: span[0] - span[1]):
        if any(start < b and a < end for a, b in taken):
            continue
        name = question[start:end]
        if not _function_words(name) and view.find(name) is not None:
            taken.append((start, end))
    return [question[start:end] for start, end in sorted(taken)]


def _function_words(name: str) -> bool:
    return entity_key(name).isascii() and all(token in stop_words() for token in analyse(name))


def pagerank(
    view: View,
    nodes: Mapping[int, float],
    chunks: Mapping[int, float] | None = None,
    *,
    damping: float = DAMPING,
) -> tuple[Floats, Floats]:
    """Return the stationary probability of each node, shape (view.size,), and of each chunk, shape (chunks,).

    A walk restarts at `nodes` and `chunks` in proportion to their values. From a chunk it goes to an entity by the
    weight of their tie and the entity's rarity, from an entity to a chunk by the weight of the tie. The sum is solved
    by power iteration; without anything to restart at, all is 0.
    """
    node_restart = np.zeros(view.size)
    chunk_restart = np.zeros(len(view.chunks))
    for at, value in nodes.items():
        node_restart[at] = value
    for at, value in (chunks or {}).items():
        chunk_restart[at] = value
    total = node_restart.sum() + chunk_restart.sum()
    if total <= 0:
        return node_restart, chunk_restart
    node_restart /= total
    chunk_restart /= total
    ways = view.ways
    (entity, to_chunk, first_in, into), (chunk, to_entity, first_out) = ways.inward, ways.outward
    entity_start, chunk_start = (1 - damping) * node_restart[ways.alive], (1 - damping) * chunk_restart
    for node in np.flatnonzero((node_restart > 0) & (view.degree == 1)):  # its one step is known beforehand
        chunk_start[view.chunk[view.node == node]] += damping * (1 - damping) * node_restart[node]
    here, there = entity_start, chunk_start
    for _ in range(_STEPS if len(entity) else 0):
        moved = np.zeros(len(there))
        moved[into] = np.add.reduceat(to_chunk * here[entity], first_in)
        here = entity_start + damping * np.add.reduceat(to_entity * there[chunk], first_out)
        there = chunk_start + damping * moved
    reached = (1 - damping) * node_restart
    reached[ways.alive] = here
    return reached, there
