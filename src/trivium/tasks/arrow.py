"""Rows of Parquet and Arrow files, through pyarrow alone; numbers that stand for class names become the names.

A data set's features are in the schema's metadata under `huggingface`, where a library of data sets wrote the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trivium.errors import UsageError
from trivium.tasks.records import Record

PARQUET, ARROW, STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
"""How each kind of file begins."""
_ROWS = 1000


def read_arrow(path: Path, head: bytes, number: int = 0) -> Iterator[Record]:
    """Yield the rows of a file, counted from `number`.

    Raises:
        UsageError: the file cannot be read.
    """
    import pyarrow as arrow

    try:
        for schema, batch in _batches(path, head):
            names = class_names(schema.metadata)
            for value in batch.to_pylist():
                for column, of in names.items():
                    if column in value:
                        value[column] = _named(value[column], of)
                yield Record(f"{path.name}[{number}]", value)
                number += 1
    except (arrow.ArrowException, OSError) as error:
        kind = "Parquet" if head.startswith(PARQUET) else "Arrow"
        raise UsageError(f"{path} cannot be read as {kind}: {error}.", "Fetch the file again.") from error


def _batches(path: Path, head: bytes) -> Iterator[tuple[Any, Any]]:
    import pyarrow as arrow

    if head.startswith(PARQUET):
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                yield file.schema_arrow, batch
        return
    with arrow.memory_map(str(path)) as source:
        if head.startswith(ARROW):
            reader = arrow.ipc.open_file(source)
            for place in range(reader.num_record_batches):
                yield reader.schema, reader.get_batch(place)
        else:
            stream = arrow.ipc.open_stream(source)
            for batch in stream:
                yield stream.schema, batch


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Return the columns of a schema whose numbers, or lists of numbers, stand for names."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        found = {column: _names(feature) for column, feature in features.items()}
    except (KeyError, TypeError, ValueError, AttributeError):  # no such metadata, or of another form
        return {}
    return {column: names for column, names in found.items() if names}


def _names(feature: Any) -> list[str]:
    if isinstance(feature, list):
        return _names(feature[0]) if feature else []
    if not isinstance(feature, Mapping):
        return []
    if feature.get("_type") == "ClassLabel":
        return [str(name) for name in feature.get("names", ())]
    return _names(feature["feature"]) if "feature" in feature else []


def _named(value: Any, names: list[str]) -> Any:
    """Return the name of a number; -1 stands for "no label"."""
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None
    return value
