"""Question sets: one form of them, `Example`, and one file form, JSONL, whatever the file that they come from.

`read_questions` tells the format of a file by its content; `trivium.tasks.formats` has the readers. The JSONL form is
described in docs/questions.md: one object a line, whose keys are the fields of `Example`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from trivium.errors import UsageError
from trivium.tasks.formats import FOLDERS, FORMATS
from trivium.tasks.formats.corpus import is_passage, read_corpus
from trivium.tasks.records import Problem, Record, count_problems, json_line, read_records, write_lines
from trivium.tasks.sheet import FORM_ERRORS, Sheet
from trivium.types import Document, Example

__all__ = ["Problem", "QuestionSet", "count_problems", "read_jsonl", "read_questions", "write_questions"]


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions with their own passages.

    `documents` are the passages that the set publishes: `Gold.source` names one of them, or, where the set has none,
    a document of the user's. `problems` are what was repaired or left out; `format` is the file's.
    """

    name: str
    examples: tuple[Example, ...]
    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()
    format: str = ""


def read_questions(
    path: str | os.PathLike[str], *, language: str = "", corpus: str | os.PathLike[str] | None = None, name: str = ""
) -> QuestionSet:
    """Read a question set of any known format, told by its content.

    Args:
        path: a file (JSON, JSON Lines, CSV, TSV, XLSX, Parquet, as it is or in gzip), or the folder of a collection
            (BEIR, Cranfield, CISI, CACM).
        language: of questions that do not say; empty: told from their characters and frequent words.
        corpus: a further file or folder of passages, where the set publishes them apart.
        name: of the set; empty: the file's, without its ending.

    Raises:
        UsageError: there is no such file, its format is unknown, or it holds no question.
    """
    place = Path(path)
    sheet = Sheet(name or _stem(place), language)
    if corpus is not None:
        read_corpus(corpus, sheet)
    if place.is_dir() or (kind := _collection(place)):
        kind = _folder(place) if place.is_dir() else kind
        FOLDERS[kind][1](place, sheet)
        formats = Counter({kind: 1})
    else:
        formats = _read_file(place, sheet)
    examples = sheet.examples()
    if not examples:
        raise _nothing(place, sheet)
    kind = formats.most_common(1)[0][0] if formats else ""
    return QuestionSet(sheet.name, examples, sheet.documents(), tuple(sheet.problems), kind)


def _nothing(path: Path, sheet: Sheet) -> UsageError:
    first = next(iter(sheet.problems), None)
    records = [record.value for record in islice(read_records(path, []), 5)] if path.is_file() else []
    if records and all(map(is_passage, records)):
        return UsageError(
            f"{path} holds passages, no questions.", "Give the file of questions, and this one beside it as --corpus."
        )
    why = f" ({first.where} {first.what})" if first else ""
    return UsageError(f"{path} holds no questions{why}.", "Give a question set: docs/questions.md lists the forms.")


def _stem(path: Path) -> str:
    name = path.resolve().name if path.name in ("", ".", "..") else path.name
    for ending in (".gz", ".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".xlsx", ".parquet", ".txt"):
        name = name.removesuffix(ending) or name
    return name


def _folder(path: Path) -> str:
    """Return the name of the collection that a folder holds.

    Raises:
        UsageError: it holds none.
    """
    kind = _collection(path)
    if not kind:
        raise UsageError(
            f"The folder {path} holds no collection of a known layout ({', '.join(FOLDERS)}).",
            "Give the file with the questions itself.",
        )
    return kind


def _collection(path: Path) -> str:
    return next((name for name, (recognise, _) in FOLDERS.items() if recognise(path)), "")


def _read_file(path: Path, sheet: Sheet) -> Counter[str]:
    formats: Counter[str] = Counter()
    unknown: list[Record] = []
    for record in read_records(path, sheet.problems):
        name = _format_of(record.value)
        if not name:
            unknown.append(record)
            continue
        formats[name] += 1
        with sheet.at(record.where):
            FORMATS[name][1](record, sheet)
    for record in unknown:
        keys = ", ".join(map(repr, list(record.value)[:8])) or "nothing"
        sheet.problems.append(Problem(record.where, f"is no question of a known form: it has {keys}", "unknown form"))
    return formats


def _format_of(record: dict[str, Any]) -> str:
    """Return the name of the first format that recognises a record; empty where none does."""
    for name, (recognise, _) in FORMATS.items():
        with suppress(*FORM_ERRORS):  # a record that breaks off half way is not of the form
            if recognise(record):
                return name
    return ""


def read_jsonl(path: str | os.PathLike[str], problems: list[Problem] | None = None) -> Iterator[Example]:
    """Yield the questions of a file in Trivium's own JSONL form one by one; memory stays flat.

    Ids are not compared with one another, and the language of a row is told from that row alone.

    Args:
        path: what `write_questions` wrote, or a file like it.
        problems: takes the lines that cannot be read.

    Raises:
        UsageError: the file cannot be read; or a line of it cannot, and `problems` is None.
    """
    sheet = Sheet(Path(path).name)
    sheet.problems = [] if problems is None else problems
    for record in read_records(path, sheet.problems):
        with sheet.at(record.where):
            FORMATS["jsonl"][1](record, sheet)
        if problems is None and sheet.problems:
            first = sheet.problems[0]
            raise UsageError(f"{first.where} {first.what}.", "Mend the line, or leave it out.")
        yield from sheet.drain()


def write_questions(path: str | os.PathLike[str], examples: Iterable[Example]) -> int:
    """Write questions in the JSONL form, whole or not at all; return how many.

    Fields that hold their default are left out. Reading the file gives equal examples.
    """
    return write_lines(path, map(line_of, examples))


def line_of(example: Example) -> bytes:
    """Return one question as a line of the JSONL form."""
    row: dict[str, Any] = {"id": example.id, "question": example.question}
    if example.answers:
        row["answers"] = example.answers
    if example.evidence:
        row["evidence"] = [{"source": gold.source, "text": gold.text} for gold in example.evidence]
    if example.unanswerable:
        row["unanswerable"] = True
    for field in ("parts", "choices", "format", "tags", "language"):
        if value := getattr(example, field):
            row[field] = value
    if example.metadata:
        row["metadata"] = dict(example.metadata)
    return json_line(row)
