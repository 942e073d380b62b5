"""Bringing the graph in line with the knowledge base: new documents contribute, removed ones are forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trivium.index.graph.extract import VERSION, extract
from trivium.index.graph.store import version_of
from trivium.index.graph.values import Contribution
from trivium.index.rows import CHUNK_COLUMNS, Record, load_chunk
from trivium.index.where import Among, every
from trivium.types import Chunk

if TYPE_CHECKING:
    from trivium.index.index import Index

_BATCH = 64  # documents read and committed at once: what a kill loses at most

Extract = Callable[[Record, Sequence[Chunk]], list[Contribution]]
"""What draws the contributions out of one document's chunks."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did: documents that contributed anew, were unchanged, were forgotten; chunks read; seconds."""

    documents: int
    unchanged: int
    forgotten: int
    chunks: int
    seconds: float


def by_form(record: Record, chunks: Sequence[Chunk]) -> list[Contribution]:
    """Draw contributions without a model."""
    return extract(chunks, record.title)


BY_FORM = f"form{VERSION}"


def sync(
    index: Index,
    *,
    method: str = BY_FORM,
    draw: Extract = by_form,
    progress: Callable[[int, int], None] | None = None,
) -> BuildReport:
    """Bring the graph in line with the knowledge base; what is unchanged costs a look.

    Args:
        index: the knowledge base.
        method: names the way of drawing; documents drawn in another way are drawn again.
        draw: the way.
        progress: called with (documents done, documents to do).

    Raises:
        StoreBusy, StoreFull: the knowledge base cannot be written.
    """
    began = time.perf_counter()
    graph = index.graph
    records = {record.id: record for record in index.records()}
    have = graph.fingerprints()
    gone = [id for id in have if id not in records]
    wanted = [record for record in records.values() if have.get(record.id) != f"{version_of(record)}:{method}"]
    with index.writing():
        graph.forget(gone)
    done = chunks = 0
    for first in range(0, len(wanted), _BATCH):
        some = wanted[first : first + _BATCH]
        rows = []
        for record, pieces in _chunks_of(index, some):
            rows.append((record.id, f"{version_of(record)}:{method}", draw(record, pieces)))
            chunks += len(pieces)
        with index.writing():  # one writer at a time, and an export that is under way sees no half of a commit
            graph.put(rows)
        done += len(some)
        if progress is not None:
            progress(done, len(wanted))
    unchanged = len(records) - len(wanted)
    return BuildReport(done, unchanged, len(gone), chunks, time.perf_counter() - began)


def _chunks_of(index: Index, records: Sequence[Record]) -> Iterator[tuple[Record, list[Chunk]]]:
    where = every([Among("document_id", tuple(record.id for record in records)), Among("kind", ("chunk",))])
    chunks: dict[str, list[Chunk]] = {}
    for row in index.store.rows(where, CHUNK_COLUMNS):
        chunk = load_chunk(row)
        chunks.setdefault(chunk.document_id, []).append(chunk)
    for record in records:
        yield record, sorted(chunks.get(record.id, []), key=lambda chunk: chunk.ordinal)
