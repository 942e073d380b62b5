"""Documents cut into chunks: what is embedded of each, and what it is found by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trivium.errors import UnknownName
from trivium.index.rows import Record, chunk_id
from trivium.models.base import Embedder
from trivium.text.tokens import analyse
from trivium.types import Chunk, Document


@dataclass(frozen=True, slots=True)
class Cut:
    """A document cut into chunks, not embedded yet."""

    record: Record
    document: Document
    chunks: tuple[Chunk, ...]
    texts: tuple[str, ...]
    tokens: tuple[str, ...]
    replaces: bool = False


def cut(document: Document, record: Record, embedder: Embedder) -> Cut:
    """Cut a document into chunks of the embedder's tokens, and analyse each for lexical search."""
    from trivium.documents import CHUNKERS

    if record.chunker not in CHUNKERS:
        raise UnknownName("chunker", record.chunker, CHUNKERS)
    needs = {"embed": embedder.embed} if record.chunker == "semantic" else {}
    pieces = CHUNKERS[record.chunker](document, tokens=embedder.token_spans, **needs)
    chunks = tuple(
        Chunk(
            id=chunk_id(record.id, n),
            document_id=record.id,
            source=record.source,
            text=document.text[piece.start : piece.end],
            start=piece.start,
            end=piece.end,
            ordinal=n,
            page=piece.page,
            headings=piece.headings,
            parent=piece.parent,
            metadata=record.metadata,
        )
        for n, piece in enumerate(pieces)
    )
    texts = tuple(embedded(chunk.headings, chunk.text) for chunk in chunks)
    tokens = tuple(" ".join(analyse(text)) for text in texts)
    return Cut(replace(record, chunks=len(chunks)), document, chunks, texts, tokens)


def embedded(headings: Sequence[str], text: str) -> str:
    """What of a chunk is embedded and analysed: the path of its headings, then its text."""
    return " > ".join(headings) + "\n" + text if headings else text


def document_id(source: str) -> str:
    """Return the id of the document that comes from this source: the same at every addition."""
    return hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:16]
