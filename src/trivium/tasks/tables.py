"""Rows of CSV, TSV and XLSX files as records, by their column names."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from trivium.errors import UsageError
from trivium.tasks.records import Problem, Record

_CELL = 1 << 28
"""Characters of one cell: whole documents stand in some tables."""
_TITLE_ROWS = 10
"""Rows above the column names, such as a title, that a sheet may have."""


def read_table(path: Path, data: bytes, problems: list[Problem]) -> Iterator[Record]:
    """Yield the rows of a table in text form; a row with more cells than there are columns is reported and left out.

    Raises:
        UsageError: no row names a question column.
    """
    from trivium.documents.decode import decode
    from trivium.documents.readers.tabular import find_delimiter

    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise UsageError(f"{path} is a workbook of the old form (.xls).", "Save it as .xlsx or .csv.")
    text = decode(data).text
    head = text[:65_536]
    delimiter = find_delimiter(head if len(text) == len(head) else head[: head.rfind("\n") + 1] or head) or ","
    yield from _records(path, text_rows(path.name, text, delimiter, problems), problems)


def text_rows(
    name: str, text: str, delimiter: str, problems: list[Problem], *, quoted: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a table in text form, each with the line where it begins.

    Args:
        name: of the file, for its problems.
        text: of the table.
        delimiter: between two cells.
        problems: takes what is no row.
        quoted: whether quotation marks may enclose a cell; without, they are characters like any others.
    """
    csv.field_size_limit(_CELL)
    lines = io.StringIO(text, newline="")
    plain = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    reader = csv.reader(lines, delimiter=delimiter) if quoted else plain
    start = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(f"{name}:{reader.line_num}", f"is no row of a table: {error}"))
            row = []
        yield start, row
        start = reader.line_num + 1


Named = Callable[[Sequence[str]], bool]
"""Whether a row holds the names of the columns."""


def read_workbook(path: Path, problems: list[Problem], named: Named | None = None) -> Iterator[Record]:
    """Yield the rows of every sheet whose columns have names that are wanted; by default, a question's.

    Raises:
        UsageError: the file is no workbook, or no sheet of it has such a column.
    """
    found = False
    try:
        with zipfile.ZipFile(path) as archive:
            shared = _shared_strings(archive)
            for name, part in _sheets(archive):
                try:
                    for record in _records(path, _sheet_rows(archive, part, shared), problems, name, named):
                        found = True
                        yield record
                except UsageError:
                    continue  # another sheet may have the questions
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, IndexError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a workbook: {error}.", "Save it as .xlsx or .csv.") from error
    if not found:
        if named is not None:
            raise UsageError(f"No sheet of {path} has a row with known names of columns.", "Name its columns.")
        raise UsageError(f"No sheet of {path} has a column of questions.", _CURE)


_CURE = "Name the columns 'question' and 'answer' (or 问题 and 答案)."


def _records(
    path: Path,
    rows: Iterator[tuple[int, list[str]]],
    problems: list[Problem],
    sheet: str = "",
    named: Named | None = None,
) -> Iterator[Record]:
    header: list[str] = []
    before: list[list[str]] = []
    place = f"{path.name}[{sheet}]" if sheet else path.name
    for number, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        where = f"{place}:{number}"
        if not header:
            if (named or _names_questions)(row):
                header = [cell.strip().lstrip("﻿") for cell in row]
                continue
            before.append(row)
            if len(before) < _TITLE_ROWS:
                continue
            break
        if any(cell.strip() for cell in row[len(header) :]):
            problems.append(Problem(where, f"has {len(row)} cells, and the table {len(header)} columns"))
            continue
        yield Record(where, {name: cell.strip() for name, cell in zip(header, row, strict=False) if name})
    if not header:
        if _lettered(before):
            rest = ((n, row) for n, row in rows)
            for number, row in [*enumerate(before, 1), *rest]:
                if len(row) == 6:
                    value = {"question": row[0], "choices": row[1:5], "answer": row[5].strip()}
                    yield Record(f"{place}:{number}", value)
            return
        shown = ", ".join(repr(cell[:20]) for cell in (before[0] if before else [])[:6])
        raise UsageError(f"{place} has no column of questions: its first row is {shown}.", _CURE)


def _names_questions(row: Sequence[str]) -> bool:
    from trivium.tasks.formats.plain import role_of

    names = [cell.strip().lstrip("﻿") for cell in row if cell.strip()]
    short = all(len(name) <= 40 for name in names)
    return short and any(role_of(name) == ("question", False) or name in ("claim", "user_query") for name in names)


def _lettered(rows: list[list[str]]) -> bool:
    """Whether rows without column names are a question, four choices and a letter, as MMLU has them."""
    return bool(rows) and all(len(row) == 6 and row[5].strip() in "ABCD" for row in rows)


# --- XLSX ------------------------------------------------------------------------------------------------------


def _shared_strings(archive: zipfile.ZipFile) -> list[str]:
    try:
        root = ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
    except KeyError:
        return []
    return [_words(entry) for entry in root.findall("{*}si")]


def _words(entry: ElementTree.Element) -> str:
    """The text of a cell, without the readings that stand above Japanese words."""
    plain = [t.text or "" for t in entry.findall("{*}t")]
    runs = [t.text or "" for run in entry.findall("{*}r") for t in run.findall("{*}t")]
    return "".join(plain + runs)


def _sheets(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """The names of the sheets, and their parts of the archive, in order."""
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {one.get("Id"): one.get("Target", "") for one in relations}
    workbook = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    found = []
    for sheet in workbook.findall("{*}sheets/{*}sheet"):
        target = next((targets.get(value, "") for key, value in sheet.items() if key.endswith("}id")), "")
        part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if part in archive.namelist():
            found.append((sheet.get("name", ""), part))
    return found


def _sheet_rows(archive: zipfile.ZipFile, part: str, shared: list[str]) -> Iterator[tuple[int, list[str]]]:
    with archive.open(part) as stream:
        for _, element in ElementTree.iterparse(stream):
            if not element.tag.endswith("}row"):
                continue
            cells: list[str] = []
            for cell in element.findall("{*}c"):
                at = _column(cell.get("r", "")) if cell.get("r") else len(cells)
                cells += [""] * (at - len(cells))
                cells.append(_value(cell, shared))
            yield int(element.get("r", "0")), cells
            element.clear()


def _column(reference: str) -> int:
    number = 0
    for letter in reference:
        if not letter.isalpha():
            break
        number = number * 26 + ord(letter.upper()) - 64
    return number - 1


def _value(cell: ElementTree.Element, shared: list[str]) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        inline = cell.find("{*}is")
        return _words(inline) if inline is not None else ""
    value = cell.findtext("{*}v") or ""
    if kind == "s":
        return shared[int(value)] if value else ""
    if kind == "b":
        return "true" if value == "1" else "false"
    if kind == "n" and value.endswith(".0"):
        return value[:-2]
    return value
