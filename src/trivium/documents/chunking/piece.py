"""What chunking makes: spans of the stored text, and what a search should know of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from trivium.types import Document, Heading, Span

Tokens = Callable[[str], Sequence[Span]]
"""Returns the span of each token of a text, in order: `Embedder.token_spans`."""

SIZE = 200
"""Tokens of a piece by default: an embedder of 256 also reads the headings above it, and paragraphs stay whole."""

OVERLAP = 30
"""Tokens that neighbours share at most by default; for small pieces, a quarter of their size."""

_PATH_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Piece:
    """A span to be searched.

    Attributes:
        page: the page where it begins, in a paged document.
        headings: the headings above it, from the outermost on; under a table's first rows, also its header row.
        parent: the wider span to show to the model instead.
        kind: what the piece is made of; `text` where it mixes.
    """

    start: int
    end: int
    page: int | None = None
    headings: tuple[str, ...] = ()
    parent: Span | None = None
    kind: Literal["text", "table", "code"] = "text"


class Outline:
    """Answers which page and which headings a place of a document lies under."""

    def __init__(self, document: Document) -> None:
        self._pages = [page.start for page in document.pages]
        self._numbers = [page.number for page in document.pages]
        self._starts = [heading.start for heading in document.headings]
        paths = _paths(document.headings)
        self._paths = [shorten(path) for path in paths]
        self._above = [shorten(path[:-1]) for path in paths]

    def page(self, at: int) -> int | None:
        """Return the number of the page at a place."""
        index = bisect_right(self._pages, at) - 1
        return self._numbers[max(0, index)] if self._numbers else None

    def path(self, at: int) -> tuple[str, ...]:
        """Return the headings above a place; a heading that begins there is under those above itself."""
        index = bisect_right(self._starts, at) - 1
        if index < 0:
            return ()
        return self._above[index] if self._starts[index] == at else self._paths[index]


def _paths(headings: Sequence[Heading]) -> list[tuple[str, ...]]:
    """Return for each heading the path that ends in it."""
    open_headings: list[Heading] = []
    paths = []
    for heading in headings:
        while open_headings and open_headings[-1].level >= heading.level:
            open_headings.pop()
        open_headings.append(heading)
        paths.append(tuple(item.title for item in open_headings))
    return paths


def shorten(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the innermost headings of a path that fit the space set aside for them; Chinese counts double."""
    kept: list[str] = []
    room = _PATH_WIDTH
    for title in reversed(path):
        width = sum(2 if character >= "\u2e80" else 1 for character in title)
        if width > room:
            if not kept:
                kept.append(title[: room // 2].rstrip() + "…")
            break
        kept.append(title)
        room -= width
    return tuple(reversed(kept))
