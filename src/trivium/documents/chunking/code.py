"""Code by definition: functions, methods and classes as pieces, each under the class that holds it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from itertools import groupby

from trivium.documents.chunking.definitions import definition_spans, inner_spans
from trivium.documents.chunking.packing import pack
from trivium.documents.chunking.piece import SIZE, Outline, Piece, Tokens, shorten
from trivium.documents.chunking.sliding import checked_overlap
from trivium.documents.chunking.units import TokenCounter, Unit, span_units, strip, units_of
from trivium.types import Document, Span


def code(document: Document, *, tokens: Tokens, size: int = SIZE, overlap: int | None = None) -> list[Piece]:
    """Return one piece per definition of the document's code, and the text between code cut as by `sliding`.

    A definition of more than `size` tokens is cut at the definitions inside it, or else between lines; its name
    is then the last of `headings` of the pieces. Short stretches between definitions (imports) are one piece.

    Raises:
        ValueError: `size` is not positive, or `overlap` is not from 0 to half of `size`.
    """
    overlap = checked_overlap(size, overlap)
    outline = Outline(document)
    counter = TokenCounter(document.text, tokens)
    blocks = [(block.start, block.end) for block in document.blocks if block.kind == "code"]
    starts = [start for start, _ in blocks]
    pieces: list[Piece] = []
    for at, run in groupby(units_of(document, counter, size), key=lambda unit: _block_of(unit, starts)):
        if at < 0:
            pieces.extend(pack(list(run), outline, size=size, overlap=overlap))
        else:
            pieces.extend(_definitions(document.text, blocks[at], counter, outline, size))
    return pieces


def _block_of(unit: Unit, starts: list[int]) -> int:
    """Return which block of code a unit belongs to, or a number below 0 for none, another after each block."""
    at = bisect_right(starts, unit.start) - 1
    return at if unit.kind == "code" else -2 - at


def _definitions(text: str, block: Span, counter: TokenCounter, outline: Outline, size: int) -> list[Piece]:
    """Return the pieces of one block of code."""
    pieces: list[Piece] = []
    start, end = block
    for first, last, name in definition_spans(text[start:end]):
        span = strip(text, (start + first, start + last))
        if span is None:
            continue
        span = (start + first, span[1])
        if counter.count(*span) <= size:
            pieces.extend(_packed(text, [span], counter, outline, size, ""))
            continue
        inner = [(span[0] + a, span[0] + b) for a, b, _ in inner_spans(text[slice(*span)])]
        made = _packed(text, inner or [span], counter, outline, size, name)
        # The first piece holds the definition's own line.
        pieces.extend([replace(made[0], headings=outline.path(span[0])), *made[1:]])
    return pieces


def _packed(text: str, spans: list[Span], counter: TokenCounter, outline: Outline, size: int, name: str) -> list[Piece]:
    """Return at least one piece per span, under the name of the definition that holds them."""
    pieces: list[Piece] = []
    for span in spans:
        units = span_units(text, span, counter, size)
        for piece in pack(units, outline, size=size, overlap=0):
            pieces.append(replace(piece, headings=(*piece.headings, *shorten((name,)))) if name else piece)
    return pieces
