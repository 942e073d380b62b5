"""The rows of a knowledge base, and their Arrow form.

One table holds three kinds of row, so that one commit of the engine publishes or replaces whole documents:

chunk      a searchable piece: text, analysed tokens, vector
document   one a document: its whole text, its structure and its record (hash, counts, settings)
gone       a chunk that a shorter new version of its document left over; it matches no search and is deleted next
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from trivium.index.filters import facet
from trivium.types import Block, Chunk, Document, Heading, Page, Scalar

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.models.base import Vectors

# Each column of a hit costs a search 0.2 ms: document and ordinal are read from the id.
CHUNK_COLUMNS = [
    "id",
    "source",
    "text",
    "start",
    "end",
    "page",
    "headings",
    "parent_start",
    "parent_end",
    "metadata",
]
_RESERVED = ("source", "title", "author", "language", "created", "modified", "media_type", "added_at")


@dataclass(frozen=True, slots=True)
class Record:
    """What a knowledge base knows about a document without reading its text."""

    id: str
    source: str
    sha256: str
    chunks: int
    bytes: int
    access: tuple[str, ...]
    metadata: Mapping[str, Scalar]
    added_at: str
    chunker: str = ""
    size: int = 0
    title: str = ""
    author: str = ""
    created: str = ""
    modified: str = ""
    language: str = ""
    media_type: str = ""
    warnings: tuple[str, ...] = ()

    def facts(self) -> dict[str, Scalar]:
        """Return what filters may ask about: the metadata, then the record's own fields, which win."""
        own = {name: str(getattr(self, name)) for name in _RESERVED}
        return {**self.metadata, **{name: value for name, value in own.items() if value}}


@dataclass(frozen=True, slots=True)
class Whole:
    """A document ready to be committed: its record, its text, its chunks with their tokens and vectors (n, d)."""

    record: Record
    document: Document
    chunks: Sequence[Chunk]
    tokens: Sequence[str]
    vectors: Vectors = field(repr=False)


@dataclass(frozen=True, slots=True)
class BareChunk(Chunk):
    """A chunk that a search has found and not fetched: it has no text, and its id stands for its place.

    `place` is where it stands in the snapshot that was searched; `vector` (d,) is there where it was asked for.
    """

    place: int = -1
    vector: Vectors | None = field(default=None, repr=False, compare=False)


def bare_chunk(place: int, vector: Vectors | None = None) -> BareChunk:
    """Return the chunk at a place of a snapshot, whose columns are still to be fetched."""
    return BareChunk(f"at {place}", "", "", "", 0, 0, place=place, vector=vector)


@cache
def schema(dimension: int) -> pa.Schema:
    """Return the Arrow schema of the table for vectors of this dimension."""
    import pyarrow as pa

    text = pa.string()
    return pa.schema(
        [
            ("id", text),
            ("kind", text),
            ("document_id", text),
            ("source", text),
            ("ordinal", pa.int32()),
            ("start", pa.int64()),
            ("end", pa.int64()),
            ("page", pa.int32()),
            ("headings", pa.list_(text)),
            ("parent_start", pa.int64()),
            ("parent_end", pa.int64()),
            ("text", text),
            ("tokens", text),
            ("vector", pa.list_(pa.float32(), dimension)),
            ("access", pa.list_(text)),
            ("facets", pa.list_(text)),
            ("metadata", text),
            ("body", pa.large_string()),
            ("structure", pa.large_string()),
            ("record", text),
        ]
    )


def chunk_id(document_id: str, ordinal: int) -> str:
    """Return the id of a document's chunk; stable, so that a new version replaces the old one row by row."""
    return f"{document_id}:{ordinal}"


def batches(
    wholes: Iterable[Whole], dimension: int, leftovers: Mapping[str, int] | None = None, size: int = 8192
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of documents: of each its own row, its chunks, and as many gone ones as `leftovers` says by id."""
    import pyarrow as pa

    form = schema(dimension)
    rows: list[dict[str, Any]] = []
    vectors: list[Vectors | None] = []

    def batch() -> pa.RecordBatch:
        columns = [
            _vector_column(vectors, dimension)
            if name == "vector"
            else pa.array([row.get(name) for row in rows], form.field(name).type)
            for name in form.names
        ]
        return pa.RecordBatch.from_arrays(columns, schema=form)

    for whole in wholes:
        for row, vector in _rows(whole, (leftovers or {}).get(whole.record.id, 0)):
            rows.append(row)
            vectors.append(vector)
            if len(rows) >= size:
                yield batch()
                rows.clear()
                vectors.clear()
    if rows:
        yield batch()


def _vector_column(vectors: Sequence[Vectors | None], dimension: int) -> pa.Array:
    import pyarrow as pa

    none = np.zeros(dimension, np.float32)
    values = np.concatenate([none if vector is None else vector for vector in vectors]).astype(np.float32, copy=False)
    mask = pa.array([vector is None for vector in vectors])
    return pa.FixedSizeListArray.from_arrays(pa.array(values), dimension, mask=mask)


def _rows(whole: Whole, leftover: int) -> Iterator[tuple[dict[str, Any], Vectors | None]]:
    record = whole.record
    common = {
        "document_id": record.id,
        "source": record.source,
        "access": list(record.access),
        "facets": _facets(record),
        "metadata": json.dumps(dict(record.metadata), ensure_ascii=False),
    }
    own = {"id": record.id, "kind": "document", "body": whole.document.text}
    yield {**common, **own, "structure": _structure(whole.document), "record": dump_record(record)}, None
    for chunk, tokens, vector in zip(whole.chunks, whole.tokens, whole.vectors, strict=True):
        yield {**common, **_chunk_row(chunk), "tokens": tokens}, vector
    for n in range(len(whole.chunks), len(whole.chunks) + leftover):
        gone = {"id": chunk_id(record.id, n), "kind": "gone", "document_id": record.id}
        yield {**gone, "access": [], "facets": []}, None


def _chunk_row(chunk: Chunk) -> dict[str, Any]:
    return {
        "id": chunk.id,
        "kind": "chunk",
        "ordinal": chunk.ordinal,
        "start": chunk.start,
        "end": chunk.end,
        "page": chunk.page,
        "headings": list(chunk.headings),
        "parent_start": chunk.parent[0] if chunk.parent else None,
        "parent_end": chunk.parent[1] if chunk.parent else None,
        "text": chunk.text,
    }


def _structure(document: Document) -> str:
    parts = {
        "pages": [(p.number, p.start, p.end) for p in document.pages],
        "headings": [(h.level, h.title, h.start, h.end) for h in document.headings],
        "blocks": [(b.kind, b.start, b.end) for b in document.blocks],
    }
    return json.dumps(parts, ensure_ascii=False)


def _facets(record: Record) -> list[str]:
    return [facet(name, value) for name, value in record.facts().items()]


def retag(batch: pa.RecordBatch, record: Record) -> pa.RecordBatch:
    """Return the rows of a document under another record: new access and metadata, all else as it was."""
    import pyarrow as pa

    n = batch.num_rows
    kinds = batch.column("kind").to_pylist()
    form = batch.schema
    new = {
        "access": [list(record.access)] * n,
        "facets": [_facets(record)] * n,
        "metadata": [json.dumps(dict(record.metadata), ensure_ascii=False)] * n,
        "record": [dump_record(record) if kind == "document" else None for kind in kinds],
    }
    arrays = [
        pa.array(new[name], type=form.field(name).type) if name in new else batch.column(name) for name in form.names
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=form)


def dump_record(record: Record) -> str:
    """Return a record as JSON text."""
    return json.dumps(asdict(record), ensure_ascii=False)


def load_record(text: str) -> Record:
    """Return the record that `dump_record` wrote; fields of a later version are passed over."""
    found = json.loads(text)
    known = {name: found[name] for name in Record.__slots__ if name in found}
    for name in ("access", "warnings"):
        known[name] = tuple(known.get(name, ()))
    return Record(**known)


def load_chunk(row: Mapping[str, Any]) -> Chunk:
    """Return the chunk of a row that has `CHUNK_COLUMNS`."""
    parent = (row["parent_start"], row["parent_end"]) if row["parent_start"] is not None else None
    document_id, _, ordinal = row["id"].rpartition(":")
    return Chunk(
        id=row["id"],
        document_id=document_id,
        source=row["source"],
        text=row["text"],
        start=row["start"],
        end=row["end"],
        ordinal=int(ordinal),
        page=row["page"],
        headings=tuple(row["headings"] or ()),
        parent=parent,
        metadata=json.loads(row["metadata"] or "{}"),
    )


def load_document(row: Mapping[str, Any]) -> Document:
    """Return the document of a row that has `body`, `structure` and `record`."""
    record = load_record(row["record"])
    structure = json.loads(row["structure"] or "{}")
    return Document(
        source=record.source,
        text=row["body"],
        pages=tuple(Page(*page) for page in structure.get("pages", ())),
        headings=tuple(Heading(*heading) for heading in structure.get("headings", ())),
        blocks=tuple(Block(*block) for block in structure.get("blocks", ())),
        title=record.title,
        author=record.author,
        created=record.created,
        modified=record.modified,
        language=record.language,
        media_type=record.media_type,
        bytes=record.bytes,
        metadata=record.metadata,
        warnings=record.warnings,
    )
