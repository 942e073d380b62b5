"""Tables on a PDF page: lines of several segments that stand in columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import median

from trivium.documents.clean import join_lines
from trivium.documents.readers.pdf_lines import Line, Segment
from trivium.documents.structure import table

_MIN_ROWS = 3
_MAX_SINGLES = 3
_PROSE = 60
_LONG_CELL = 45
_ACROSS = 40
_PREFIX = re.compile(r"[$€£¥₹(]|US\$|HK\$|RMB")
_SUFFIX = re.compile(r"[%)]|%\)|x|pts|bps")
_LEADER = re.compile(r"\s*(?:[.·…_]\s*){4,}")


class Region:
    """The lines from `start` to before `end`, which make a table, or columns of prose."""

    def __init__(self, start: int, end: int, rows: list[list[str]], columns: list[list[str]]) -> None:
        self.start = start
        self.end = end
        self.rows = rows
        self.columns = columns
        """Where the region is prose in columns: the lines of each."""

    def markdown(self) -> str:
        """Return the table as Markdown."""
        return table(self.rows)


def find_tables(lines: Sequence[Line], words: Mapping[str, int]) -> list[Region]:
    """Return the regions of a page's lines that are tables, in order; `words` is for `join_lines`."""
    regions: list[Region] = []
    at = 0
    while at < len(lines):
        end = _run(lines, at)
        region = _region(lines, at, end, regions[-1].end if regions else 0, words) if end - at >= 2 else None
        if region is None:
            at += 1
            continue
        regions.append(region)
        at = region.end
    return regions


def _run(lines: Sequence[Line], start: int) -> int:
    """Return the end of the lines from `start` on that could be rows: they have segments, or stand between such."""
    if len(lines[start].segments) < 2 or lines[start].vertical or lines[start].turned:
        return start
    end = start + 1
    second = lines[start].segments[1].x0
    singles = 0
    for at in range(start + 1, len(lines)):
        line, before = lines[at], lines[at - 1]
        if line.vertical or line.turned or line.y0 < before.y0 - before.size or line.y0 - before.y1 > 2.5 * line.size:
            break
        if len(line.segments) > 1:
            singles = 0
            end = at + 1
            second = min(second, line.segments[1].x0)
        elif (len(line.text) > _PROSE and line.x1 > second) or singles == _MAX_SINGLES:
            break
        else:
            singles += 1
    return end


def _region(lines: Sequence[Line], start: int, end: int, floor: int, words: Mapping[str, int]) -> Region | None:
    """Return the table in the lines, or None when their segments do not stand in columns."""
    rows = [_merged(line) for line in lines[start:end]]
    many = [row for row in rows if len(row) > 1]
    wide = max((len(row) for row in many), default=0)
    if len(many) < (_MIN_ROWS if wide < 3 else 2):
        return None
    columns = _columns(many)
    if len(columns) < 2 or not _aligned(rows, columns):
        return None
    if len(columns) == 2 and median(len(s.text) for row in many for s in row) > _LONG_CELL:
        return Region(start, end, [], _prose_columns(rows, columns))
    head = _head(lines, start, floor, columns)
    above = _grid([_merged(line) for line in lines[head:start]], columns, spread=True)
    labels = next((at for at, row in enumerate(above) if row[0]), len(above))
    header = [" ".join(cell for cell in column if cell) for column in zip(*above[:labels], strict=True)]
    body = [*above[labels:], *_joined_labels(_grid(rows, columns), words)]
    return Region(head, end, [header, *body] if header else body, [])


def _merged(line: Line) -> list[Segment]:
    """Return the segments of a line, signs of currency and percent put to their numbers."""
    merged: list[Segment] = []
    prefix: Segment | None = None
    for segment in line.segments:
        text = _LEADER.sub(" ", segment.text).strip()
        if not text:
            continue
        current = Segment(text, segment.x0, segment.y0, segment.x1, segment.y1)
        if prefix is not None:
            # The sign stands at the left edge of the column of its number, which is set to the right.
            current = Segment(prefix.text + text, current.x0, current.y0, current.x1, current.y1)
            prefix = None
        trailing = re.fullmatch(r"(.*\S)\s+([$€£¥₹])", current.text)
        if trailing:  # a sign that belongs to the number of the next column
            width = (current.x1 - current.x0) / len(current.text)
            prefix = Segment(trailing[2], current.x1 - width, current.y0, current.x1, current.y1)
            current.text = trailing[1]
            current.x1 -= 2 * width
        if _PREFIX.fullmatch(current.text):
            prefix = current
        elif _SUFFIX.fullmatch(current.text) and merged:
            merged[-1].text += current.text
            merged[-1].x1 = current.x1
        else:
            merged.append(current)
    if prefix is not None:
        merged.append(prefix)
    return merged


def _columns(rows: Sequence[Sequence[Segment]]) -> list[tuple[float, float]]:
    """Return the columns' extents: what the segments of the rows with the most usual count, or more, cover."""
    counts = [len(row) for row in rows]
    usual = max(set(counts), key=lambda count: (counts.count(count) * (count - 1), count))
    spans = sorted((s.x0, s.x1) for row in rows if len(row) == usual for s in row)
    columns: list[tuple[float, float]] = []
    for x0, x1 in spans:
        if columns and x0 < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(columns[-1][1], x1))
        else:
            columns.append((x0, x1))
    # Columns that only other rows fill: they must not touch those found.
    for row in rows:
        for s in row:
            if all(s.x1 < x0 or s.x0 > x1 for x0, x1 in columns):
                columns.append((s.x0, s.x1))
                columns.sort()
    return columns


def _aligned(rows: Sequence[Sequence[Segment]], columns: Sequence[tuple[float, float]]) -> bool:
    """Whether nearly each segment has a column to itself in its row, and no long one runs across columns."""
    good = total = 0
    for row in rows:
        places = [_place(segment, columns) for segment in row]
        across = sum(len(s.text) > _ACROSS and sum(s.x0 < x1 and s.x1 > x0 for x0, x1 in columns) > 1 for s in row)
        total += len(row)
        good += len(set(places)) - across
    return good >= 0.9 * total


def _place(segment: Segment, columns: Sequence[tuple[float, float]]) -> int:
    """Return the column that a segment overlaps most, or the nearest."""

    def fit(at: int) -> tuple[float, float]:
        x0, x1 = columns[at]
        return min(segment.x1, x1) - max(segment.x0, x0), -abs(segment.x0 - x0)

    return max(range(len(columns)), key=fit)


def _grid(
    rows: Sequence[Sequence[Segment]], columns: Sequence[tuple[float, float]], *, spread: bool = False
) -> list[list[str]]:
    """Return the rows as cells; rows at one height are one row.

    With `spread`, a segment over several columns is written in each, as the head of a table means it.
    """
    grid: list[list[str]] = []
    heights: list[float] = []
    for row in sorted(rows, key=lambda row: row[0].y0 if row else 0.0):
        if not row:
            continue
        middle = (row[0].y0 + row[0].y1) / 2
        if not heights or abs(middle - heights[-1]) > 0.4 * (row[0].y1 - row[0].y0):
            grid.append([""] * len(columns))
            heights.append(middle)
        for segment in row:
            covered = [at for at, (x0, x1) in enumerate(columns) if segment.x0 < x1 and segment.x1 > x0]
            for at in covered if spread and len(covered) > 1 else [_place(segment, columns)]:
                grid[-1][at] = f"{grid[-1][at]} {segment.text}".strip()
    return grid


def _head(lines: Sequence[Line], start: int, floor: int, columns: Sequence[tuple[float, float]]) -> int:
    """Return where the lines of the table's head begin: short ones right above it, over columns but the first.

    Between them and the table a label of its first rows may stand (`Revenue:`).
    """
    at = head = start
    while at > floor:
        line, below = lines[at - 1], lines[at]
        close = -2.5 * line.size < below.y0 - line.y1 < 1.5 * line.size
        if not close or line.vertical or line.turned or len(line.text) > _PROSE or line.size > 1.1 * lines[start].size:
            break
        over = line.x0 > columns[0][1] - 1 and line.x1 < columns[-1][1] + 3 * line.size
        label = line.x0 < columns[0][1] and line.x1 < columns[1][0] and not line.text.endswith(".")
        if not over and not (label and head == start):
            break
        at -= 1
        if over:
            head = at
            if sum(line.x0 < x1 and line.x1 > x0 for x0, x1 in columns) > 1:
                break  # what spans columns stands over the names of these, and nothing over it
    return head


def _joined_labels(grid: list[list[str]], words: Mapping[str, int]) -> list[list[str]]:
    """Put together the pieces of a cell printed on several lines, where the next begins with a small letter."""
    result: list[list[str]] = []
    for row in grid:
        filled = [at for at, cell in enumerate(row) if cell]
        above = result[-1] if result else []
        goes_on = bool(result) and row[filled[0]][:1].islower() and bool(above[filled[0]])
        if goes_on and (len(filled) == 1 or (filled[0] == 0 and not any(above[1:]))):
            for at in filled:
                above[at] = join_lines([above[at], row[at]], words)
        else:
            result.append(row)
    return result


def _prose_columns(rows: Sequence[Sequence[Segment]], columns: Sequence[tuple[float, float]]) -> list[list[str]]:
    """Return the lines of each column of prose."""
    texts: list[list[str]] = [[] for _ in columns]
    for row in rows:
        for segment in row:
            texts[_place(segment, columns)].append(segment.text)
    return texts
