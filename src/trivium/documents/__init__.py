"""Documents: find files, load them as clean text with exact places, cut the text into pieces to be searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trivium.documents.chunking.piece import OVERLAP, SIZE, Piece, Tokens
from trivium.documents.chunking.sliding import sliding
from trivium.documents.discover import Skipped, discover
from trivium.documents.files import Fingerprint, printable
from trivium.documents.limits import Limits
from trivium.documents.load import Loaded, Loader, file_fingerprint, load

CHUNKERS: Mapping[str, Callable[..., list[Piece]]] = {
    "sliding": sliding,
}
"""The kinds of chunking by name."""

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
    "discover",
    "file_fingerprint",
    "load",
    "printable",
    "sliding",
]
