"""What a reader hands over: the parts of a file in reading order, and how they become one stored text.

A reader (one file in `readers/` per family of formats) knows its format and nothing of offsets; `assemble` joins
the cleaned parts once, so that every heading, table, code block and page has its exact span of the stored text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from trivium.types import Block, Heading, Page, Scalar

PARAGRAPH = "\n\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One heading, paragraph, list item, table or code block.

    `glue` is what stands between the part before and this one: a blank line, one line break (list items), or
    a space or nothing where a page break cut a paragraph in two.
    """

    text: str
    kind: Literal["prose", "heading", "table", "code"] = "prose"
    level: int = 0
    page: int | None = None
    glue: str = PARAGRAPH


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from one file. Dates are ISO 8601; empty strings stand for what the file does not say."""

    parts: Sequence[Part]
    title: str = ""
    author: str = ""
    created: str = ""
    modified: str = ""
    language: str = ""
    metadata: dict[str, Scalar] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Unreadable(Exception):
    """A reader's refusal; its text is the reason, one clause, without the file's name."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """The stored text, and where its parts lie in it."""

    text: str
    pages: tuple[Page, ...]
    headings: tuple[Heading, ...]
    blocks: tuple[Block, ...]


def assemble(parts: Iterable[Part]) -> Assembled:
    """Join `parts` into one text; parts without text leave no trace. Pages are contiguous and cover the text."""
    pieces: list[str] = []
    headings: list[Heading] = []
    blocks: list[Block] = []
    starts: list[tuple[int, int]] = []
    length = 0
    for part in parts:
        if not part.text:
            continue
        if pieces:
            pieces.append(part.glue)
            length += len(part.glue)
        text = "#" * min(part.level, 6) + " " + part.text if part.kind == "heading" else part.text
        end = length + len(text)
        if part.kind == "heading":
            headings.append(Heading(part.level, part.text, length, end))
        elif part.kind != "prose":
            blocks.append(Block(part.kind, length, end))
        if part.page is not None and (not starts or starts[-1][0] != part.page):
            starts.append((part.page, length))
        pieces.append(text)
        length = end
    return Assembled("".join(pieces), _pages(starts, length), tuple(headings), tuple(blocks))


def _pages(starts: list[tuple[int, int]], length: int) -> tuple[Page, ...]:
    """Turn (number, start) pairs into contiguous pages; the first begins at 0."""
    if not starts:
        return ()
    begins = [0] + [start for _, start in starts[1:]]
    return tuple(
        Page(number, begin, end) for (number, _), begin, end in zip(starts, begins, [*begins[1:], length], strict=True)
    )


def with_page(parts: Iterable[Part], page: int | None) -> list[Part]:
    """Return `parts` as parts of `page`."""
    return [replace(part, page=page) for part in parts]
