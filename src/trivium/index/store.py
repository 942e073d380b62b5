"""The only module that knows the store engine (LanceDB): a table of rows, searched densely and lexically.

Every write is one commit of the engine: readers see all of it or nothing. Callers hold the writer's lock while they
write; readers need no lock and see the latest commit at each search. Vectors are compared by dot product (they have
norm 1, so it is the cosine).
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from trivium.errors import Overtaken, StoreError, StoreFull
from trivium.index.durable import Flusher, boot_id, drop_unreadable, read_json, read_marker, write_marker, write_whole
from trivium.index.memory import give_back, give_back_soon
from trivium.index.rows import CHUNK_COLUMNS, schema
from trivium.index.where import Among, And, HasAny, Not, Number, Or, Where

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.models.base import Vectors

os.environ.setdefault("LANCEDB_LOG", "error")  # the engine logs to standard error

_T = TypeVar("_T")
_TABLE = "chunks"
_EXACT_BELOW = 10_000  # rows; a plain scan of the vectors is fast enough
_VECTORS_PER_PARTITION = 1_000
_LEAST_PROBES = 20
_FEW = 0.2  # of the rows
_MOST_KEPT = 256
_PURGE_REWRITES_BELOW = 50_000  # rows; rewriting so many takes about a second
_INDEX_CACHE = 1 << 30  # bytes; holds the vectors of half a million chunks, read once
_METADATA_CACHE = 1 << 28
_READ_AGAIN = 3
GRACE = timedelta(minutes=1)
"""How long the files of an old version stay, for searches under way."""
PLACE = "_rowid"
"""Where a row stands in one commit: a later one may hold another row there."""
_TRAINED = "vectors.json"


class Store:
    """A table in a folder. Open it with `Store.create` or `Store.open`."""

    def __init__(self, root: Path, database: Any, table: Any) -> None:
        self._root = root
        self._database = database
        self._table = table
        self.overtaken = False
        self._fixed: int | None = None  # the version that a snapshot reads
        self._view: Store | None = None  # the last snapshot taken
        self._kept: dict[str, int] = {}  # rows that a condition keeps, of the version under ""
        self._flusher = Flusher(root / f"{_TABLE}.lance")
        self.dimension: int = table.schema.field("vector").type.list_size

    @classmethod
    def create(cls, root: Path, dimension: int) -> Store:
        """Make an empty table, with its indexes, in a folder that has none."""
        from lancedb.index import Bitmap, BTree

        with _engine_errors(root):
            database = _connect(root)
            table = database.create_table(_TABLE, schema=schema(dimension))
            for column, config in (
                ("tokens", _lexical_index()),
                ("id", BTree()),
                ("document_id", BTree()),
                ("kind", Bitmap()),
                ("access", _labels()),
                ("facets", _labels()),
            ):
                table.create_index(column, config=config)
        store = cls(root, database, table)
        store.flush()
        return store

    @classmethod
    def open(cls, root: Path) -> Store:
        """Open the table of a folder, going back to the last flushed commit where the machine lost power since."""
        with _engine_errors(root):
            marker = read_marker(root)
            lost_power = marker is not None and marker.boot != boot_id()
            if marker is not None and lost_power:
                drop_unreadable(root / f"{_TABLE}.lance", marker.version)
            database = _connect(root)
            table = database.open_table(_TABLE)
            if marker is not None and lost_power and table.version > marker.version:
                table.checkout(marker.version)
                table.restore()
        store = cls(root, database, table)
        if lost_power:
            store.flush()
        return store

    @property
    def version(self) -> int:
        """A number that grows with every commit of any process."""
        return int(self._table.version) if self._fixed is None or self.overtaken else self._fixed

    def snapshot(self) -> Store:
        """Return this store as its latest commit left it: what is read from it belongs together, whoever writes.

        Where a purge deletes the old files under it, it goes on with the latest commit and says so: `overtaken`. As
        long as nothing is committed, the same snapshot is returned; threads may share it.
        """
        if self._fixed is not None and not self.overtaken:
            return self
        view = self._view
        if view is not None and not view.overtaken and view.version == self.version:
            return view
        with _engine_errors(self._root):
            table = self._database.open_table(_TABLE)
            version = int(table.version)
            table.checkout(version)
        view = Store(self._root, self._database, table)
        view._fixed = version
        self._view = view
        return view

    # -- reading ------------------------------------------------------------------------------------------------

    def count(self, where: Where) -> int:
        """Return how many rows satisfy the condition."""
        return int(self._read(lambda: self._table.count_rows(_sql(where))))

    def count_with(self, column: Literal["vector", "tokens"], where: Where) -> int:
        """Return how many rows satisfy the condition and have a value in `column`."""
        return int(self._read(lambda: self._table.count_rows(f"({_sql(where)}) AND {column} IS NOT NULL")))

    def uncovered(self) -> int:
        """Return how many rows the lexical index does not cover; they are searched all the same, but slowly."""
        stats = self._read(lambda: self._table.index_stats("tokens_idx"))
        return 0 if stats is None else int(stats.num_unindexed_rows)

    def rows(self, where: Where, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return the named columns of the rows that satisfy the condition, in no order."""

        def scan() -> Any:
            return self._table.search().where(_sql(where)).select(list(columns)).to_arrow()

        found: list[dict[str, Any]] = self._read(scan).to_pylist()
        return found

    def batches(self, where: Where) -> Iterator[pa.RecordBatch]:
        """Yield all columns of the rows that satisfy the condition, in no order. Hold the writer's lock meanwhile."""
        with _engine_errors(self._root):
            yield from self._table.search().where(_sql(where)).to_batches()

    def dense(
        self, vector: Vectors, n: int, where: Where, columns: Sequence[str] = CHUNK_COLUMNS
    ) -> list[tuple[dict[str, Any], float]]:
        """Return the n chunk rows of highest cosine to `vector` (d,), with it, best first.

        A row has the named columns and its `PLACE`. Columns cost more than the search itself: where most of the rows
        will not be needed, name none, and `take` those that are.
        """
        sql = _sql(where)

        def search() -> Any:
            query = self._table.search(np.asarray(vector, dtype=np.float32), vector_column_name="vector")
            query = query.distance_type("dot").where(sql, prefilter=True).nprobes(self._probes(sql))
            return query.select([*columns, "_distance"]).with_row_id(True).limit(n).to_arrow()

        found = _dicts(self._read(search))
        return [(row, 1.0 - row.pop("_distance")) for row in found]

    def lexical(
        self,
        tokens: Sequence[str] | Mapping[str, float],
        n: int,
        where: Where,
        columns: Sequence[str] = CHUNK_COLUMNS,
    ) -> list[tuple[dict[str, Any], float]]:
        """Return the n chunk rows of highest BM25 score for the tokens, with it, best first; columns as in `dense`.

        Tokens with weights: the score adds up each token's own, times its weight.
        """
        if not tokens:
            return []

        def search() -> Any:
            if isinstance(tokens, Mapping):
                query = self._table.search(_weighted(tokens), query_type="fts")
            else:
                query = self._table.search(" ".join(tokens), query_type="fts", fts_columns="tokens")
            query = query.where(_sql(where), prefilter=True)
            return query.select([*columns, "_score"]).with_row_id(True).limit(n).to_arrow()

        found = _dicts(self._read(search))
        return [(row, float(row.pop("_score"))) for row in found]

    def take(self, places: Sequence[int], columns: Sequence[str] = CHUNK_COLUMNS) -> list[dict[str, Any]]:
        """Return the rows at these places, in this order, each of which a search of this very snapshot has found.

        Raises:
            Overtaken: this is no snapshot (any more); in another commit other rows may stand there, and an asker may
                not be allowed to read them.
        """
        if not places:
            return []

        def fetch() -> Any:
            if self._fixed is None or self.overtaken:
                raise Overtaken(f"The knowledge base {self._root} changed during a search.", "Search again.")
            return self._table.take_row_ids(list(places)).select(list(columns)).with_row_id().to_arrow()

        found = {row.pop(PLACE): row for row in _dicts(self._read(fetch))}
        return [found[place] for place in places]

    def _read(self, action: Callable[[], _T]) -> _T:
        """Run a read; again where the removal of old files overtook it between looking and reading."""
        for _ in range(_READ_AGAIN):
            try:
                return action()
            except (RuntimeError, OSError, ValueError) as error:
                if not _is_missing_file(error):
                    raise _translate(error, self._root) from error
                self._table.checkout_latest()
                self.overtaken = True
        with _engine_errors(self._root):
            return action()

    def _probes(self, where: str) -> int:
        """Return how many partitions of the vectors to search.

        Measured on 100,000 real passages in 100 partitions: 20 of them hold 95% of the exact ten nearest, 30 hold 98%,
        40 held all. A filter that keeps few rows leaves gaps in that, and makes a search of all partitions cheap: so
        all are searched.
        """
        kept, rows = self._count_kept(where), max(1, self._count_kept("true"))
        vectors = max(1, int(read_json(self._root / _TRAINED).get("vectors", rows)))
        partitions = _partitions(vectors)
        if kept < _FEW * rows:
            return 2 * partitions  # all, also where a kill came between training and its note
        return max(_LEAST_PROBES, round(partitions * min(0.5, max(0.2, 40_000 / vectors))))

    def _count_kept(self, where: str) -> int:
        """Return how many rows a condition keeps, counted once a version."""
        kept, version = self._kept, self.version
        if kept.get("") != version or len(kept) > _MOST_KEPT:
            kept = self._kept = {"": version}
        if where not in kept:
            kept[where] = int(self._table.count_rows(where))
        return kept[where]

    # -- writing (under the writer's lock) ----------------------------------------------------------------------

    def insert(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Insert rows whose ids are new, in one commit."""
        with _engine_errors(self._root):
            self._table.add(self._reader(batches), on_bad_vectors="null")

    def upsert(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Insert rows, replacing those of the same id, in one commit."""
        with _engine_errors(self._root):
            merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(self._reader(batches), on_bad_vectors="null")

    def _reader(self, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(schema(self.dimension), batches)

    def delete(self, where: Where) -> None:
        """Delete the rows that satisfy the condition, in one commit."""
        with _engine_errors(self._root):
            self._table.delete(_sql(where))

    def flush(self) -> None:
        """Wait until every commit so far is on the disk, and record that it is."""
        with _engine_errors(self._root):
            self._flusher.flush()
            write_marker(self._root, self.version)

    def maintain(self, grace: timedelta = GRACE, *, settle: bool = False) -> None:
        """Compact, bring the indexes up to date, index the vectors once they are many, and drop old versions.

        Args:
            grace: how long old versions stay; a search that is under way on an older one looks again (see `_read`).
            settle: train the partitions anew after a large addition. Vectors that came since the last training stand
                in parts of their own, each of which is searched: three parts take twice the time of one.
        """
        with _engine_errors(self._root):
            self._index_vectors(1.1 if settle else 2.0)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="optimize", category=UserWarning)
                self._table.optimize(cleanup_older_than=grace, delete_unverified=True)
        self.flush()

    def renew(self) -> None:
        """Begin with empty caches: what they hold of earlier versions, nobody will ask for."""
        with _engine_errors(self._root):
            self._database = _connect(self._root)
            self._table = self._database.open_table(_TABLE)
        give_back()

    def purge(self) -> bool:
        """Take deleted rows off the disk, by rewriting what shares a file with them; return whether it was done.

        A larger table is not rewritten: compaction does it when a tenth of a file's rows are deleted.
        """
        small = bool(self._table.count_rows() < _PURGE_REWRITES_BELOW)
        if small:
            with _engine_errors(self._root):
                self._rewrite()
        self.maintain(grace=timedelta(microseconds=1))
        return small

    def _rewrite(self) -> None:
        import pyarrow as pa

        rows = self._table.to_arrow()
        if rows.num_rows:
            self.upsert(pa.Table.to_batches(rows))
        self._table.create_index("tokens", config=_lexical_index(), replace=True)
        self._table.create_index("facets", config=_labels(), replace=True)

    def _index_vectors(self, growth: float) -> None:
        """Train the partitions when there are enough vectors, and again when they are `growth` times as many."""
        from lancedb.index import IvfFlat

        vectors = self._table.count_rows("vector IS NOT NULL")
        trained = read_json(self._root / _TRAINED).get("vectors", 0)
        if vectors >= _EXACT_BELOW and vectors >= growth * trained:
            config = IvfFlat(distance_type="dot", num_partitions=_partitions(vectors))
            self._table.create_index("vector", config=config, replace=True)
            write_whole(self._root / _TRAINED, json.dumps({"vectors": vectors}))


def _dicts(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of an Arrow table; vectors as arrays, of which lists of Python's numbers are a slow form."""
    vectors = table.column("vector") if "vector" in table.column_names else None
    rows: list[dict[str, Any]] = (table if vectors is None else table.drop_columns(["vector"])).to_pylist()
    for row, vector in zip(rows, vectors if vectors is not None else (), strict=False):
        row["vector"] = vector.values.to_numpy() if vector.is_valid else None
    return rows


def _partitions(vectors: int) -> int:
    """Return how many partitions an index trained on so many vectors is given."""
    return max(1, vectors // _VECTORS_PER_PARTITION)


def _connect(root: Path) -> Any:
    give_back_soon()
    with _without_namespace_client():
        import lancedb

    session = lancedb.Session(index_cache_size_bytes=_INDEX_CACHE, metadata_cache_size_bytes=_METADATA_CACHE)
    return lancedb.connect(str(root), read_consistency_interval=timedelta(0), session=session)


@contextmanager
def _without_namespace_client() -> Iterator[None]:
    """Import the engine without the web client of its catalogue service, unused here: that is half of its start."""
    name = "lance_namespace_urllib3_client"
    spec = importlib.util.find_spec(name) if name not in sys.modules and "lancedb" not in sys.modules else None
    if spec is None or spec.submodule_search_locations is None:
        yield
        return
    bare = ModuleType(name)
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules[name] = bare
    try:
        yield
    finally:
        sys.modules.pop(name, None)


def _weighted(tokens: Mapping[str, float]) -> Any:
    from lancedb.query import BooleanQuery, MatchQuery, Occur

    return BooleanQuery([(Occur.SHOULD, MatchQuery(token, "tokens", boost=weight)) for token, weight in tokens.items()])


def _lexical_index() -> Any:
    """BM25 over our own tokens, joined by spaces: the engine must not analyse them again."""
    from lancedb.index import FTS

    return FTS(
        base_tokenizer="whitespace",
        max_token_length=None,
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
    )


def _labels() -> Any:
    from lancedb.index import LabelList

    return LabelList()


def _sql(where: Where) -> str:
    """Return the condition in the engine's language. Values are quoted; columns come from fixed lists."""
    match where:
        case HasAny(column, values):
            return f"array_has_any({column}, [{', '.join(map(_quote, values))}])" if values else "false"
        case Among(column, values):
            return f"{column} IN ({', '.join(map(_quote, values))})" if values else "false"
        case Number(column, operator, value):
            return f"{column} {operator} {value!r}"
        case Not(part):
            return f"NOT ({_sql(part)})"
        case And(parts):
            return " AND ".join(f"({_sql(part)})" for part in parts) or "true"
        case Or(parts):
            return " OR ".join(f"({_sql(part)})" for part in parts) or "false"


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@contextmanager
def _engine_errors(root: Path) -> Iterator[None]:
    """Turn the engine's errors into ours."""
    try:
        yield
    except (RuntimeError, OSError, ValueError) as error:
        raise _translate(error, root) from error


def _translate(error: Exception, root: Path) -> StoreError:
    text = str(error)
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOSPC or "No space left" in text or "os error 28" in text:
        return StoreFull(f"No space is left on the disk that holds {root}.", "Free some, then run the command again.")
    if number in (errno.EACCES, errno.EROFS, errno.EPERM) or "os error 13" in text or "os error 30" in text:
        return StoreFull(
            f"The folder {root} cannot be written.", "Change its permissions, or choose another with --kb."
        )
    line = text.splitlines()[0][:300] if text else type(error).__name__
    return StoreError(f"The knowledge base {root} failed: {line}", "Run `trivium verify`, which repairs what it can.")


def _is_missing_file(error: Exception) -> bool:
    text = str(error).lower()
    return "not found" in text or "no such file" in text
