"""Documents: find files, load them as clean text with exact places, cut the text into pieces to be searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trivium.documents.chunking.by_headings import by_headings
from trivium.documents.chunking.code import code
from trivium.documents.chunking.piece import OVERLAP, SIZE, Piece, Tokens
from trivium.documents.chunking.semantic import semantic
from trivium.documents.chunking.sentence_window import sentence_window
from trivium.documents.chunking.sliding import sliding
from trivium.documents.chunking.small_to_big import small_to_big
from trivium.documents.chunking.table_rows import table_rows
from trivium.documents.discover import Skipped, discover
from trivium.documents.files import Fingerprint, printable
from trivium.documents.limits import Limits
from trivium.documents.load import Loaded, Loader, file_fingerprint, load

CHUNKERS: Mapping[str, Callable[..., list[Piece]]] = {
    "sliding": sliding,
    "by_headings": by_headings,
    "semantic": semantic,
    "small_to_big": small_to_big,
    "sentence_window": sentence_window,
    "table_rows": table_rows,
    "code": code,
}
"""The kinds of chunking by name. `semantic` also needs `embed`, the embedder's function."""

__all__ = [
    "CHUNKERS",
    "OVERLAP",
    "SIZE",
    "Fingerprint",
    "Limits",
    "Loaded",
    "Loader",
    "Piece",
    "Skipped",
    "Tokens",
    "by_headings",
    "code",
    "discover",
    "file_fingerprint",
    "load",
    "printable",
    "semantic",
    "sentence_window",
    "sliding",
    "small_to_big",
    "table_rows",
]
