"""CSV and TSV, as a Markdown table under its header."""

from __future__ import annotations

import csv
import io

from trivium.documents.parts import Part, Reading
from trivium.documents.structure import table

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50
_MAX_FIELD = 1 << 24


def read_csv(text: str, delimiter: str = "") -> Reading:
    """Read delimited text; the delimiter is found by which one parts the first lines evenly.

    The first row with every cell filled is the header where a title line stands above it.
    """
    warnings = []
    csv.field_size_limit(_MAX_FIELD)
    delimiter = delimiter or find_delimiter(text)
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=delimiter):
            if any(cell.strip() for cell in row):
                rows.append(row)
    except csv.Error as error:
        # Only a field over the limit raises here: an opening quote without its end. What came before is good.
        warnings.append(f"row {len(rows) + 1} is malformed ({error}); the rows after it were left out")
    above, rows = _title_lines(rows)
    parts = [Part(line) for line in above]
    if rows:
        parts.append(Part(table(rows), "table"))
    return Reading(parts, metadata={"rows": max(0, len(rows) - 1)}, warnings=tuple(warnings))


def find_delimiter(text: str, *, certain: bool = False) -> str:
    """Return the delimiter that gives the most lines the same number of cells, at least two; else a comma.

    With `certain`, return an empty string unless nearly every line agrees.
    """
    lines = [line for line in text[:100_000].splitlines()[:_SAMPLE_LINES] if line.strip()]
    best = (0.0, 0, "")
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        except csv.Error:
            continue
        common = max(set(widths), key=widths.count, default=0)
        if common > 1:
            best = max(best, (widths.count(common) / len(widths), common, delimiter))
    if certain:
        return best[2] if best[0] > 0.9 and len(lines) > 1 else ""
    return best[2] or ","


def _title_lines(rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Part the lines of a single filled cell that stand above the header from the rows of the table."""
    above = 0
    while above < min(len(rows) - 2, 5) and _filled(rows[above]) == 1 and _filled(rows[above + 1]) > 0:
        above += 1
    if above and _filled(rows[above]) < 2:
        above = 0
    return [" ".join(cell.strip() for cell in row if cell.strip()) for row in rows[:above]], rows[above:]


def _filled(row: list[str]) -> int:
    return sum(1 for cell in row if cell.strip())
