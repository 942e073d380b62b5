"""Table rows: each row of a table is a piece of its own, under the table's header."""

from __future__ import annotations

from trivium.documents.chunking.packing import pack
from trivium.documents.chunking.piece import SIZE, Outline, Piece, Tokens
from trivium.documents.chunking.sliding import checked_overlap
from trivium.documents.chunking.units import BLOCK, GLUED, TokenCounter, Unit, units_of
from trivium.types import Document


def table_rows(
    document: Document, *, tokens: Tokens, size: int = SIZE, overlap: int | None = None, rows: int = 1
) -> list[Piece]:
    """Return one piece per `rows` rows of each table, and the text between tables cut as by `sliding`.

    The first piece of a table holds its header; the header row is the last of `headings` of the others. Rows
    longer than `size` tokens are cut.

    Raises:
        ValueError: `size` or `rows` is not positive, or `overlap` is not from 0 to half of `size`.
    """
    overlap = checked_overlap(size, overlap)
    if rows < 1:
        raise ValueError(f"A piece of a table must hold at least 1 row, not {rows}.")
    outline = Outline(document)
    units = units_of(document, TokenCounter(document.text, tokens), size)
    pieces: list[Piece] = []
    for run in _runs(units):
        if run[0].kind != "table":
            pieces.extend(pack(run, outline, size=size, overlap=overlap))
            continue
        for group in _rows(run, rows):
            pieces.extend(pack(group, outline, size=size, overlap=0))
    return pieces


def _runs(units: list[Unit]) -> list[list[Unit]]:
    """Part units into tables and what stands between them."""
    runs: list[list[Unit]] = []
    for unit in units:
        begins = unit.kind == "table" and unit.cut == BLOCK
        if not runs or begins or (unit.kind == "table") != (runs[-1][0].kind == "table"):
            runs.append([])
        runs[-1].append(unit)
    return runs


def _rows(table: list[Unit], rows: int) -> list[list[Unit]]:
    """Part the units of a table into groups of rows; the header goes with the first group, and is none of its rows."""
    groups: list[list[Unit]] = []
    held = 0
    for at, unit in enumerate(table):
        begins_row = unit.cut >= BLOCK - 1 or unit.cut == GLUED
        if groups and (not begins_row or unit.cut == GLUED or held < rows):
            groups[-1].append(unit)
        else:
            groups.append([unit])
            held = 0
        held += begins_row and at > 0
    return groups
