"""A knowledge base on disk: a folder with a table of chunks, searched densely and lexically under access lists.

    handbook/
      trivium.json    the format's version, and which embedder made the vectors
      chunks.lance/   the table (see `rows.py`)
      durable.json    the last commit that is known to be on the disk
      write.lock      held while a commit is written
      pending.db      vectors computed and not yet committed
      answers.db      answers that may be shown again
      graph.db        what each document gives to the graph, once one has been built

Several processes may hold one knowledge base open; each sees the others' commits at its next search.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import numpy as np

from trivium.errors import StoreBusy, StoreError, StoreFull, StoreNotFound, StoreVersion, UsageError
from trivium.index.durable import read_json, write_whole
from trivium.index.filters import parse
from trivium.index.graph.store import GraphStore
from trivium.index.rows import CHUNK_COLUMNS, BareChunk, Record, bare_chunk, load_chunk, load_document, load_record
from trivium.index.sidecar import PendingVectors, StoredAnswers
from trivium.index.store import PLACE, Store
from trivium.index.where import Among, Where, every, readable_by
from trivium.models.base import Embedder, Vectors
from trivium.text.tokens import analyse_question
from trivium.types import EVERYONE, Chunk, Document, Hit, Scalar
from trivium.version import __version__

FORMAT = 1
_MANIFEST = "trivium.json"
_LOCK_TIMEOUT = 600.0  # seconds; a commit takes milliseconds, compacting a large base takes longer


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A document of a knowledge base, as `documents()` lists it. `added_at` is ISO 8601, UTC."""

    id: str
    source: str
    chunks: int
    bytes: int
    access: tuple[str, ...]
    metadata: Mapping[str, Scalar]
    added_at: str


class Index:
    """An open knowledge base. Make one with `Index.open`; it may be shared by threads."""

    def __init__(self, root: Path, store: Store, manifest: Mapping[str, Any], embedder: Callable[[], Embedder]) -> None:
        self.root = root
        self.store = store
        self.manifest = manifest
        self.pending = PendingVectors(root / "pending.db")
        self.answers = StoredAnswers(root / "answers.db")
        self.graph = GraphStore(root / "graph.db")
        self._make_embedder = embedder
        self._embedder: Embedder | None = None
        self._embedder_lock = threading.Lock()
        self._records: tuple[int, list[Record]] | None = None
        self._view: Self | None = None

    @classmethod
    def open(cls, uri: str | Path, embedder: Callable[[], Embedder], *, create: bool = True) -> Self:
        """Open the knowledge base at `uri`, a folder (or a `file:` URI of one), making it if there is none.

        Args:
            uri: where it is.
            embedder: gives the model, called at the first embedding, or at once for a new knowledge base.
            create: whether to make it where there is none.

        Raises:
            StoreNotFound: there is none and `create` is false.
            StoreVersion: it was written by another version of Trivium.
            StoreFull: the folder cannot be written.
        """
        root = folder(uri)
        if not (root / _MANIFEST).exists():
            if not create:
                raise StoreNotFound(f"There is no knowledge base at {root}.", "Make one with `trivium add PATH`.")
            _create(root, embedder())
        manifest = read_json(root / _MANIFEST)
        _check(root, manifest)
        return cls(root, Store.open(root), manifest, embedder)

    @property
    def embedder(self) -> Embedder:
        """The model that makes this knowledge base's vectors.

        Raises:
            UsageError: the model given is not the one that made them.
        """
        with self._embedder_lock:
            if self._embedder is None:
                model = self._make_embedder()
                made_by = str(self.manifest["embedder"])
                if model.name != made_by:
                    raise UsageError(
                        f"The vectors of {self.root} were made by {made_by!r}, and the embedder is {model.name!r}.",
                        "Use that embedder (--embedder), or add the documents to a new knowledge base (--kb).",
                    )
                self._embedder = model
            return self._embedder

    def snapshot(self) -> Self:
        """Return this knowledge base as the latest commit left it, for reads that belong together."""
        store = self.store.snapshot()
        if store is self.store:
            return self
        view = self._view
        if view is None or view.store is not store:
            view = copy.copy(self)
            view.store = store
            self._view = view
        return view

    # -- searching ----------------------------------------------------------------------------------------------

    def dense(
        self,
        vector: Vectors,
        *,
        n: int,
        where: str | Where | None = None,
        principals: Sequence[str] | None = None,
        bare: bool = False,
    ) -> list[Hit]:
        """Return the n chunks nearest to `vector` (d,) that the asker may read; the score is the cosine.

        Args:
            vector: what `embedder.embed_query` returns.
            n: how many.
            where: a filter expression (see `filters.py`), or a condition.
            principals: who asks, such as `user:ada`, `group:legal`; None sees what everyone may read.
            bare: leave the chunks empty, which saves half of the time; of a snapshot, `whole` fills those wanted.

        Raises:
            FilterError: `where` does not parse.
        """
        condition = self.condition(where, principals)
        if bare:
            found = self.store.dense(vector, n, condition, ())
            return [Hit(bare_chunk(row[PLACE]), score, ("dense",), {"dense": score}) for row, score in found]
        found = self.store.dense(vector, n, condition)
        return [Hit(load_chunk(row), score, ("dense",), {"dense": score}) for row, score in found]

    def lexical(
        self,
        question: str,
        *,
        n: int,
        where: str | Where | None = None,
        principals: Sequence[str] | None = None,
        bare: bool = False,
        terms: Mapping[str, float] | None = None,
    ) -> list[Hit]:
        """Return the n chunks of highest BM25 score for the question's tokens that the asker may read.

        The arguments are those of `dense`; bare chunks have their vectors. `terms` are tokens with their weights, to
        search for instead of the question's own. No token in common: no hit.
        """
        tokens = list(dict.fromkeys(analyse_question(question)))[:_MOST_QUERY_TOKENS] if terms is None else terms
        condition = self.condition(where, principals)
        if bare:
            found = self.store.lexical(tokens, n, condition, ["vector"])
            chunks = [(bare_chunk(row[PLACE], row["vector"]), score) for row, score in found]
            return [Hit(chunk, score, ("lexical",), {"lexical": score}) for chunk, score in chunks]
        found = self.store.lexical(tokens, n, condition)
        return [Hit(load_chunk(row), score, ("lexical",), {"lexical": score}) for row, score in found]

    def whole(self, hits: Sequence[Hit]) -> list[Hit]:
        """Return the hits of a bare search of this snapshot with their chunks, in the same order.

        Raises:
            Overtaken: a purge took away the commit that was searched.
        """
        places = [hit.chunk.place for hit in hits if isinstance(hit.chunk, BareChunk)]
        chunks = map(load_chunk, self.store.take(places))
        return [replace(hit, chunk=next(chunks)) if isinstance(hit.chunk, BareChunk) else hit for hit in hits]

    def condition(self, where: str | Where | None, principals: Sequence[str] | None) -> Where:
        """Return the condition on rows that every search of this asker has.

        Raises:
            FilterError: `where` does not parse.
        """
        if isinstance(where, str):
            where = parse(where, self._values) if where.strip() else None
        return every([readable_by(principals), where])

    def _values(self, name: str) -> set[Scalar]:
        found = (record.facts().get(name) for record in self.records())
        return {value for value in found if value is not None}

    def metadata(self, *, principals: Sequence[str] | None = None) -> dict[str, set[Scalar]]:
        """Return what filters may ask about, with the values that documents which the asker may read have for it."""
        asker = {EVERYONE, *(principals or ())}
        found: dict[str, set[Scalar]] = {}
        for record in self.records():
            if not asker.isdisjoint(record.access):
                for name, value in record.facts().items():
                    found.setdefault(name, set()).add(value)
        return found

    # -- reading ------------------------------------------------------------------------------------------------

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, Vectors]:
        """Return the stored vectors (d,) of these chunks by id."""
        rows = self.store.rows(Among("id", tuple(chunk_ids)), ["id", "vector"]) if chunk_ids else []
        return {row["id"]: np.asarray(row["vector"], np.float32) for row in rows if row["vector"] is not None}

    def chunks(
        self,
        chunk_ids: Sequence[str],
        *,
        where: str | Where | None = None,
        principals: Sequence[str] | None = None,
    ) -> dict[str, Chunk]:
        """Return those of these chunks that the asker may read and that satisfy the filter, by id.

        Raises:
            FilterError: `where` does not parse.
        """
        if not chunk_ids:
            return {}
        wanted = every([self.condition(where, principals), Among("id", tuple(chunk_ids))])
        return {row["id"]: load_chunk(row) for row in self.store.rows(wanted, CHUNK_COLUMNS)}

    def document(self, document_id: str, *, principals: Sequence[str] | None = None) -> Document | None:
        """Return a whole document, or None where there is none that the asker may read."""
        where = every([Among("id", (document_id,)), readable_by(principals)])
        rows = self.store.rows(where, ["body", "structure", "record"])
        return load_document(rows[0]) if rows and rows[0]["body"] is not None else None

    def document_text(
        self,
        document_id: str,
        start: int | None = None,
        end: int | None = None,
        *,
        principals: Sequence[str] | None = None,
    ) -> str:
        """Return characters `start` to `end` of a document's stored text; empty where the asker may not read it."""
        where = every([Among("id", (document_id,)), readable_by(principals)])
        rows = self.store.rows(where, ["body"])
        return (rows[0]["body"] or "")[start:end] if rows else ""

    def size(self) -> int:
        """Return how many chunks there are, whoever may read them."""
        return self.store.count(Among("kind", ("chunk",)))

    def records(self) -> list[Record]:
        """Return the record of every document, by source. For the owner of the folder: no access list is asked."""
        version = self.store.version
        if self._records is None or self._records[0] != version:
            rows = self.store.rows(Among("kind", ("document",)), ["record"])
            records = sorted((load_record(row["record"]) for row in rows), key=lambda record: record.source)
            self._records = (version, records)
        return self._records[1]

    def documents(self) -> list[DocumentInfo]:
        """Return every document, by source. For the owner of the folder: no access list is asked."""
        return [
            DocumentInfo(r.id, r.source, r.chunks, r.bytes, r.access, dict(r.metadata), r.added_at)
            for r in self.records()
        ]

    # -- writing ------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[Store]:
        """Hold the writer's lock: one process at a time commits.

        Raises:
            StoreBusy: another process held it for ten minutes.
            StoreFull: the folder cannot be written.
        """
        import filelock

        lock = filelock.FileLock(self.root / "write.lock", timeout=_LOCK_TIMEOUT)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise StoreBusy(
                f"Another process has been writing to {self.root} for {_LOCK_TIMEOUT / 60:.0f} minutes.",
                "Wait for it, or stop it: what it has finished is safe.",
            ) from None
        except OSError as error:
            raise StoreFull(
                f"The folder {self.root} cannot be written: {error.strerror}.",
                "Change its permissions, free some space, or choose another folder with --kb.",
            ) from error
        try:
            yield self.store
        finally:
            lock.release()


_MOST_QUERY_TOKENS = 1_000


def folder(uri: str | Path) -> Path:
    """Return the folder that a knowledge base's URI names.

    Raises:
        UsageError: the URI is of a kind that Trivium does not store in yet.
    """
    text = str(uri)
    parts = urlsplit(text)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if "://" in text:
        raise UsageError(f"Trivium cannot keep a knowledge base at {text!r} yet.", "Give a folder.")
    return Path(text).expanduser().absolute()


def _create(root: Path, embedder: Embedder) -> None:
    """Make an empty knowledge base; two processes may try at once. The manifest comes last: it says all is there."""
    import filelock

    try:
        root.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(root / "write.lock", timeout=_LOCK_TIMEOUT):
            if (root / _MANIFEST).exists():
                return
            _clear_half_made(root)
            Store.create(root, embedder.dimension)
            manifest = {
                "format": FORMAT,
                "trivium": __version__,
                "embedder": embedder.name,
                "dimension": embedder.dimension,
            }
            write_whole(root / _MANIFEST, json.dumps(manifest, indent=1))
    except OSError as error:
        raise StoreFull(
            f"A knowledge base cannot be made at {root}: {error.strerror or error}.",
            "Change its permissions, free some space, or choose another folder with --kb.",
        ) from error


def _clear_half_made(root: Path) -> None:
    """Delete the empty table of a creation that was killed. A table with rows has lost its manifest: leave it."""
    import shutil

    table = root / "chunks.lance"
    if not table.exists():
        return
    try:
        rows = Store.open(root).count(every([]))
    except StoreError:
        rows = 0  # killed before the table's first version
    if rows:
        raise StoreError(
            f"{root} holds the table of a knowledge base ({rows} rows), but {_MANIFEST} is missing.",
            f"Restore {_MANIFEST} from a backup, or move the folder away and add the documents again.",
        )
    shutil.rmtree(table)


def _check(root: Path, manifest: Mapping[str, Any]) -> None:
    version = manifest.get("format")
    if not isinstance(version, int):
        raise StoreError(
            f"{root / _MANIFEST} cannot be read as the description of a knowledge base.",
            "Restore it from a backup, or delete the folder and add the documents again.",
        )
    if version > FORMAT:
        raise StoreVersion(
            f"The knowledge base {root} has format {version}, written by Trivium {manifest.get('trivium')}; "
            f"this is Trivium {__version__}, which reads format {FORMAT}.",
            "Upgrade with: pip install --upgrade trivium",
        )
    if version < FORMAT:
        raise StoreVersion(
            f"The knowledge base {root} has format {version}, which this Trivium no longer reads.",
            f"Make a new one from the documents: trivium add PATH --kb {root}-new",
        )
