"""RGB, the benchmark of four abilities (Chen et al. 2023, arXiv:2309.01431): refine, int and fact files, en and zh.

A row's `answer` is a text, or a list of which every member must be in a right answer; a member that is a list gives
alternatives. In the integration files `positive` is a list of lists, one for each fact that the answer puts together,
and the answers to these are also written as `asnwer1` (so spelt) and `answer2`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trivium.errors import UsageError
from trivium.tasks.records import Malformed, Problem, Record, read_records
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import Alternatives, need, parts, text, texts
from trivium.text.language import detect
from trivium.types import Gold


@dataclass(frozen=True, slots=True)
class RgbRow:
    """A question of RGB with its passages.

    A right answer holds one alternative of every one of `parts`. `positive` has one group of passages for each of the
    facts to be put together in the integration files (`kind` "int"; a fact may have several parts), and one group in
    all in the others ("refine", "fact"). `false_answers` and `positive_wrong` are what a counterfactual file ("fact")
    puts in the place of the truth: in that of the answer, and in the positive passages.
    """

    id: str
    question: str
    parts: tuple[Alternatives, ...]
    positive: tuple[tuple[str, ...], ...]
    negative: tuple[str, ...]
    false_answers: tuple[str, ...] = ()
    positive_wrong: tuple[str, ...] = ()
    kind: str = "refine"
    language: str = ""


def read_rgb(path: str | os.PathLike[str], *, problems: list[Problem] | None = None) -> tuple[RgbRow, ...]:
    """Read an RGB file.

    Args:
        path: JSON Lines, under whatever name.
        problems: takes the rows that cannot be read; without it the first of them is an error.

    Raises:
        UsageError: the file holds no RGB rows, or a row cannot be read and `problems` is None.
    """
    found = [] if problems is None else problems
    rows = []
    for record in read_records(path, found):
        try:
            rows.append(rgb_row(record.value))
        except Malformed as error:
            found.append(Problem(record.where, str(error)))
    if found and problems is None:
        raise UsageError(f"{found[0].where} {found[0].what}.", "Mend the line, or leave it out.")
    if not rows:
        raise UsageError(f"{path} holds no rows of RGB.", "Give en_refine.json, zh_int.json, en_fact.json or the like.")
    return tuple(rows)


def is_rgb(record: Mapping[str, Any]) -> bool:
    """Whether a record is a row of RGB."""
    return "query" in record and "positive" in record and "negative" in record


def rgb_row(record: Mapping[str, Any]) -> RgbRow:
    """Read one row.

    Raises:
        Malformed: it lacks its question, its answer or its passages.
    """
    question = text(need(record, "query", "question"))
    positive = need(record, "positive")
    if not isinstance(positive, list) or not isinstance(record.get("negative"), list):
        raise Malformed("has no lists 'positive' and 'negative'")
    grouped = bool(positive) and isinstance(positive[0], list)
    groups = tuple(_passages(group) for group in positive) if grouped else (_passages(positive),)
    answer = parts(record.get("answer")) or _numbered(record)
    if not question or not answer:
        raise Malformed("has no question" if not question else "has no answer")
    wrong = _passages(record.get("positive_wrong") or [])
    false = texts(record.get("fakeanswer"))
    return RgbRow(
        id=text(record.get("id")),
        question=question,
        parts=answer,
        positive=groups,
        negative=_passages(record["negative"]),
        false_answers=false,
        positive_wrong=wrong,
        kind="int" if grouped else "fact" if wrong or false else "refine",
        language=detect(question) or "en",
    )


def _numbered(record: Mapping[str, Any]) -> tuple[Alternatives, ...]:
    """The parts as the integration files number them, `asnwer1` misspelt."""
    found = (parts(record.get(f"answer{n}", record.get(f"asnwer{n}"))) for n in range(1, 10))
    return tuple(part for several in found for part in several)


def _passages(value: list[Any]) -> tuple[str, ...]:
    return tuple(filter(None, (text(passage) for passage in value)))


def read_rgb_record(record: Record, sheet: Sheet) -> None:
    """Read a row as a question: its positive and negative passages are documents, its false ones are not."""
    row = rgb_row(record.value)
    name = row.id or sheet.short(row.question)
    gold = []
    for group in row.positive:
        for passage in group:
            source = sheet.passage(passage, f"{name}/positive/{sheet.short(passage)}", language=row.language)
            gold.append(Gold(source, passage))
    for passage in row.negative:
        sheet.passage(passage, f"{name}/negative/{sheet.short(passage)}", language=row.language)
    words = {one for part in row.parts for one in part}
    holding = [one for one in gold if any(word.lower() in one.text.lower() for word in words)]
    sheet.example(
        row.question,
        id=row.id,
        evidence=holding or gold,
        parts=row.parts,
        tags=("rgb", row.kind),
        language=row.language,
        metadata={"hallucinated": row.false_answers[0] if row.false_answers else ""},
    )
