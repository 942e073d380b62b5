"""Sentence window: single sentences are searched, their neighbours are shown to the model with them."""

from __future__ import annotations

from dataclasses import replace

from trivium.documents.chunking.packing import pack
from trivium.documents.chunking.piece import SIZE, Outline, Piece, Tokens
from trivium.documents.chunking.sliding import checked_overlap
from trivium.documents.chunking.units import GLUED, HEADING, TokenCounter, Unit, units_of
from trivium.types import Document

_WINDOW = 3
_TOO_SHORT = 8


def sentence_window(
    document: Document, *, tokens: Tokens, size: int = SIZE, overlap: int = 0, window: int = _WINDOW
) -> list[Piece]:
    """Return one piece per sentence, table row or piece of code; its `parent` reaches `window` pieces to each side.

    The parent stays inside the section. A heading, and a sentence of less than 8 tokens (`Yes.`), goes with
    what follows it. `size` bounds the pieces; there is nothing for `overlap` to share, it must be 0.

    Raises:
        ValueError: `size` or `window` is not positive, or `overlap` is not 0.
    """
    checked_overlap(size, 0)
    if overlap:
        raise ValueError("Sentence windows overlap by themselves; leave overlap at 0 and set window instead.")
    if window < 1:
        raise ValueError(f"The window must be at least 1 sentence to each side, not {window}.")
    outline = Outline(document)
    units = units_of(document, TokenCounter(document.text, tokens), size)
    pieces: list[Piece] = []
    for section in _sections(units):
        found = [pack(group, outline, size=size, overlap=0)[0] for group in _groups(section, size)]
        for at, piece in enumerate(found):
            first, last = found[max(0, at - window)], found[min(len(found) - 1, at + window)]
            pieces.append(replace(piece, parent=(first.start, last.end)))
    return pieces


def _sections(units: list[Unit]) -> list[list[Unit]]:
    """Part units at headings."""
    sections: list[list[Unit]] = []
    for unit in units:
        if not sections or unit.cut == HEADING:
            sections.append([])
        sections[-1].append(unit)
    return sections


def _groups(section: list[Unit], size: int) -> list[list[Unit]]:
    """Part units into sentences, those too short to say anything put before the next."""
    groups: list[list[Unit]] = []
    for unit in section:
        held = sum(item.tokens for item in groups[-1]) if groups else 0
        short = held < _TOO_SHORT or unit.cut == GLUED
        if groups and short and held + unit.tokens <= size:
            groups[-1].append(unit)
        else:
            groups.append([unit])
    return groups
