"""The contributions of documents in one SQLite file beside the table, and in memory as arrays.

One row is one document: written whole, deleted whole, marked with the version of the document it was drawn from. A
row of another version than the knowledge base holds is never shown. So the file may lag behind the table, be deleted,
or be cut off by a kill: what is shown is right, and the next `sync` brings the rest.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trivium.index.graph.values import KINDS, Contribution, Kind, Mention, Relation, entity_key
from trivium.index.sidecar import Database

if TYPE_CHECKING:
    from trivium.index.rows import Record

Integers = NDArray[np.int64]
_MOST_KEYS = 500


def version_of(record: Record) -> str:
    """Return what identifies a version of a document.

    Access lists are not in it: who may read a chunk is asked of the table, at every look.
    """
    return f"{record.sha256}:{record.chunker}:{record.chunks}:{record.title}"


class Names:
    """Texts by number, numbers by text."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Return the number of a text, giving it the next one where it is new."""
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return found

    def find(self, text: str) -> int | None:
        """Return the number of a text, if it has one."""
        return self._numbers.get(text)


@dataclass(frozen=True, slots=True)
class Part:
    """One document's contributions as arrays; rows are mentions.

    Attributes:
        fingerprint: of the version of the document.
        chunks: ids.
        chunk: for each mention, the place in `chunks`.
        key, name, kind, sentence: of each mention.
        aliases: shape (n, 3): place in `chunks`, key of the short form, key of the name.
        contributions: those with relations or descriptions.
    """

    fingerprint: str
    chunks: tuple[str, ...]
    chunk: Integers
    key: Integers
    name: Integers
    kind: Integers
    sentence: Integers
    aliases: Integers
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """The contributions of all documents, one after the other; chunks are numbered throughout.

    Attributes:
        documents: ids, and `versions` what each was drawn from.
        chunks: ids; `document` the place of each one's document.
        mention: shape (5, n): key, chunk, name, kind, sentence.
        aliases: shape (n, 3): chunk, key of the short form, key of the name.
        told: contributions with relations or descriptions.
    """

    documents: tuple[str, ...]
    versions: tuple[str, ...]
    chunks: tuple[str, ...]
    document: Integers
    mention: Integers
    aliases: Integers
    told: tuple[Contribution, ...]


def _stacked(parts: Mapping[str, Part]) -> Stack:
    several = list(parts.values())
    sizes = np.array([len(part.chunks) for part in several], np.int64)
    first = np.cumsum(sizes) - sizes
    mentions = [np.concatenate([getattr(part, name) for part in several] or [_NONE]) for name in _COLUMNS]
    mentions[1] = mentions[1] + np.repeat(first, [len(part.key) for part in several])
    aliases = np.concatenate([part.aliases for part in several] or [_NONE.reshape(0, 3)])
    aliases[:, 0] += np.repeat(first, [len(part.aliases) for part in several])
    return Stack(
        tuple(parts),
        tuple(part.fingerprint.rpartition(":")[0] for part in several),
        tuple(chunk for part in several for chunk in part.chunks),
        np.repeat(np.arange(len(several)), sizes),
        np.stack(mentions),
        aliases,
        tuple(one for part in several for one in part.contributions),
    )


_COLUMNS = ("key", "chunk", "name", "kind", "sentence")
_NONE: Integers = np.zeros(0, np.int64)


class GraphStore(Database):
    """The file `graph.db`. Threads share it; processes see one another's commits."""

    _SCHEMA = """CREATE TABLE IF NOT EXISTS documents
        (id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, chunks TEXT NOT NULL) WITHOUT ROWID"""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.keys = Names()
        self.names = Names()
        self.cache: dict[object, tuple[object, Any]] = {}
        self.cache_lock = threading.Lock()
        self._parts: dict[str, Part] = {}
        self._stack = _stacked({})
        self._generation = 0
        self._loaded: tuple[int, int] | None = None

    def exists(self) -> bool:
        """Whether a graph has been built."""
        return self._path.exists()

    def fingerprints(self) -> dict[str, str]:
        """Return which version of each document has contributed."""
        with self._lock:
            return dict(self._open().execute("SELECT id, fingerprint FROM documents").fetchall())

    def put(self, rows: Iterable[tuple[str, str, Sequence[Contribution]]]) -> None:
        """Write documents, each as (id, fingerprint, contributions), in one commit."""
        ready = [(id, fingerprint, dump(contributions)) for id, fingerprint, contributions in rows]
        with self._lock, (connection := self._open()):
            connection.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", ready)
            self._generation += 1

    def count(self, ids: Sequence[str]) -> int:
        """Return how many of these documents have contributed."""
        return len(set(ids) & self.fingerprints().keys()) if self.exists() else 0

    def forget(self, ids: Sequence[str]) -> int:
        """Delete all that these documents have contributed, off the disk too; return how many there were."""
        if not self.exists() or not ids:
            return 0
        with self._lock:
            with (connection := self._open()):
                cursor = connection.executemany("DELETE FROM documents WHERE id = ?", ((id,) for id in ids))
                self._generation += 1
            self._shrink(connection)
            return max(0, cursor.rowcount)

    def clear(self) -> None:
        """Delete the whole graph."""
        self.forget(list(self.fingerprints()) if self.exists() else [])

    def stack(self) -> Stack:
        """Return the contributions of every document; only what has changed is read. The same object until then."""
        with self._lock:
            if not self.exists():
                if self._parts:
                    self._parts, self._loaded, self._stack = {}, None, _stacked({})
                return self._stack
            connection = self._open()
            state = (connection.execute("PRAGMA data_version").fetchone()[0], self._generation)
            if state != self._loaded:
                self._load()
                self._stack = _stacked(self._parts)
                self._loaded = state
            return self._stack

    def _load(self) -> None:
        current = self.fingerprints()
        kept = {id: part for id, part in self._parts.items() if current.get(id) == part.fingerprint}
        wanted = [id for id in current if id not in kept]
        for first in range(0, len(wanted), _MOST_KEYS):
            some = wanted[first : first + _MOST_KEYS]
            marks = ",".join("?" * len(some))
            query = f"SELECT id, fingerprint, chunks FROM documents WHERE id IN ({marks})"
            for id, fingerprint, chunks in self._open().execute(query, some):
                kept[id] = self._part(fingerprint, load(chunks))
        self._parts = {id: kept[id] for id in sorted(kept)}

    def _part(self, fingerprint: str, contributions: Sequence[Contribution]) -> Part:
        rows = [
            (at, self.keys.number(entity_key(m.name)), self.names.number(m.name), KINDS.index(m.kind), m.sentence)
            for at, one in enumerate(contributions)
            for m in one.mentions
        ]
        aliases = [
            (at, self.keys.number(entity_key(short)), self.keys.number(entity_key(name)))
            for at, one in enumerate(contributions)
            for short, name in one.aliases
        ]
        chunk, key, name, kind, sentence = np.array(rows, np.int64).reshape(-1, 5).T
        told = tuple(one for one in contributions if one.relations or one.about)
        chunks = tuple(one.chunk for one in contributions)
        short = np.array(aliases, np.int64).reshape(-1, 3)
        return Part(fingerprint, chunks, chunk, key, name, kind, sentence, short, told)


def dump(contributions: Sequence[Contribution]) -> str:
    """Return contributions as JSON text."""
    rows = [
        {
            "c": one.chunk,
            "m": [(m.name, KINDS.index(m.kind), m.sentence) for m in one.mentions],
            **({"a": one.aliases} if one.aliases else {}),
            **({"r": [(r.source, r.target, r.about, r.keywords) for r in one.relations]} if one.relations else {}),
            **({"d": dict(one.about)} if one.about else {}),
        }
        for one in contributions
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def load(text: str) -> list[Contribution]:
    """Return the contributions that `dump` wrote."""
    return [
        Contribution(
            row["c"],
            tuple(Mention(name, _kind(kind), sentence) for name, kind, sentence in row["m"]),
            tuple((short, name) for short, name in row.get("a", ())),
            tuple(Relation(s, t, about, tuple(keywords)) for s, t, about, keywords in row.get("r", ())),
            row.get("d", {}),
        )
        for row in json.loads(text)
    ]


def _kind(number: int) -> Kind:
    return KINDS[number]
