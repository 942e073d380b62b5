"""Adding documents: files are read, cut, embedded and committed in a bounded pipeline.

The calling thread walks, hashes, reads (in worker processes) and cuts; a second thread embeds and commits. A document
is committed whole, with its hash, in one commit of the store; several small ones share a commit. What was embedded and
not committed when the process died waits in `pending.db` and is not embedded again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trivium.errors import DocumentError, StoreFull, UnknownName, UsageError
from trivium.index.rows import Record, Whole, batches, chunk_id, retag
from trivium.index.where import Among
from trivium.models.base import Vectors
from trivium.text.tokens import analyse
from trivium.types import EVERYONE, Chunk, Document, Metadata

if TYPE_CHECKING:
    from trivium.index.index import Index

_log = logging.getLogger("trivium.index")

_COMMIT_CHUNKS = 2_048
_COMMIT_SECONDS = 5.0
_EMBED_CHUNKS = 256
_QUEUED_CHUNKS = 4_096
_MAINTAIN_ROWS = 10_000
_MAINTAIN_COMMITS = 64


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that was not added, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class AddReport:
    """What `add` did. `chunks` are those written now; `seconds` is wall-clock time."""

    added: int
    updated: int
    unchanged: int
    failed: tuple[Failure, ...]
    chunks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far `add` is: files finished (added, unchanged or failed) of all, and chunks committed."""

    files_done: int
    files_total: int
    chunks: int
    failed: int
    current: str


@dataclass(frozen=True, slots=True)
class Options:
    """How documents are added.

    Empty `access` keeps what a document had, or lets everyone read a new one; empty `metadata` likewise keeps.
    """

    access: tuple[str, ...] = ()
    metadata: Metadata | None = None
    chunker: str = "sliding"
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class _Cut:
    """A document cut into chunks, not embedded yet."""

    record: Record
    document: Document
    chunks: tuple[Chunk, ...]
    texts: tuple[str, ...]
    tokens: tuple[str, ...]


def add(
    index: Index,
    paths: Iterable[str | os.PathLike[str] | Document],
    options: Options,
    progress: Callable[[Progress], None] | None = None,
) -> AddReport:
    """Add files, folders and ready documents; see `KnowledgeBase.add`."""
    tally = _Tally(progress)
    files, documents = _parted(paths)
    known = {record.id: record for record in index.records()}
    with _Writer(index, tally) as writer:
        for document in documents:
            tally.total += 1
            _add_document(index, writer, tally, document, _hash_text(document), options, known)
        if files:
            _add_files(index, writer, tally, files, options, known)
    return tally.report()


def _parted(paths: Iterable[str | os.PathLike[str] | Document]) -> tuple[list[Path], list[Document]]:
    if isinstance(paths, str | os.PathLike | Document):
        paths = [paths]
    files: list[Path] = []
    documents: list[Document] = []
    for path in paths:
        if isinstance(path, Document):
            documents.append(path)
        else:
            files.append(Path(os.path.abspath(os.path.expanduser(path))))
    return files, documents


class _Tally:
    """Counts what happens, for the report and the progress."""

    def __init__(self, progress: Callable[[Progress], None] | None) -> None:
        self._progress = progress
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self.total = 0
        self.added = self.updated = self.unchanged = self.chunks = 0
        self.failures: list[Failure] = []

    def fail(self, source: str, reason: str) -> None:
        with self._lock:
            self.failures.append(Failure(source, reason))
        self.tell(source)

    def same(self, source: str) -> None:
        with self._lock:
            self.unchanged += 1
        self.tell(source)

    def wrote(self, source: str, chunks: int, *, new: bool) -> None:
        with self._lock:
            self.added += new
            self.updated += not new
            self.chunks += chunks
        self.tell(source)

    def tell(self, current: str) -> None:
        if self._progress is not None:
            done = self.added + self.updated + self.unchanged + len(self.failures)
            self._progress(Progress(done, max(self.total, done), self.chunks, len(self.failures), current))

    def report(self) -> AddReport:
        seconds = time.monotonic() - self._started
        failed = tuple(sorted(self.failures, key=lambda failure: failure.source))
        return AddReport(self.added, self.updated, self.unchanged, failed, self.chunks, round(seconds, 3))


def _add_files(
    index: Index, writer: _Writer, tally: _Tally, files: Sequence[Path], options: Options, known: Mapping[str, Record]
) -> None:
    from trivium.documents.discover import discover
    from trivium.documents.limits import Limits
    from trivium.documents.load import Loader, source_name

    found: list[Path] = []
    for item in discover(files, exclude=[index.root]):
        if isinstance(item, DocumentError):
            tally.total += 1
            tally.fail(item.source, item.reason)
        else:
            found.append(item)
    found = list(dict.fromkeys(found))
    tally.total += len(found)

    def changed() -> Iterator[Path]:
        for path in found:
            source = source_name(path)
            record = known.get(document_id(source))
            if record is None or not _same_file(path, record, options):
                yield path
            elif _wanted(record, options) == record:
                tally.same(source)
            else:
                writer.put_record(_wanted(record, options))

    limits = Limits() if options.max_bytes is None else Limits(max_bytes=options.max_bytes)
    with Loader(limits=limits) as loader:
        for _, result in loader.map(changed()):
            if isinstance(result, DocumentError):
                tally.fail(result.source, result.reason)
            else:
                _add_document(index, writer, tally, result.document, result.sha256, options, known)


def _same_file(path: Path, record: Record, options: Options) -> bool:
    if record.chunker != options.chunker:
        return False
    try:
        if path.stat().st_size != record.size:
            return False
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == record.sha256
    except OSError:
        return False  # the loader will say why it cannot be read


def _wanted(record: Record, options: Options) -> Record:
    access = options.access or record.access
    metadata = record.metadata if not options.metadata else {**record.metadata, **options.metadata}
    return replace(record, access=tuple(sorted(set(access))), metadata=metadata)


def _add_document(
    index: Index,
    writer: _Writer,
    tally: _Tally,
    document: Document,
    sha256: str,
    options: Options,
    known: Mapping[str, Record],
) -> None:
    old = known.get(document_id(document.source))
    record = _record(document, sha256, options, old)
    if old is not None and old.sha256 == sha256 and old.chunker == options.chunker:
        if _wanted(old, options) == old:
            tally.same(document.source)
        else:
            writer.put_record(_wanted(old, options))
        return
    cut = _cut(index, document, record)
    if cut.chunks:
        writer.put(cut)
    else:
        tally.fail(document.source, "holds no text")


def _record(document: Document, sha256: str, options: Options, old: Record | None) -> Record:
    own = dict(document.metadata)
    kept = dict(old.metadata) if old is not None else {}
    return Record(
        id=document_id(document.source),
        source=document.source,
        sha256=sha256,
        chunks=0,
        bytes=document.bytes or len(document.text.encode("utf-8", "replace")),
        access=tuple(sorted(set(options.access or (old.access if old else (EVERYONE,))))),
        metadata={**own, **kept, **(options.metadata or {})},
        added_at=datetime.now(UTC).isoformat(timespec="seconds"),
        chunker=options.chunker,
        size=document.bytes,
        title=document.title,
        author=document.author,
        created=document.created,
        modified=document.modified,
        language=document.language,
        media_type=document.media_type,
        warnings=document.warnings,
    )


def _cut(index: Index, document: Document, record: Record) -> _Cut:
    """Cut a document into chunks of the embedder's tokens, and analyse each for lexical search."""
    from trivium.documents import CHUNKERS

    if record.chunker not in CHUNKERS:
        raise UnknownName("chunker", record.chunker, CHUNKERS)
    embedder = index.embedder
    pieces = CHUNKERS[record.chunker](document, tokens=embedder.token_spans, embed=embedder.embed)
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
    texts = tuple(_embedded(chunk) for chunk in chunks)
    tokens = tuple(" ".join(analyse(text)) for text in texts)
    return _Cut(replace(record, chunks=len(chunks)), document, chunks, texts, tokens)


def _embedded(chunk: Chunk) -> str:
    """What of a chunk is embedded and analysed: the path of its headings, then its text."""
    return " > ".join(chunk.headings) + "\n" + chunk.text if chunk.headings else chunk.text


def document_id(source: str) -> str:
    """Return the id of the document that comes from this source: the same at every addition."""
    return hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _hash_text(document: Document) -> str:
    return hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()


class _Writer:
    """The second thread: embeds what it is given and commits whole documents, in the order given."""

    def __init__(self, index: Index, tally: _Tally) -> None:
        self._index = index
        self._tally = tally
        self._queue: queue.Queue[_Cut | Record | None] = queue.Queue()
        self._room = _Room(_QUEUED_CHUNKS)
        self._thread = threading.Thread(target=self._run, name="trivium-add", daemon=True)
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._ready: list[Whole] = []
        self._ready_chunks = 0
        self._last_commit = time.monotonic()
        self._rows_since = self._commits_since = 0
        self._wrote = False

    def __enter__(self) -> _Writer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Commit what is embedded; after an error (or Ctrl-C) leave the rest for the next run."""
        if kind is not None:
            self._stop.set()
        self._queue.put(None)
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def put(self, cut: _Cut) -> None:
        """Give a document to the thread; waits while too many chunks are queued.

        Raises:
            whatever ended the thread.
        """
        self._room.take(len(cut.chunks), self._alive)
        self._raise()
        self._queue.put(cut)

    def put_record(self, record: Record) -> None:
        """Give new access and metadata for a document whose text is unchanged."""
        self._raise()
        self._queue.put(record)

    def _alive(self) -> bool:
        return self._error is None

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with _sqlite_errors(self._index.root):
                self._loop()
        except BaseException as error:  # handed to the calling thread, which raises it
            self._error = error
        finally:
            self._room.open()

    def _loop(self) -> None:
        ended = False
        while not ended:
            cuts, ended = self._take()
            if self._stop.is_set():
                break
            self._embed([cut for cut in cuts if isinstance(cut, _Cut)])
            for record in cuts:
                if isinstance(record, Record):
                    self._retag(record)
            due = time.monotonic() - self._last_commit > _COMMIT_SECONDS
            if self._ready_chunks >= _COMMIT_CHUNKS or (due and self._ready):
                self._commit()
        self._commit()
        if self._wrote and not self._stop.is_set():
            with self._index.writing() as store:
                store.maintain()

    def _take(self) -> tuple[list[_Cut | Record], bool]:
        """Wait for work, then take what is queued, up to one embedding's worth; and whether that was the last."""
        taken: list[_Cut | Record] = []
        chunks = 0
        while chunks < _EMBED_CHUNKS:
            try:
                item = self._queue.get(block=not taken)
            except queue.Empty:
                break
            if item is None:
                return taken, True
            taken.append(item)
            if isinstance(item, _Cut):
                chunks += len(item.chunks)
        return taken, False

    def _embed(self, cuts: Sequence[_Cut]) -> None:
        texts = [text for cut in cuts for text in cut.texts]
        if not texts:
            return
        vectors = self._vectors(cuts, texts)
        first = 0
        for cut in cuts:
            last = first + len(cut.texts)
            self._ready.append(Whole(cut.record, cut.document, cut.chunks, cut.tokens, vectors[first:last]))
            self._ready_chunks += len(cut.chunks)
            self._room.give(len(cut.chunks))
            first = last

    def _vectors(self, cuts: Sequence[_Cut], texts: Sequence[str]) -> Vectors:
        """Embed in parts, so that a long document can be interrupted and is not lost."""
        parts = []
        for first in range(0, len(texts), 4 * _EMBED_CHUNKS):
            if self._stop.is_set() and first:
                raise KeyboardInterrupt
            parts.append(self._index.pending.embed(self._index.embedder, texts[first : first + 4 * _EMBED_CHUNKS]))
        return np.concatenate(parts)

    def _commit(self) -> None:
        wholes, self._ready, self._ready_chunks = self._ready, [], 0
        self._last_commit = time.monotonic()
        if not wholes:
            return
        wholes = list({whole.record.id: whole for whole in wholes}.values())
        index = self._index
        with index.writing() as store:
            ids = tuple(whole.record.id for whole in wholes)
            old = {record.id: record for record in _records(index, ids)}
            fresh = [whole for whole in wholes if whole.record.id not in old]
            changed = [whole for whole in wholes if whole.record.id in old]
            if fresh:
                store.insert(batches(fresh, store.dimension))
            if changed:
                leftovers = {whole.record.id: old[whole.record.id].chunks - len(whole.chunks) for whole in changed}
                store.upsert(batches(changed, store.dimension, leftovers))
                if max(leftovers.values()) > 0:
                    store.delete(Among("kind", ("gone",)))
            store.flush()
            index.answers.clear()
            self._wrote = True
            self._maintain_if_due(sum(len(whole.chunks) for whole in wholes))
        index.pending.forget(index.embedder, (_embedded(chunk) for whole in wholes for chunk in whole.chunks))
        for whole in wholes:
            self._tally.wrote(whole.record.source, len(whole.chunks), new=whole.record.id not in old)

    def _maintain_if_due(self, rows: int) -> None:
        self._rows_since += rows
        self._commits_since += 1
        if self._rows_since >= _MAINTAIN_ROWS or self._commits_since >= _MAINTAIN_COMMITS:
            self._index.store.maintain()
            self._rows_since = self._commits_since = 0

    def _retag(self, record: Record) -> None:
        """Give a document's rows their new access list and metadata, in one commit, without embedding."""
        with self._index.writing() as store:
            rows = store.batches(Among("document_id", (record.id,)))
            store.upsert([retag(batch, record) for batch in rows])
            store.flush()
            self._index.answers.clear()
            self._wrote = True
        self._tally.wrote(record.source, 0, new=False)


def _records(index: Index, ids: Sequence[str]) -> list[Record]:
    from trivium.index.rows import load_record

    return [load_record(row["record"]) for row in index.store.rows(Among("id", tuple(ids)), ["record"])]


class _Room:
    """Room for a number of chunks in the pipeline; a document larger than all of it waits until it is empty."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._changed = threading.Condition()
        self._open = False

    def take(self, n: int, alive: Callable[[], bool]) -> None:
        with self._changed:
            while self._used and self._used + n > self._size and not self._open and alive():
                self._changed.wait(timeout=0.5)
            self._used += n

    def give(self, n: int) -> None:
        with self._changed:
            self._used -= n
            self._changed.notify_all()

    def open(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()


@contextmanager
def _sqlite_errors(root: Path) -> Iterator[None]:
    import sqlite3

    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreFull(
            f"The folder {root} cannot be written: {error}.", "Free some space, then run the command again."
        ) from error


def check_options(options: Options) -> None:
    """Refuse access lists and metadata that cannot be stored.

    Raises:
        UsageError: a principal or a name is empty, or a value is not a text, a number or a truth value.
    """
    for principal in options.access:
        if not isinstance(principal, str) or not principal.strip():
            raise UsageError(f"{principal!r} is not a principal.", "Write them like user:ada or group:legal.")
    for name, value in (options.metadata or {}).items():
        if not name or not isinstance(value, str | int | float | bool):
            raise UsageError(f"The metadata {name!r} = {value!r} cannot be kept.", "Give texts, numbers or booleans.")
