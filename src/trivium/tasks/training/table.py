"""Tables in text form as records: by their column names, or, where they have none, by what their columns hold."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trivium.documents.readers.tabular import find_delimiter
from trivium.errors import UsageError
from trivium.tasks.records import Problem, Record
from trivium.tasks.tables import text_rows
from trivium.tasks.training.names import known

_HEAD = 65_536
_LABEL = 40
"""Characters of a label at most, on the average."""
_ALIKE = 6
"""Characters with which all cells of a column begin, from which on they are a remark."""
_STS = ("", "", "", "", "value", "first", "second")
"""STSbenchmark: genre, file, year, number, score, two sentences (Cer et al. 2017, arXiv:1708.00055)."""
_CURE = "Name the columns in a first row (text and label, ...), or say which is which with columns, or that it is text."
_FASTTEXT = re.compile(r"__label__(\S+)\s+(.*)")

Columns = Mapping[str, str]
"""The column of each role: `{"text": "tweet", "label": "polarity"}`; a number from 1 where columns have no names."""


@dataclass(frozen=True, slots=True)
class _Column:
    """What a column holds: `number` where all cells are numbers; `few` where its cells are few and often repeated;
    `alike` where all begin with the same words, as the sources of sentences do.
    """

    place: int
    filled: float
    number: bool
    whole: bool
    few: bool
    distinct: int
    length: float
    alike: bool


def delimiter_of(text: str, ending: str, columns: Columns | None = None) -> str:
    """Return what parts the cells of a text; empty where it is no table but prose, one sample a line.

    Tabs in nearly every line make a table. Commas stand in prose too: there the first row must name columns, or the
    file's ending must say so.
    """
    head = text[:_HEAD]
    head = head if len(head) == len(text) else head[: head.rfind("\n") + 1] or head
    lines = [line for line in head.split("\n") if line.strip()]
    if lines and sum("\t" in line for line in lines) >= 0.9 * len(lines):
        return "\t"
    found = find_delimiter(head)
    first = _cells(lines[0], found) if lines and found else []
    named = len(first) > 1 and (known(tuple(first)) or bool(columns and set(columns.values()) & set(first)))
    return found if named or (ending in (".csv", ".tsv") and len(first) > 1) else ""


def _cells(line: str, delimiter: str) -> list[str]:
    row = next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter), [])
    return [cell.strip().lstrip("\ufeff") for cell in row]


def read_rows(name: str, text: str, delimiter: str, problems: list[Problem]) -> Iterator[Record]:
    """Yield the rows of a table under the names of their columns; a row of another width is reported.

    Raises:
        UsageError: the columns have no names, and what they are cannot be told.
    """
    quoted = delimiter != "\t" or _is_quoted(text)
    found = text_rows(name, text, delimiter, problems, quoted=quoted)
    rows = [(number, row) for number, row in found if any(cell.strip() for cell in row)]
    names = [cell.strip().lstrip("\ufeff") for cell in rows[0][1]] if rows else []
    if rows and known(tuple(names)) and not any(map(_is_number, names)):
        del rows[0]
    else:
        names, first = _told(name, [row for _, row in rows])
        del rows[:first]
    wide = len(names)
    for number, row in rows:
        where = f"{name}:{number}"
        if len(row) < wide - 1 or (any(cell.strip() for cell in row[wide:]) and names != list(_STS)):
            problems.append(Problem(where, f"has {len(row)} cells, and the table {wide} columns"))
            continue
        yield Record(where, {key: cell.strip() for key, cell in zip(names, row, strict=False) if key})


def _is_quoted(text: str) -> bool:
    """Whether a tab-separated text has its quotation marks around cells, as CSV has, and not within sentences."""
    if '"' not in text:
        return True
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    try:
        return not any("\n" in cell and "\t" in cell for row in reader for cell in row)
    except csv.Error:
        return False


def _told(name: str, rows: Sequence[Sequence[str]]) -> tuple[list[str], int]:
    """Return the roles of columns that have no known names, and how many rows at the top are names all the same.

    Raises:
        UsageError: they cannot be told.
    """
    wide = max((len(row) for row in rows), key=[len(row) for row in rows].count, default=0)
    body = [row for row in rows if len(row) >= wide]
    columns = [_column(place, [row[place].strip() for row in body]) for place in range(wide)]
    if wide >= len(_STS) and columns[4].number and all(columns[place].length > 10 for place in (5, 6)):
        return list(_STS), 0
    # A row of names makes a column of numbers look like one of words.
    without_first = [_column(place, [row[place].strip() for row in body[1:]]) for place in range(wide)]
    named = int(len(body) > 2 and any(a.number and not b.number for a, b in zip(without_first, columns, strict=True)))
    roles = _roles(without_first if named else columns, len(body) - named)
    if not roles:
        shown = ", ".join(repr(cell.strip()[:20]) for cell in rows[0][:8]) if rows else "nothing"
        raise UsageError(f"{name} has {wide} columns, and which is which cannot be told: it begins {shown}.", _CURE)
    return [roles.get(place, "") for place in range(wide)], named


def _column(place: int, cells: Sequence[str]) -> _Column:
    held = [cell for cell in cells if cell]
    distinct = len(set(held))
    numbers = sum(map(_is_number, held))
    length = sum(map(len, held)) / max(len(held), 1)
    return _Column(
        place,
        len(held) / max(len(cells), 1),
        bool(held) and numbers >= 0.98 * len(held),
        bool(held) and all(cell.lstrip("-").isdigit() for cell in held),
        2 * distinct <= len(held) and length <= _LABEL,
        distinct,
        length,
        len(held) > 1 and all(cell[:_ALIKE] == held[0][:_ALIKE] for cell in held),
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _roles(columns: Sequence[_Column], count: int) -> dict[int, str]:
    """Return the role of each column that has one; nothing where they cannot be told."""
    used = [column for column in columns if column.filled > 0.5 and (column.distinct > 1 or count <= 1)]
    labels = [column for column in used if column.number or column.few]
    classes = [column for column in labels if column.number and column.few]
    others = [column for column in used if column not in labels]
    if len(classes) == 1 and others:  # names of sources repeat as well
        labels, used = classes, [*classes, *others]
    if len(labels) > 1:  # a column that counts the rows is no label
        labels = [column for column in labels if not (column.whole and column.distinct == count)] or labels
    texts = [column for column in used if not column.number and column not in labels]
    if len(labels) > 1 and not texts:  # short texts repeat too
        texts = [longest := max((c for c in labels if not c.number), key=lambda c: c.length, default=labels[0])]
        labels = [column for column in labels if column is not longest]
    if len(labels) == 1 and len(texts) in (1, 2):
        label = labels[0]
        several = ("text",) if len(texts) == 1 else ("first", "second")
        return {label.place: "label", **{c.place: name for c, name in zip(texts, several, strict=True)}}
    texts = [column for column in texts if column.filled > 0.9]
    texts = texts[:2] if len(texts) == 3 and texts[2].alike else texts
    if not labels and len(texts) in (2, 3):
        names = ("source", "target") if len(texts) == 2 else ("query", "positive", "negative")
        return {c.place: name for c, name in zip(texts, names, strict=True)}
    return {}


def choose(record: Record, columns: Columns) -> Record:
    """Return a record with those of its columns alone that `columns` names, under the names of their roles.

    Raises:
        UsageError: it has no such column.
    """
    missing = [column for column in columns.values() if column not in record.value]
    if missing:
        raise UsageError(
            f"{record.where} has no column {missing[0]!r}: it has {', '.join(map(repr, record.value))}.",
            "Give the names as the file has them.",
        )
    return Record(record.where, {role: record.value[column] for role, column in columns.items()}, record.key)


def numbered(name: str, text: str, delimiter: str, problems: list[Problem], columns: Columns) -> Iterator[Record]:
    """Yield the rows of a table whose columns the caller knows by name, or by number from 1."""
    rows = text_rows(name, text, delimiter, problems, quoted=delimiter != "\t" or _is_quoted(text))
    names: list[str] = []
    for number, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        cells = [cell.strip().lstrip("\ufeff") for cell in row]
        if not names:
            header = bool(set(columns.values()) & set(cells))
            names = cells if header else [str(place) for place in range(1, len(cells) + 1)]
            if header:
                continue
        if len(cells) < len(names):
            problems.append(Problem(f"{name}:{number}", f"has {len(cells)} cells, and the table {len(names)} columns"))
            continue
        yield choose(Record(f"{name}:{number}", dict(zip(names, cells, strict=False))), columns)


def is_fasttext(lines: Sequence[str]) -> bool:
    """Whether most lines begin with their label, as fastText wants it: `__label__spam Win now`."""
    held = [line for line in lines[:100] if line.strip()]
    return 2 * sum(_FASTTEXT.match(line) is not None for line in held) > len(held)


def read_fasttext(name: str, lines: Sequence[str], problems: list[Problem]) -> Iterator[Record]:
    """Yield the lines of a file in fastText's form."""
    for number, line in enumerate(lines, 1):
        if match := _FASTTEXT.match(line):
            yield Record(f"{name}:{number}", {"label": match[1], "text": match[2].strip()})
        elif line.strip():
            problems.append(Problem(f"{name}:{number}", "has no label"))
