"""Splits a question set by document: no document that proves an answer in one part does so in another.

A split by question puts two questions about one paragraph on both sides, and the test then measures memory. Here
questions that share a document, or are the same question, stay together: the connected components of the graph
of questions and documents are the units that are dealt out (Lewis et al. 2020, arXiv:2008.02637, measured how much
question sets overlap otherwise).
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from trivium.errors import UsageError
from trivium.tasks.leak import same
from trivium.types import Example

By = Callable[[Example], Iterable[str]]


@dataclass(frozen=True, slots=True)
class PartSize:
    """How large one part came out: `share` is of the questions, `wanted` what was asked for."""

    questions: int
    documents: int
    share: float
    wanted: float


@dataclass(frozen=True, slots=True)
class Split:
    """A question set in parts.

    Attributes:
        parts: the examples of each part, in the order of the set.
        sizes: how large each came out.
        components: the groups that had to stay together.
        largest: the share of the questions in the largest group: no part that has it can be smaller.
        unsourced: questions that name no document; each stands for itself.
        repeated: questions that are the same as an earlier one after normalising; they stayed with it.
    """

    parts: Mapping[str, tuple[Example, ...]]
    sizes: Mapping[str, PartSize]
    components: int
    largest: float
    unsourced: int
    repeated: int


def documents_of(example: Example) -> tuple[str, ...]:
    """Return the documents of an example: the sources of its evidence, or the one that its metadata names.

    An unanswerable question has no evidence; the document that it was asked about stands under `document`.
    """
    sources = dict.fromkeys(gold.source for gold in example.evidence if gold.source)
    about = str(example.metadata.get("document", ""))
    return tuple(sources) or ((about,) if about else ())


def metadata_of(key: str) -> By:
    """Return a `by` that reads one key of the metadata, such as `title`, instead of the sources of the evidence."""

    def of(example: Example) -> tuple[str, ...]:
        value = example.metadata.get(key)
        return () if value in (None, "") else (str(value),)

    return of


def split(
    examples: Sequence[Example],
    shares: Mapping[str, float],
    *,
    seed: int = 0,
    by: By = documents_of,
    stable: bool = False,
) -> Split:
    """Split a question set into parts that share no document and no question.

    The same set, shares and seed give the same parts on any machine, whatever the order of the rows. Components go,
    in the order of a seeded hash, each to the part that lacks most questions, so that the shares are met as nearly as
    the components allow.

    Args:
        examples: the set.
        shares: name of each part and its share of the questions; they are scaled to sum to 1.
        seed: another seed, another split.
        by: the documents of an example.
        stable: place each component by its own hash alone: shares are met only roughly, but a question keeps its
            part when the set grows.

    Raises:
        UsageError: no part is named, or a share is not above 0.
    """
    if not shares or not all(share > 0 for share in shares.values()):
        raise UsageError(
            f"The parts {dict(shares)} cannot be made.", "Give each a share above 0, such as train=0.8 and test=0.2."
        )
    total = sum(shares.values())
    wanted = {name: share / total for name, share in shares.items()}
    sources = [tuple(by(example)) for example in examples]
    questions = [same(example.question) for example in examples]
    groups = components(sources, questions)
    # A hash of a component must not depend on which of its members came first.
    keys = [_key(seed, min(_name(sources[row], questions[row]) for row in rows)) for rows in groups]
    place = _by_hash(keys, wanted) if stable else _by_need(keys, [len(rows) for rows in groups], wanted)
    part_of = {row: part for rows, part in zip(groups, place, strict=True) for row in rows}
    rows_of = {name: [row for row in range(len(examples)) if part_of[row] == name] for name in wanted}
    sizes = {
        name: PartSize(
            len(rows),
            len({source for row in rows for source in sources[row]}),
            len(rows) / max(len(examples), 1),
            wanted[name],
        )
        for name, rows in rows_of.items()
    }
    return Split(
        {name: tuple(examples[row] for row in rows) for name, rows in rows_of.items()},
        sizes,
        len(groups),
        max((len(rows) for rows in groups), default=0) / max(len(examples), 1),
        sum(not found for found in sources),
        sum(count - 1 for count in Counter(questions).values()),
    )


def components(sources: Sequence[Sequence[str]], questions: Sequence[str]) -> list[list[int]]:
    """Return the rows that hang together, by a shared source or an equal question, each group in order.

    Union and find (Galler and Fischer 1964) over rows, sources and questions.
    """
    parent: dict[tuple[str, str | int], tuple[str, str | int]] = {}

    def root(node: tuple[str, str | int]) -> tuple[str, str | int]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for row, (names, question) in enumerate(zip(sources, questions, strict=True)):
        for node in (("question", question), *(("source", name) for name in names)):
            parent[root(node)] = root(("row", row))
    groups: dict[tuple[str, str | int], list[int]] = {}
    for row in range(len(sources)):
        groups.setdefault(root(("row", row)), []).append(row)
    return list(groups.values())


def _name(sources: Sequence[str], question: str) -> str:
    return min((f"source {source}" for source in sources), default=f"question {question}")


def _key(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\n{name}".encode("utf-8", "surrogatepass")).digest()[:8], "big")


def _by_hash(keys: Sequence[int], wanted: Mapping[str, float]) -> list[str]:
    """Return the part of each component: where its hash, as a number from 0 to 1, falls."""
    names, limits = list(wanted), list(accumulate(wanted.values()))
    # The last limit may fall short of 1 by rounding.
    return [names[min(bisect_right(limits, key / 2**64), len(names) - 1)] for key in keys]


def _by_need(keys: Sequence[int], sizes: Sequence[int], wanted: Mapping[str, float]) -> list[str]:
    """Return the part of each component: the one that lacks most questions when its turn comes.

    The turns go by hash, but a component larger than the smallest part comes first, while there is room for it
    elsewhere; and no part stays empty where there are components enough.
    """
    total = sum(sizes)
    lacking = {name: share * total for name, share in wanted.items()}
    smallest = min(lacking.values())
    order = sorted(range(len(keys)), key=lambda at: (sizes[at] <= smallest, keys[at]))
    empty = set(wanted)
    parts = [""] * len(keys)
    for turn, at in enumerate(order):
        open_parts = empty if len(order) - turn <= len(empty) else wanted
        name = max((name for name in wanted if name in open_parts), key=lambda name: lacking[name])
        parts[at] = name
        lacking[name] -= sizes[at]
        empty.discard(name)
    return parts
