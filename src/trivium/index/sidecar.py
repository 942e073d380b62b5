"""Two small SQLite files beside the table: vectors not yet committed, and answers that may be shown again.

Both may be deleted at any time without harm. Deleted rows are overwritten, so that no removed text stays behind.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from trivium.models.base import Embedder, Vectors

_log = logging.getLogger("trivium.index")

_BUSY = 60.0  # seconds to wait for another process
_MOST_KEYS = 500  # in one statement


class Database:
    """A SQLite file, opened at first use, one connection shared by the threads of this process."""

    _SCHEMA = ""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._connect()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self._path.unlink(missing_ok=True)  # not a database any more, and nothing in it is needed
                self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA secure_delete=ON")
        with connection:
            for statement in self._SCHEMA.split(";"):
                connection.execute(statement)
        return connection

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _shrink(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class PendingVectors(Database):
    """Vectors that were computed and not yet committed: a run that was killed does not compute them again."""

    _SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"

    def embed(self, embedder: Embedder, texts: Sequence[str]) -> Vectors:
        """Return what `embedder.embed(texts)` returns, shape (n, d), computing only what is not pending."""
        keys = [_key(embedder.name, text) for text in texts]
        found = self._get(keys)
        missing = [n for n, key in enumerate(keys) if key not in found]
        if missing:
            computed = embedder.embed([texts[n] for n in missing])
            self._put((keys[n], vector.tobytes()) for n, vector in zip(missing, computed, strict=True))
            if len(missing) == len(texts):
                return computed
            found.update((keys[n], vector) for n, vector in zip(missing, computed, strict=True))
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, embedder.dimension), np.float32)

    def keep(self, embedder: Embedder, texts: Sequence[str], vectors: Sequence[Vectors]) -> None:
        """Hold vectors (d,) that are known already, so that `embed` does not compute them."""
        self._put((_key(embedder.name, t), vector.tobytes()) for t, vector in zip(texts, vectors, strict=True))

    def forget(self, embedder: Embedder, texts: Iterable[str]) -> None:
        """Drop the vectors of these texts: they are committed."""
        with self._lock, (connection := self._open()):
            connection.executemany("DELETE FROM vectors WHERE key = ?", ((_key(embedder.name, t),) for t in texts))

    def clear(self) -> None:
        """Drop everything."""
        if self._path.exists():
            with self._lock:
                with (connection := self._open()):
                    connection.execute("DELETE FROM vectors")
                self._shrink(connection)

    def _get(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        found: dict[bytes, Vectors] = {}
        with self._lock:
            connection = self._open()
            for first in range(0, len(keys), _MOST_KEYS):
                some = keys[first : first + _MOST_KEYS]
                marks = ",".join("?" * len(some))
                rows = connection.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", some)
                found.update((key, np.frombuffer(vector, np.float32)) for key, vector in rows)
        return found

    def _put(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        with self._lock, (connection := self._open()):
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)


class StoredAnswers(Database):
    """Answers given before, by everything they depend on; a change of the knowledge base makes them unreachable.

    The key holds the principals and the version of the table, so that an answer is shown again only to an asker who
    may read the same and only while nothing has changed.
    """

    _SCHEMA = """CREATE TABLE IF NOT EXISTS answers
        (key BLOB PRIMARY KEY, version INTEGER NOT NULL, documents TEXT NOT NULL, answer TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS questions (key BLOB PRIMARY KEY, context BLOB NOT NULL, vector BLOB NOT NULL)"""

    def get(self, key: Sequence[object], version: int) -> str | None:
        """Return the answer stored under this key at this version, or None."""
        if not self._path.exists():
            return None
        query = "SELECT answer FROM answers WHERE key = ? AND version = ?"
        with self._lock, _optional():
            row = self._open().execute(query, (_digest(key), version)).fetchone()
            return None if row is None else str(row[0])
        return None

    def put(self, key: Sequence[object], version: int, documents: Iterable[str], answer: str) -> None:
        """Store an answer with the ids of the documents it was made from; a folder that cannot be written is none."""
        row = (_digest(key), version, json.dumps(sorted(set(documents))), answer)
        with self._lock, _optional(), (connection := self._open()):
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", row)

    def put_question(self, key: Sequence[object], context: Sequence[object], vector: Vectors) -> None:
        """Let the answer under a key be found by its question's vector (d,), among those of the same context."""
        with self._lock, _optional(), (connection := self._open()):
            row = (_digest(key), _digest(context), vector.astype(np.float32).tobytes())
            connection.execute("INSERT OR REPLACE INTO questions VALUES (?, ?, ?)", row)

    def nearest(
        self, context: Sequence[object], version: int, vector: Vectors, least: float
    ) -> list[tuple[float, tuple[str, ...], str]]:
        """Return answers of this context and version whose question's cosine to `vector` (d,) is at least `least`.

        Returns:
            The cosine, the ids of the documents behind the answer, and the answer; the nearest first.
        """
        if not self._path.exists():
            return []
        query = """SELECT vector, documents, answer FROM questions JOIN answers USING (key)
            WHERE context = ? AND version = ?"""
        found: list[tuple[float, tuple[str, ...], str]] = []
        with self._lock, _optional():
            for own, documents, answer in self._open().execute(query, (_digest(context), version)):
                cosine = float(np.frombuffer(own, np.float32) @ vector)
                if cosine >= least:
                    found.append((cosine, tuple(json.loads(documents)), answer))
        return sorted(found, key=lambda row: -row[0])

    def count(self, document_id: str) -> int:
        """Return how many stored answers were made from this document."""
        if not self._path.exists():
            return 0
        with self._lock:
            rows = self._open().execute("SELECT documents FROM answers").fetchall()
        return sum(document_id in json.loads(documents) for (documents,) in rows)

    def clear(self) -> None:
        """Drop every answer: the knowledge base changed."""
        if self._path.exists():
            with self._lock:
                with (connection := self._open()):
                    connection.execute("DELETE FROM answers")
                    connection.execute("DELETE FROM questions")
                self._shrink(connection)


@contextmanager
def _optional() -> Iterator[None]:
    """Go on without the file where it cannot be read or written: nothing in it is needed."""
    try:
        yield
    except sqlite3.OperationalError as error:
        _log.info("answers are not kept: %s", error)


def _key(model: str, text: str) -> bytes:
    return _digest((model, text))


def _digest(parts: Sequence[object]) -> bytes:
    text = json.dumps(parts, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace")
    return hashlib.blake2b(text, digest_size=16).digest()
