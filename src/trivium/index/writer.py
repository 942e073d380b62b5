"""The second half of adding: a thread that embeds what it is given and commits whole documents."""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trivium.errors import StoreFull
from trivium.index.cut import Cut, embedded
from trivium.index.rows import Record, Whole, batches, load_record, retag
from trivium.index.store import GRACE
from trivium.index.tally import Tally
from trivium.index.where import Among, every
from trivium.models.base import Vectors

if TYPE_CHECKING:
    from trivium.index.index import Index

_COMMIT_CHUNKS = 2_048
_COMMIT_SECONDS = 5.0
_EMBED_CHUNKS = 256
_QUEUED_CHUNKS = 4_096
_MAINTAIN_ROWS = 10_000
_MAINTAIN_COMMITS = 64
_NOW = timedelta(microseconds=1)


class Writer:
    """The second thread: embeds what it is given and commits whole documents, in the order given."""

    def __init__(self, index: Index, tally: Tally) -> None:
        self._index = index
        self._tally = tally
        self._queue: queue.Queue[Cut | Record | None] = queue.Queue()
        self._room = _Room(_QUEUED_CHUNKS)
        self._thread = threading.Thread(target=self._run, name="trivium-add", daemon=True)
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._ready: list[Whole] = []
        self._ready_chunks = 0
        self._last_commit = time.monotonic()
        self._rows_since = self._commits_since = self._rows = 0
        self._wrote = False

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Commit what is embedded; after an error (or Ctrl-C) leave the rest for the next run."""
        if kind is not None:
            self._stop.set()
        self._queue.put(None)
        try:
            self._ended.wait()  # not join(): a Ctrl-C in it makes Python 3.11 believe that the thread has ended
        except KeyboardInterrupt:
            self._stop.set()
            self._ended.wait()
            raise
        if self._error is not None and kind is None:
            raise self._error

    def put(self, cut: Cut) -> None:
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
            self._ended.set()

    def _loop(self) -> None:
        ended = False
        while not ended:
            cuts, ended = self._take()
            if self._stop.is_set():
                break
            self._embed([cut for cut in cuts if isinstance(cut, Cut)])
            for record in cuts:
                if isinstance(record, Record):
                    self._retag(record)
            due = time.monotonic() - self._last_commit > _COMMIT_SECONDS
            if self._ready_chunks >= _COMMIT_CHUNKS or (due and self._ready):
                self._commit()
        self._commit()
        if not self._stop.is_set() and (self._wrote or self._index.store.uncovered()):
            with self._index.writing() as store:
                large = self._rows >= _MAINTAIN_ROWS
                # What the last compaction of a large addition leaves behind is several times what it keeps.
                store.maintain(_NOW if large else GRACE, settle=large)
                if large:
                    store.renew()
            self._index.pending.clear()

    def _take(self) -> tuple[list[Cut | Record], bool]:
        """Wait for work, then take what is queued, up to one embedding's worth; and whether that was the last."""
        taken: list[Cut | Record] = []
        chunks = 0
        while chunks < _EMBED_CHUNKS:
            try:
                item = self._queue.get(block=not taken)
            except queue.Empty:
                break
            if item is None:
                return taken, True
            taken.append(item)
            if isinstance(item, Cut):
                chunks += len(item.chunks)
        return taken, False

    def _embed(self, cuts: Sequence[Cut]) -> None:
        texts = [text for cut in cuts for text in cut.texts]
        if not texts:
            return
        for cut in cuts:
            if cut.replaces:
                self._keep_vectors(cut.record.id)
        vectors = self._vectors(texts)
        first = 0
        for cut in cuts:
            last = first + len(cut.texts)
            self._ready.append(Whole(cut.record, cut.document, cut.chunks, cut.tokens, vectors[first:last]))
            self._ready_chunks += len(cut.chunks)
            self._room.give(len(cut.chunks))
            first = last

    def _keep_vectors(self, document: str) -> None:
        """Hold the vectors of a document's old version ready for the chunks that its new version still has."""
        where = every([Among("document_id", (document,)), Among("kind", ("chunk",))])
        rows = self._index.store.rows(where, ["headings", "text", "vector"])
        texts = [embedded(tuple(row["headings"] or ()), row["text"]) for row in rows]
        self._index.pending.keep(self._index.embedder, texts, [np.asarray(row["vector"], np.float32) for row in rows])

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        """Embed in parts, so that a long document can be interrupted and is not lost."""
        parts = []
        for first in range(0, len(texts), _EMBED_CHUNKS):
            if self._stop.is_set():
                raise KeyboardInterrupt
            parts.append(self._index.pending.embed(self._index.embedder, texts[first : first + _EMBED_CHUNKS]))
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
        chunks = (chunk for whole in wholes for chunk in whole.chunks)
        index.pending.forget(index.embedder, (embedded(chunk.headings, chunk.text) for chunk in chunks))
        for whole in wholes:
            self._tally.wrote(whole.record.source, len(whole.chunks), new=whole.record.id not in old)

    def _maintain_if_due(self, rows: int) -> None:
        """Keep what the indexes do not cover to a quarter of the rows, and to what a search scans in no time."""
        self._rows += rows
        self._rows_since += rows
        self._commits_since += 1
        many = min(_MAINTAIN_ROWS, max(_COMMIT_CHUNKS, self._index.store.count(every([])) // 4))
        if self._rows_since >= many or self._commits_since >= _MAINTAIN_COMMITS:
            self._index.store.maintain()
            self._index.store.renew()
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
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreFull(
            f"The folder {root} cannot be written: {error}.", "Free some space, then run the command again."
        ) from error
