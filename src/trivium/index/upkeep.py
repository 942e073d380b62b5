"""Keeping a knowledge base whole: exact removal with a receipt, and the check of the records against the store."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.errors import UsageError
from trivium.index.cut import document_id
from trivium.index.rows import Record, chunk_id
from trivium.index.where import Among, And, Not, Where

if TYPE_CHECKING:
    from trivium.index.index import Index
    from trivium.index.store import Store

_CHECKED_TEXTS = 256  # documents whose text is held in memory at once


@dataclass(frozen=True, slots=True)
class Removed:
    """What was deleted with one document: rows with text, with a vector, with lexical entries, stored answers, and
    whether it had contributed to the graph.
    """

    source: str
    chunks: int
    vectors: int
    lexical: int
    cached_answers: int
    graph: int = 0


@dataclass(frozen=True, slots=True)
class RemoveReport:
    """The receipt of a removal. `left` counts what a search of the store still finds of the documents: 0.

    `purged` says whether the bytes are off the disk too; in a large knowledge base compaction does that later.
    """

    removed: tuple[Removed, ...]
    left: int
    purged: bool = True


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a check found. `problems` are one sentence each; `repaired` says whether they are now mended."""

    documents: int
    chunks: int
    problems: tuple[str, ...]
    repaired: bool = False


def remove(index: Index, sources: Sequence[str | os.PathLike[str]]) -> RemoveReport:
    """Delete documents by their sources, in one commit: each is there whole, or not at all.

    Raises:
        UsageError: a source is not in the knowledge base; nothing was removed.
    """
    records = list({record.id: record for source in sources for record in _find(index, source)}.values())
    if not records:
        return RemoveReport((), 0)
    ids = tuple(record.id for record in records)
    with index.writing() as store:
        receipts = tuple(_receipt(index, store, record) for record in records)
        store.delete(Among("document_id", ids))
        index.graph.forget(ids)
        index.answers.clear()
        index.pending.clear()
        purged = store.purge()
        left = store.count(Among("document_id", ids)) + sum(index.answers.count(one) for one in ids)
        left += index.graph.count(ids)
    return RemoveReport(receipts, left, purged)


def _receipt(index: Index, store: Store, record: Record) -> Removed:
    chunks = And((Among("document_id", (record.id,)), Among("kind", ("chunk",))))
    rows = store.count(chunks)
    vectors = store.count_with("vector", chunks)
    lexical = store.count_with("tokens", chunks)
    answers = index.answers.count(record.id)
    return Removed(record.source, rows, vectors, lexical, answers, index.graph.count([record.id]))


def _find(index: Index, source: str | os.PathLike[str]) -> list[Record]:
    """Return the records that a source names: exactly, as a path from here, or as a folder of them."""
    text = os.fspath(source)
    absolute = os.path.abspath(os.path.expanduser(text))
    records = index.records()
    exact = [record for record in records if record.source in (text, absolute)]
    inside = [record for record in records if record.source.startswith(absolute + os.sep)]
    if exact or inside:
        return exact or inside
    similar = [record.source for record in records if Path(text).name in record.source][:3]
    hint = f"Did you mean {similar[0]}?" if similar else "`trivium list` shows what there is."
    raise UsageError(f"{text} is not in the knowledge base {index.root}.", hint)


def missing(index: Index) -> list[str]:
    """Return the sources that were files and are no longer there."""
    return [r.source for r in index.records() if os.path.isabs(r.source) and r.size and not os.path.lexists(r.source)]


def verify(index: Index, *, repair: bool = True) -> VerifyReport:
    """Compare every recorded document with what the store holds; with `repair`, mend what is found.

    A document whose chunks are not all there is forgotten, so that the next `add` adds it again. Chunks and leftovers
    without a document are deleted.
    """
    with index.writing() as store:
        records = index.records()
        problems: list[str] = []
        broken: list[str] = []
        counts, orphans = _count_chunks(store, {record.id for record in records})
        for record in records:
            found = _problem(record, counts.get(record.id, Counter()))
            if found:
                problems.append(found)
                broken.append(record.id)
        torn = _torn_texts(store, [record for record in records if record.id not in broken])
        problems.extend(f"{record.source}: chunks do not match the stored text." for record in torn)
        broken.extend(record.id for record in torn)
        problems.extend(f"{number} chunks belong to no document ({one})." for one, number in orphans.items())
        gone = store.count(Among("kind", ("gone",)))
        doomed: list[Where] = []
        if broken or orphans:
            doomed.append(Among("document_id", (*broken, *orphans)))
        if gone:
            doomed.append(Among("kind", ("gone",)))
        if repair:
            for where in doomed:
                store.delete(where)
            if problems:
                index.answers.clear()
            store.maintain()
        chunks = sum(sum(counter.values()) for counter in counts.values())
    return VerifyReport(len(records), chunks, tuple(problems), repaired=repair and bool(problems))


def _count_chunks(store: Store, known: set[str]) -> tuple[dict[str, Counter[str]], Counter[str]]:
    """Return how often each chunk id stands, by document; and how many chunks belong to no document."""
    counts: dict[str, Counter[str]] = {}
    orphans: Counter[str] = Counter()
    for row in store.rows(Among("kind", ("chunk",)), ["id", "document_id"]):
        if row["document_id"] in known:
            counts.setdefault(row["document_id"], Counter())[row["id"]] += 1
        else:
            orphans[row["document_id"]] += 1
    return counts, orphans


def _problem(record: Record, counts: Counter[str]) -> str:
    if record.id != document_id(record.source):
        return f"{record.source}: its id does not belong to its source."
    wanted = {chunk_id(record.id, n) for n in range(record.chunks)}
    lost = len(wanted - counts.keys())
    if lost:
        return f"{record.source}: {lost} of {record.chunks} chunks are missing."
    if counts.keys() - wanted:
        return f"{record.source}: {len(counts.keys() - wanted)} chunks too many."
    if sum(counts.values()) > len(counts):
        return f"{record.source}: {sum(counts.values()) - len(counts)} chunks stand twice."
    return ""


def _torn_texts(store: Store, records: Sequence[Record]) -> list[Record]:
    """Return the documents with a chunk whose text, tokens or vector is missing or not that of the stored text."""
    torn: list[Record] = []
    for first in range(0, len(records), _CHECKED_TEXTS):
        some = {record.id: record for record in records[first : first + _CHECKED_TEXTS]}
        bodies = {row["id"]: row["body"] for row in store.rows(Among("id", tuple(some)), ["id", "body"])}
        where = And((Among("document_id", tuple(some)), Among("kind", ("chunk",))))
        bad = {
            row["document_id"]
            for row in store.rows(where, ["document_id", "start", "end", "text"])
            if (bodies.get(row["document_id"]) or "")[row["start"] : row["end"]] != row["text"]
        }
        whole = And((where, Not(Among("document_id", tuple(bad))))) if bad else where
        if store.count_with("vector", whole) != store.count(whole):
            bad.update(row["document_id"] for row in store.rows(whole, ["document_id", "vector"]) if not row["vector"])
        torn.extend(some[one] for one in sorted(bad))
    return torn
