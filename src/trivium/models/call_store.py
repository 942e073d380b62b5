"""The store of `cache.py`: values by key in one SQLite file that threads and processes share."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NoReturn

from trivium.errors import StoreFull, UsageError

_VERSION = 1
_BUSY_SECONDS = 60.0
_BLOCK = 256  # keys looked up at once

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (key BLOB PRIMARY KEY, model TEXT, value BLOB, created REAL);
CREATE TABLE IF NOT EXISTS tags (tag TEXT, key BLOB, PRIMARY KEY (tag, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tags_by_key ON tags (key);
"""
_UNSOUND = ("malformed", "no such table", "no such column")

_log = logging.getLogger("trivium.models")


class CallCache:
    """Answers of models by the hash of the question, in one SQLite file.

    Threads and processes may share the file. A file that is no sound cache is set aside under another name, with
    a warning, and a new one is begun.

    Args:
        path: the file; its folder is made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        self._underway: dict[bytes, tuple[threading.Lock, int]] = {}
        self._open()

    def __len__(self) -> int:
        return int(self._run("SELECT count(*) FROM calls")[0][0])

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the stored values of those `keys` that are there."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _BLOCK):
            block = keys[start : start + _BLOCK]
            marks = ",".join("?" * len(block))
            found.update(self._run(f"SELECT key, value FROM calls WHERE key IN ({marks})", block))
        return found

    def put(self, values: Mapping[bytes, bytes], *, model: str, tags: Iterable[str] = ()) -> None:
        """Store values in one transaction, flushed to the disk.

        Raises:
            StoreFull: there is no space, or the file cannot be written.
        """
        now = time.time()
        rows = [(key, model, value, now) for key, value in values.items()]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?)", rows)
            _insert_tags(connection, values, tags)

    def tag(self, keys: Iterable[bytes], tags: Iterable[str]) -> None:
        """Add tags to entries that are there already."""
        with self._transaction() as connection:
            _insert_tags(connection, keys, tags)

    def forget(self, tag: str) -> int:
        """Delete every entry that has `tag`, also those that have others besides, and return how many there were.

        Deleted content is overwritten, and the write-ahead log emptied, so that nothing of it stays on the disk.
        """
        return self._delete("key IN (SELECT key FROM tags WHERE tag = ?)", (tag,))

    def purge(self, *, model: str | None = None, before: float | None = None) -> int:
        """Delete the entries of a model, those older than `before` (seconds since 1970), or all; return how many."""
        return self._delete(
            "(?1 IS NULL OR model = ?1) AND (?2 IS NULL OR created < ?2)",
            (model, before),
        )

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    @contextmanager
    def alone(self, key: bytes) -> Iterator[None]:
        """Hold other threads of this process that want to compute the same entry, so that one pays for all."""
        with self._lock:
            lock, waiting = self._underway.get(key, (threading.Lock(), 0))
            self._underway[key] = lock, waiting + 1
        try:
            with lock:
                yield
        finally:
            with self._lock:
                waiting = self._underway[key][1] - 1
                if waiting:
                    self._underway[key] = lock, waiting
                else:
                    del self._underway[key]

    def _delete(self, where: str, values: tuple[object, ...]) -> int:
        with self._transaction() as connection:
            count = connection.execute(f"DELETE FROM calls WHERE {where}", values).rowcount
            connection.execute("DELETE FROM tags WHERE key NOT IN (SELECT key FROM calls)")
        self._run("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    def _run(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._open().execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                self._recover(error)
                return self._open().execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                connection = self._open()
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.DatabaseError as error:
                self._recover(error)
                connection = self._open()
                connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._refuse(error)
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def _open(self) -> sqlite3.Connection:
        with self._lock:
            if self._connection is None or self._pid != os.getpid():
                # a connection that came through a fork is left alone: closing it would drop the parent's locks
                self._pid = os.getpid()
                try:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    self._connection = _connect(self.path)
                except sqlite3.DatabaseError as error:
                    self._recover(error)
                except OSError as error:
                    self._refuse(error)
            assert self._connection is not None
            return self._connection

    def _recover(self, error: sqlite3.DatabaseError) -> None:
        """Set an unsound file aside and open a new one, or raise when something else is wrong."""
        if isinstance(error, sqlite3.OperationalError) and not any(word in str(error) for word in _UNSOUND):
            self._refuse(error)
        self.close()
        with _lock_of(self.path):
            try:
                self._connection = _connect(self.path)  # another process may have mended it meanwhile
                if self._connection.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]:
                    return
                self.close()
            except sqlite3.DatabaseError:
                self._connection = None
            aside = self.path.with_name(f"{self.path.name}.unsound-{time.time_ns()}")
            for suffix in ("-wal", "-shm", ""):
                part = Path(f"{self.path}{suffix}")
                if part.exists():
                    part.rename(f"{aside}{suffix}")
            _log.warning("The cache of model calls %s is unsound (%s): it is set aside as %s", self.path, error, aside)
            self._connection = _connect(self.path)

    def _refuse(self, error: Exception) -> NoReturn:
        raise StoreFull(
            f"The cache of model calls at {self.path} cannot be used: {error}.",
            "Free some space, or have it elsewhere.",
        ) from error


def _lock_of(path: Path) -> AbstractContextManager[object]:
    from filelock import FileLock

    return FileLock(f"{path}.lock", is_singleton=True)  # one object: _recover holds it around _create


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        if _version(connection) == 0:
            with _lock_of(path):  # SQLite does not wait for a change of the journal's mode
                _create(connection, path)
        if _version(connection) != _VERSION:
            raise sqlite3.DatabaseError(f"it is of the version {_version(connection)}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("SELECT key, model, value, created FROM calls LIMIT 1")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) != 0:  # another process was faster
        return
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise UsageError(f"{path} is another program's database.", "Name another file for the cache of model calls.")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA};PRAGMA user_version = {_VERSION};COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _insert_tags(connection: sqlite3.Connection, keys: Iterable[bytes], tags: Iterable[str]) -> None:
    rows = [(tag, key) for key in keys for tag in tags]
    connection.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", rows)
