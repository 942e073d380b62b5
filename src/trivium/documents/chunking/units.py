"""The units that chunking packs: sentences, table rows and pieces of code, with their sizes in tokens.

The text is tokenised once, a stretch at a time, so that a text of 200 MB does not become a list of all its tokens.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

from trivium.documents.chunking.definitions import definition_spans
from trivium.documents.chunking.piece import Tokens
from trivium.text.sentences import sentence_spans
from trivium.types import Block, Document, Span

GLUED, SENTENCE, PARAGRAPH, BLOCK, HEADING = range(-1, 4)
"""How good a place the start of a unit is to cut: never if it can be helped, up to the start of a section."""

_STRETCH = 1 << 18
_SOFT = " \n,;:，、；：)）|/"


@dataclass(frozen=True, slots=True)
class Unit:
    """A span that is not cut further, its tokens, and how good a place to cut its start is.

    `header` is the header row of the table that the unit is a row of, once the header itself is behind.
    """

    start: int
    end: int
    tokens: int
    cut: int
    kind: str = "text"
    header: str = ""


class TokenCounter:
    """Counts the tokens of spans of one text."""

    def __init__(self, text: str, tokens: Tokens) -> None:
        self.starts = array("q")
        for begin, end in _stretches(text):
            self.starts.extend(begin + span[0] for span in tokens(text[begin:end]))

    def count(self, start: int, end: int) -> int:
        """Return how many tokens begin in a span."""
        first = bisect_left(self.starts, start)
        return bisect_left(self.starts, end, first) - first

    def split(self, text: str, span: Span, size: int) -> list[Span]:
        """Cut a span into spans of at most `size` tokens, where it can be after a space or a comma."""
        start, end = span
        parts = []
        while self.count(start, end) > size:
            first = bisect_left(self.starts, start)
            cut = _soft_cut(text, self.starts[first + size - size // 4], self.starts[first + size])
            parts.append((start, cut))
            start = cut
        parts.append((start, end))
        return [stripped for part in parts if (stripped := strip(text, part))]


def strip(text: str, span: Span) -> Span | None:
    """Return a span without the white space at its ends, or None when nothing is left."""
    piece = text[span[0] : span[1]]
    body = piece.strip()
    if not body:
        return None
    start = span[0] + len(piece) - len(piece.lstrip())
    return start, start + len(body)


def _soft_cut(text: str, low: int, high: int) -> int:
    """Return the place after the last space or comma between `low` and `high`, else `high`."""
    window = text[low:high]
    at = max(window.rfind(mark) for mark in _SOFT)
    return low + at + 1 if at > 0 else high


def _stretches(text: str) -> Iterator[Span]:
    """Cut a text into stretches at line breaks or spaces, where no token spans the cut."""
    start = 0
    while len(text) - start > _STRETCH:
        end = max(text.rfind("\n", start, start + _STRETCH), text.rfind(" ", start + _STRETCH // 2, start + _STRETCH))
        end = end + 1 if end > start else start + _STRETCH
        yield start, end
        start = end
    yield start, len(text)


def units_of(document: Document, counter: TokenCounter, size: int) -> list[Unit]:
    """Return the units of a document in order; each has at most `size` tokens and they cover all but white space."""
    text = document.text
    units: list[Unit] = []
    for start, end, what in _regions(document):
        if what == "heading":
            units.extend(_glued(_parts(text, [(start, end)], counter, size, HEADING), HEADING))
        elif isinstance(what, Block) and what.kind == "table":
            units.extend(_table_units(text, start, end, counter, size))
        elif isinstance(what, Block):
            units.extend(_code_units(text, start, end, counter, size))
        else:
            units.extend(_prose_units(text, start, end, counter, size))
    return _glue_headings(units)


def _regions(document: Document) -> Iterator[tuple[int, int, Block | str]]:
    """Yield the headings, the blocks, and the prose between them, in order."""
    marked: list[tuple[int, int, Block | str]] = [(h.start, h.end, "heading") for h in document.headings]
    marked += [(block.start, block.end, block) for block in document.blocks]
    at = 0
    for start, end, what in sorted(marked, key=lambda item: (item[0], item[1])):
        if start < at:
            continue
        if start > at:
            yield at, start, "prose"
        yield start, end, what
        at = end
    if at < len(document.text):
        yield at, len(document.text), "prose"


def _prose_units(text: str, start: int, end: int, counter: TokenCounter, size: int) -> list[Unit]:
    """Sentences; the first after a blank line begins a paragraph."""
    region = text[start:end]
    spans = [(start + a, start + b) for a, b in sentence_spans(region)]
    units: list[Unit] = []
    before = start
    for span in spans:
        count = counter.count(*span)
        gap = text[before : span[0]]
        cut = PARAGRAPH if "\n\n" in gap or before == start else SENTENCE
        if count <= size:
            units.append(Unit(*span, count, cut))
        else:
            units.extend(_parts(text, [span], counter, size, cut))
        before = span[1]
    return units


def _parts(
    text: str, spans: list[Span], counter: TokenCounter, size: int, cut: int, kind: str = "text", header: str = ""
) -> list[Unit]:
    """Return units for spans, those too large cut into several."""
    units = []
    for span in spans:
        for number, part in enumerate(counter.split(text, span, size)):
            units.append(Unit(*part, counter.count(*part), cut if number == 0 else SENTENCE, kind, header))
    return units


def _glued(units: list[Unit], cut: int) -> list[Unit]:
    """Mark all but the first unit as belonging to it."""
    return [replace(unit, cut=cut if at == 0 else GLUED) for at, unit in enumerate(units)]


def _table_units(text: str, start: int, end: int, counter: TokenCounter, size: int) -> list[Unit]:
    """Rows; the header and the line under it belong to the first row, and are named by the rows after it."""
    rows = _lines(text, start, end)
    head = rows[0]
    has_rule = len(rows) > 1 and not text[rows[1][0] : rows[1][1]].strip("|-: \t")
    header = header_of(text[head[0] : head[1]])
    body = rows[2:] if has_rule else rows[1:]
    units = _parts(text, [(head[0], rows[1][1] if has_rule else head[1])], counter, size, BLOCK, "table")
    for number, row in enumerate(body):
        cut = GLUED if number == 0 else PARAGRAPH
        units.extend(_parts(text, [row], counter, size, cut, "table", header))
    return units


def header_of(row: str) -> str:
    """Return a table's header row as words: `| a | b |` becomes `a | b`."""
    return " | ".join(cell.strip() for cell in row.strip().strip("|").split("|")).strip(" |")


def _code_units(text: str, start: int, end: int, counter: TokenCounter, size: int) -> list[Unit]:
    """The whole block where it fits, else its definitions where they fit, else its lines."""
    if counter.count(start, end) <= size:
        return [Unit(start, end, counter.count(start, end), BLOCK, "code")]
    units: list[Unit] = []
    for first, last, _ in definition_spans(text[start:end]):
        cut = PARAGRAPH if units else BLOCK
        units.extend(span_units(text, (start + first, start + last), counter, size, cut))
    return units


def span_units(text: str, span: Span, counter: TokenCounter, size: int, cut: int = PARAGRAPH) -> list[Unit]:
    """Return a stretch of code as one unit where it fits, else as its lines; indentation is part of a line."""
    stripped = strip(text, span)
    if stripped is None:
        return []
    span = (span[0] if not text[span[0] : stripped[0]].count("\n") else stripped[0], stripped[1])
    if counter.count(*span) <= size:
        return [Unit(*span, counter.count(*span), cut, "code")]
    units = _parts(text, _lines(text, *span), counter, size, SENTENCE, "code")
    return [replace(unit, cut=cut) if at == 0 else unit for at, unit in enumerate(units)]


def _lines(text: str, start: int, end: int) -> list[Span]:
    """Return the lines of a span that hold anything, with their indentation."""
    spans = []
    at = start
    for line in text[start:end].split("\n"):
        if line.strip():
            spans.append((at, at + len(line.rstrip())))
        at += len(line) + 1
    return spans


def _glue_headings(units: list[Unit]) -> list[Unit]:
    """Let nothing be cut between a heading and what follows it."""
    result: list[Unit] = []
    for unit in units:
        if result and result[-1].cut == HEADING and unit.cut != HEADING:
            unit = replace(unit, cut=GLUED)
        result.append(unit)
    return result
