"""The graph as one asker sees it: drawn from the contributions of chunks that the asker may read, and of no others.

Which chunks those are is asked of the table, with the condition that every search has, in the very snapshot that is
searched. A chunk that is not there any more, or whose document has another version by now, contributes nothing. Merging
looks only at what is seen: two names are one node because of texts that the asker may read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trivium.index.graph.store import GraphStore, Integers, Stack, version_of
from trivium.index.graph.values import KINDS, Contribution, Edge, Node, entity_key
from trivium.index.where import Among, Where, every

if TYPE_CHECKING:
    from trivium.index.index import Index

Floats = NDArray[np.float64]
_CHUNKS = Among("kind", ("chunk",))
_VIEWS = 8
"""Views kept: an asker's next question finds theirs ready."""
_KIND_WEIGHTS = np.array([5.0, 1.0, 1.0, 0.2, 0.05])
"""How much a mention of each of `KINDS` ties its chunk to the entity: most, where the document is about it."""
_RARITY = 2
"""The power of an entity's rarity, the logarithm of one chunk in so many, in the choice among a chunk's entities."""
_WINDOW = 12
"""Mentions of one sentence that are paired with one: each with the next so many."""


@dataclass(frozen=True, slots=True)
class Ways:
    """The ties of the entities that several chunks name, `alive`, as a walk needs them.

    Attributes:
        alive: their nodes; a walk counts them from 0.
        inward: of the ties by chunk: the entity, the probability of the step, where each chunk begins, and which it is.
        outward: of the ties by entity: the chunk, the probability of the step, where each entity begins.
    """

    alive: Integers
    inward: tuple[NDArray[np.int32], Floats, Integers, Integers]
    outward: tuple[NDArray[np.int32], Floats, Integers]


@dataclass(frozen=True)
class View:
    """Nodes are numbered from 0; rows of `node`, `chunk`, `weight` tie a node to a chunk, sorted by chunk.

    Attributes:
        chunks: ids of the chunks seen that mention something.
        node, chunk, weight: the ties, each pair once.
    """

    chunks: tuple[str, ...]
    node: Integers
    chunk: Integers
    weight: Floats
    size: int
    _graph: GraphStore = field(repr=False)
    _root: Integers = field(repr=False)
    _number: Integers = field(repr=False)
    _mention: Integers = field(repr=False)  # rows: node, chunk, name, kind, sentence
    _told: tuple[Contribution, ...] = field(repr=False)

    @cached_property
    def degree(self) -> Integers:
        """In how many chunks each node is mentioned, shape (size,)."""
        return np.bincount(self.node, minlength=self.size)

    @cached_property
    def place(self) -> dict[str, int]:
        """The number of each chunk by its id."""
        return {chunk: at for at, chunk in enumerate(self.chunks)}

    @cached_property
    def steps(self) -> tuple[Floats, Floats]:
        """The probability of each tie's step from its node to its chunk, and from its chunk to its node.

        From a chunk the walk prefers rare entities, but never goes to one that no other chunk names: there it could
        only turn round. (With those, recall@5 on 2Wiki is 5 points lower.) Where a chunk has no other, a walk ends.
        """
        rarity = np.log1p(len(self.chunks) / np.maximum(1, self.degree)) ** _RARITY
        out = self.weight * np.where(self.degree > 1, rarity, 0.0)[self.node]
        from_node = np.bincount(self.node, weights=self.weight, minlength=self.size)
        from_chunk = np.bincount(self.chunk, weights=out, minlength=len(self.chunks))
        ways = from_chunk[self.chunk]
        return self.weight / from_node[self.node], np.divide(out, ways, out=np.zeros_like(out), where=ways > 0)

    @cached_property
    def ways(self) -> Ways:
        """The ties that a walk goes both ways, laid out for it."""
        alive = np.flatnonzero(self.degree > 1)
        number = np.zeros(self.size, np.int32)
        number[alive] = np.arange(len(alive), dtype=np.int32)
        ties = np.flatnonzero(self.degree[self.node] > 1)  # by chunk, as all ties are
        by_node = ties[np.argsort(self.node[ties], kind="stable")]
        to_chunk, to_node = self.steps
        chunk = self.chunk[ties]
        first = np.flatnonzero(np.diff(chunk, prepend=-1))
        return Ways(
            alive,
            (number[self.node[ties]], to_chunk[ties], first, chunk[first]),
            (self.chunk[by_node].astype(np.int32), to_node[by_node], np.searchsorted(self.node[by_node], alive)),
        )

    @cached_property
    def kind(self) -> Integers:
        """The most telling of `KINDS` that each node is mentioned as, shape (size,)."""
        kinds = np.full(self.size, len(KINDS) - 1)
        np.minimum.at(kinds, self._mention[0], self._mention[3])
        return kinds

    def find(self, name: str) -> int | None:
        """Return the node of a name in any writing, if it is seen."""
        key = self._graph.keys.find(entity_key(name))
        if key is None or key >= len(self._root):
            return None
        number = int(self._number[self._root[key]])
        return number if number >= 0 else None

    def name(self, number: int) -> str:
        """Return the commonest name of a node, without ordering those of all."""
        if "names" in self.__dict__:
            return self.names[number]
        texts = self._graph.names.texts
        names, counts = np.unique(self._mention[2, self._mention[0] == number], return_counts=True)
        commonest: tuple[int, str] = min(zip((-counts).tolist(), (texts[at] for at in names), strict=True))
        return commonest[1]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The commonest name of each node."""
        order, name, first = self._by_name
        texts = self._graph.names.texts
        return tuple(texts[name[at]] for at in first) if len(order) else ()

    @cached_property
    def _by_name(self) -> tuple[Integers, Integers, Integers]:
        """Return (node, name) pairs, the commonest name of each node first, and where each node begins."""
        texts = self._graph.names.texts
        pairs, counts = np.unique(self._mention[0] * len(texts) + self._mention[2], return_counts=True)
        node, name = pairs // max(1, len(texts)), pairs % max(1, len(texts))
        used = np.unique(name)
        place = np.zeros(len(texts), np.int64)
        place[sorted(used.tolist(), key=texts.__getitem__)] = np.arange(len(used))
        order = np.lexsort((place[name], -counts, node))
        return node[order], name[order], np.searchsorted(node, np.arange(self.size))

    def chunks_of(self, number: int) -> tuple[str, ...]:
        """Return the ids of the chunks that mention a node."""
        return tuple(sorted(self.chunks[at] for at in self.chunk[self.node == number]))

    @cached_property
    def all_names(self) -> tuple[tuple[str, ...], ...]:
        """Every name of each node, the commonest first."""
        nodes, names, first = self._by_name
        texts = self._graph.names.texts
        ends = [*first[1:].tolist(), len(nodes)] if self.size else []
        return tuple(tuple(texts[at] for at in names[a:b]) for a, b in zip(first, ends, strict=True))

    @cached_property
    def about(self) -> dict[int, list[str]]:
        """What a model has said of a node, by node."""
        said: dict[int, dict[str, None]] = {}
        for one in self._told:
            for name, text in one.about.items():
                node = self.find(name)
                if node is not None:
                    said.setdefault(node, {})[text] = None
        return {node: list(texts) for node, texts in said.items()}

    def describe(self, number: int) -> Node:
        """Return a node in full."""
        own = self.all_names[number]
        kind = KINDS[int(self.kind[number])]
        return Node(own[0], kind, own, self.chunks_of(number), tuple(self.about.get(number, ())))

    @cached_property
    def pairs(self) -> tuple[Integers, Integers, Integers]:
        """Pairs of nodes that stand in one sentence: two arrays of nodes, lower first, and how many sentences."""
        node, chunk, _, _, sentence = self._mention
        group = chunk * (int(sentence.max(initial=0)) + 2) + sentence + 1
        order = np.lexsort((node, group))
        group, node = group[order], node[order]
        fresh = np.ones(len(node), bool)
        fresh[1:] = (group[1:] != group[:-1]) | (node[1:] != node[:-1])
        group, node = group[fresh], node[fresh]
        found = []
        for step in range(1, _WINDOW + 1):
            same = group[step:] == group[:-step]
            if not same.any():
                break
            found.append(np.stack([node[:-step][same], node[step:][same]]))
        low, high = np.concatenate(found, axis=1) if found else np.zeros((2, 0), np.int64)
        both, counts = np.unique(low * self.size + high, return_counts=True)
        return both // max(1, self.size), both % max(1, self.size), counts

    def edges(self, number: int, most: int = 20) -> list[Edge]:
        """Return the edges of a node, those of most sentences first, with what a model has said of them."""
        low, high, counts = self.pairs
        mine = np.flatnonzero((low == number) | (high == number))
        other = np.where(low[mine] == number, high[mine], low[mine])
        order = sorted(range(len(mine)), key=lambda at: (-counts[mine[at]], self.names[other[at]]))[:most]
        own = set(self.chunks_of(number))
        told = self._said_of(number)
        edges = []
        for at in order:
            there = int(other[at])
            shared = tuple(sorted(own & set(self.chunks_of(there))))
            count = int(counts[mine[at]])
            edges.append(Edge(self.names[number], self.names[there], count, shared, tuple(told.pop(there, ()))))
        edges += [Edge(self.names[number], self.names[there], 0, (), tuple(about)) for there, about in told.items()]
        return edges

    def _said_of(self, number: int) -> dict[int, list[str]]:
        said: dict[int, list[str]] = {}
        for (low, high), about in self.said.items():
            if number in (low, high):
                said[high if low == number else low] = about
        return said

    @cached_property
    def said(self) -> dict[tuple[int, int], list[str]]:
        """What a model has said of pairs of nodes, lower first, by pair."""
        said: dict[tuple[int, int], list[str]] = {}
        for one in self._told:
            for relation in one.relations:
                ends = self.find(relation.source), self.find(relation.target)
                if ends[0] is not None and ends[1] is not None and ends[0] != ends[1]:
                    pair = (min(ends[0], ends[1]), max(ends[0], ends[1]))
                    said.setdefault(pair, []).append(relation.about)
        return said


def view(index: Index, *, principals: Sequence[str] | None = None, where: str | Where | None = None) -> View:
    """Return the graph that an asker sees.

    Args:
        index: the knowledge base; of a snapshot, the graph of that commit.
        principals: who asks; None sees what everyone may read.
        where: a filter expression or a condition on metadata.

    Raises:
        FilterError: `where` does not parse.
    """
    while True:  # again where a purge overtook it: which chunks, and of which versions, is read from one commit
        snapshot = index.snapshot()
        made = _view(snapshot, every([snapshot.condition(where, principals=principals), _CHUNKS]))
        if not snapshot.store.overtaken:
            return made


def _view(index: Index, condition: Where) -> View:
    graph = index.graph
    stack = graph.stack()
    if not stack.documents:
        return _drawn(graph, stack, np.zeros(0, bool))
    key = (index.store.version, condition)
    with graph.cache_lock:
        found = graph.cache.get(key)
    if found is not None and found[0] is stack:
        view: View = found[1]
        return view
    readable = {row["id"] for row in index.store.rows(condition, ["id"])}
    versions = {record.id: version_of(record) for record in index.records()}
    current = [versions.get(id) == version for id, version in zip(stack.documents, stack.versions, strict=True)]
    seen = np.array([chunk in readable for chunk in stack.chunks], bool) & np.array(current, bool)[stack.document]
    made = _drawn(graph, stack, seen)
    with graph.cache_lock:
        while len(graph.cache) >= _VIEWS:
            graph.cache.pop(next(iter(graph.cache)))
        graph.cache[key] = (stack, made)
    return made


def _drawn(graph: GraphStore, stack: Stack, seen: NDArray[np.bool_]) -> View:
    """Return the graph of the chunks marked in `seen`."""
    chunks = tuple(chunk for chunk, yes in zip(stack.chunks, seen.tolist(), strict=True) if yes)
    mention = stack.mention[:, seen[stack.mention[1]]]
    mention[1] = (np.cumsum(seen) - 1)[mention[1]]
    root = _merged(len(graph.keys.texts), stack.aliases[seen[stack.aliases[:, 0]], 1:])
    mention[0] = root[mention[0]]
    number = np.full(len(root), -1, np.int64)
    present = np.unique(mention[0])
    present = np.array(sorted(present.tolist(), key=graph.keys.texts.__getitem__), np.int64)  # in no process's order
    number[present] = np.arange(len(present))
    mention[0] = number[mention[0]]
    mention = mention[:, np.lexsort((mention[4], mention[0], mention[1]))]
    node, chunk, weight = _ties(mention, len(present))
    readable = set(chunks) if stack.told else set()
    told = tuple(one for one in stack.told if one.chunk in readable)
    return View(chunks, node, chunk, weight, len(present), graph, root, number, mention, told)


def _ties(mention: Integers, size: int) -> tuple[Integers, Integers, Floats]:
    """Return each pair of node and chunk once, with the weight of its mentions together."""
    pair = mention[1] * max(1, size) + mention[0]
    pairs, place = np.unique(pair, return_inverse=True)
    total: Floats = np.bincount(place, weights=_KIND_WEIGHTS[mention[3]], minlength=len(pairs)).astype(np.float64)
    return pairs % max(1, size), pairs // max(1, size), total.astype(np.float64)


def _merged(size: int, aliases: Integers) -> Integers:
    """Return for each key the one that stands for it. A short form of several names stands for itself."""
    root = np.arange(size)
    names: dict[int, set[int]] = {}
    for short, name in aliases.tolist():
        names.setdefault(short, set()).add(name)
    for short, several in names.items():
        if len(several) == 1:
            root[short] = next(iter(several))
    for _ in range(3):  # a name may itself be short for another
        root = root[root]
    return root
