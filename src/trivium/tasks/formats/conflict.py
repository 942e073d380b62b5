"""Passages that contradict what a model knows: NQ-Swap (Longpre et al. 2021, arXiv:2109.05052) and ConFiQA.

ConFiQA is of Bi et al. 2024, arXiv:2412.15280. Files come in two layouts: with both contexts (`org_context` and
`sub_context` in NQ-Swap, `orig_context` and `cf_context` in ConFiQA), or with the swapped one alone, as
`context`, `question`, `answer`. Then the original answer may be had from a file of NQ-open (`originals`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trivium.errors import UsageError
from trivium.tasks.records import Malformed, Problem, Record, read_records
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import need, text, texts
from trivium.text.language import detect
from trivium.text.normalise import normalise
from trivium.types import Example, Gold

_ORIGINAL = ("org", "orig", "original")
_SWAPPED = ("sub", "cf", "swapped", "counterfactual")


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """A question with its swapped context, and the original one where the file has it.

    `answers` are right by the world (and by `context`), `swapped_answers` by `swapped_context`. Both `context` and
    `answers` are empty where the file gives the swapped side alone. Contexts are as published: those of NQ carry
    HTML tags such as `<P>`.
    """

    id: str
    question: str
    swapped_context: str
    swapped_answers: tuple[str, ...]
    context: str = ""
    answers: tuple[str, ...] = ()
    language: str = ""


def read_conflict(
    path: str | os.PathLike[str], *, originals: Iterable[Example] = (), problems: list[Problem] | None = None
) -> tuple[ConflictRow, ...]:
    """Read NQ-Swap or ConFiQA.

    Args:
        path: JSON or JSON Lines, under whatever name.
        originals: where the file has no original answers, those of the same question here are taken.
        problems: takes the rows that cannot be read; without it the first of them is an error.

    Raises:
        UsageError: the file holds no such rows, or a row cannot be read and `problems` is None.
    """
    found = [] if problems is None else problems
    known: dict[str, tuple[str, ...]] = {}
    for example in originals:
        known.setdefault(_key(example.question), example.answers)
    rows = []
    for number, record in enumerate(read_records(path, found)):
        try:
            rows.append(conflict_row(record.value, number, known))
        except Malformed as error:
            found.append(Problem(record.where, str(error)))
    if found and problems is None:
        raise UsageError(f"{found[0].where} {found[0].what}.", "Mend the record, or leave it out.")
    if not rows:
        raise UsageError(
            f"{path} holds no questions with swapped contexts.", "Give a file of NQ-Swap or ConFiQA: see the README."
        )
    return tuple(rows)


def is_conflict(record: Mapping[str, Any]) -> bool:
    """Whether a record names both an original and a swapped context."""
    return any(f"{prefix}_context" in record for prefix in _ORIGINAL) and any(
        f"{prefix}_context" in record for prefix in _SWAPPED
    )


def conflict_row(
    record: Mapping[str, Any], number: int = 0, known: Mapping[str, tuple[str, ...]] | None = None
) -> ConflictRow:
    """Read one record; `number` names it where it has no id.

    Raises:
        Malformed: it lacks its question, its swapped context or that context's answer.
    """
    question = text(need(record, "question", "query"))
    swapped = text(need(record, *(f"{prefix}_context" for prefix in _SWAPPED), "context"))
    swapped_answers = _answers(record, _SWAPPED) or texts(record.get("answer", record.get("answers")))
    if not question or not swapped or not swapped_answers:
        raise Malformed("lacks its question, its swapped context or the answer to it")
    answers = _answers(record, _ORIGINAL) or (known or {}).get(_key(question), ())
    context = next((text(record[k]) for p in _ORIGINAL if record.get(k := f"{p}_context")), "")
    return ConflictRow(
        id=text(record.get("id", record.get("qid", record.get("idx")))) or str(number),
        question=question,
        swapped_context=swapped,
        swapped_answers=swapped_answers,
        context=context,
        answers=answers,
        language=detect(question) or "en",
    )


def _answers(record: Mapping[str, Any], prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """The answer and its aliases of one side."""
    keys = [f"{prefix}_{what}" for prefix in prefixes for what in ("answer", "answers", "alias", "aliases")]
    return texts([list(texts(record[key])) for key in keys if record.get(key)])


def _key(question: str) -> str:
    return "".join(character for character in normalise(question) if character.isalnum())


def read_conflict_record(record: Record, sheet: Sheet) -> None:
    """Read a record as a question on its original context; the swapped answer is kept as `hallucinated`."""
    row = conflict_row(record.value)
    name = row.id if row.id != "0" or "id" in record.value else sheet.short(row.question + row.swapped_context)
    gold = [Gold(sheet.passage(row.context, f"{name}/original"), row.context)] if row.context else []
    sheet.example(
        row.question,
        id=name,
        answers=row.answers,
        evidence=gold,
        tags=("conflict",),
        metadata={"hallucinated": row.swapped_answers[0]},
    )
