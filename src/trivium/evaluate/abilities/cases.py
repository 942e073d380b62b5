"""Files into cases: those of RGB, those with swapped contexts, and any question set with evidence."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

from trivium.errors import UsageError
from trivium.evaluate.abilities.values import Case, CaseSet
from trivium.tasks.formats.conflict import ConflictRow, is_conflict, read_conflict
from trivium.tasks.formats.rgb import RgbRow, is_rgb, read_rgb
from trivium.tasks.questions import QuestionSet, read_questions
from trivium.tasks.records import Problem, read_records
from trivium.types import Document, Example

LONGEST = 2000
"""Characters of a document that is shown as a whole; of a longer one the evidence itself is the passage."""
_ENDING = re.compile(r"(?:\.(?:gz|jsonl?|ndjson|csv|tsv|xlsx|parquet|txt))+$", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]*)?/?>")


def kind_of(path: str | os.PathLike[str]) -> str:
    """Return what a file holds, by its first records: "rgb", "conflict", or "questions" for any other question set.

    Raises:
        UsageError: it cannot be read.
    """
    first = [] if Path(path).is_dir() else [record.value for record in islice(read_records(path, []), 3)]
    if any(is_rgb(record) for record in first):
        return "rgb"
    if any(is_conflict(record) or {"context", "question", "answer"} == set(record) - {"id"} for record in first):
        return "conflict"
    return "questions"


def read_cases(
    path: str | os.PathLike[str],
    *,
    truth: Iterable[Example] = (),
    problems: list[Problem] | None = None,
) -> CaseSet:
    """Read a file of RGB, NQ-Swap or ConFiQA, or any question set with evidence; which, its content tells.

    Args:
        path: the file.
        truth: right answers by question, for a file with swapped contexts that has false ones alone.
        problems: takes the records that cannot be read; without it they are an error.

    Raises:
        UsageError: the file holds none of these, or nothing that can be used.
    """
    kind = kind_of(path)
    if kind == "rgb":
        cases = [_of_rgb(row) for row in read_rgb(path, problems=problems)]
    elif kind == "conflict":
        cases = [_of_conflict(row) for row in read_conflict(path, originals=truth, problems=problems)]
    else:
        cases = of_questions(_questions(path, problems))
    if not cases:
        raise UsageError(
            f"{path} has no questions whose evidence is one passage.",
            "Give a file of RGB, of NQ-Swap or ConFiQA, or a question set with evidence and its passages.",
        )
    return named(path, cases)


def read_all(files: Iterable[str | os.PathLike[str]], *, problems: list[Problem] | None = None) -> list[CaseSet]:
    """Read several files. One of questions and answers alone (NQ-open) gives the truth to those with false answers.

    Args:
        files: see `read_cases`.
        problems: takes the records that cannot be read; without it they are an error.

    Raises:
        UsageError: a file holds nothing to measure.
    """
    paths = list(files)
    kinds = [kind_of(path) for path in paths]
    asked = {place: _questions(path, problems) for place, path in enumerate(paths) if kinds[place] == "questions"}
    of_place = {place: of_questions(questions) for place, questions in asked.items()}
    truth = [
        example
        for place, questions in asked.items()
        if not of_place[place] and "conflict" in kinds
        for example in questions.examples
        if example.answers
    ]
    found = []
    for place, path in enumerate(paths):
        if of_place.get(place):
            found.append(named(path, of_place[place]))
        elif place not in asked or not truth:
            found.append(read_cases(path, truth=truth, problems=problems))
    return found


def named(path: str | os.PathLike[str], cases: Iterable[Case]) -> CaseSet:
    """Return cases under the file's name, those without an id numbered."""
    name = _ENDING.sub("", Path(path).name) or Path(path).name
    numbered = (case if case.id else replace(case, id=str(number)) for number, case in enumerate(cases))
    return CaseSet(name, tuple(numbered))


def sampled(cases: CaseSet, limit: int | None, seed: int = 0) -> CaseSet:
    """Return at most `limit` of the cases, chosen by `seed`, in their order."""
    if limit is None or len(cases.cases) <= limit:
        return cases
    places = sorted(random.Random(seed).sample(range(len(cases.cases)), limit))
    return CaseSet(cases.name, tuple(cases.cases[place] for place in places))


def passages_of(sets: Iterable[CaseSet]) -> list[str]:
    """Return every passage of some sets, once: the collection that rare words are told by."""
    found: dict[str, None] = {}
    for cases in sets:
        for case in cases.cases:
            for group in (case.positive, case.negative, case.wrong, *case.groups):
                found.update(dict.fromkeys(group))
    return list(found)


def _of_rgb(row: RgbRow) -> Case:
    kind = {"int": "parts", "fact": "false"}.get(row.kind, "plain")
    return Case(
        id=row.id,
        question=row.question,
        parts=row.parts,
        language=row.language,
        kind=kind,  # type: ignore[arg-type]
        positive=tuple(text for group in row.positive for text in group),
        groups=row.positive if row.kind == "int" else (),
        negative=row.negative,
        wrong=row.positive_wrong,
        false=tuple((words,) for words in row.false_answers),
    )


def _of_conflict(row: ConflictRow) -> Case:
    context = _plain(row.context)
    return Case(
        id=row.id,
        question=row.question,
        parts=(row.answers,) if row.answers else (),
        language=row.language,
        kind="conflict",
        positive=(context,) if context else (),
        wrong=(_plain(row.swapped_context),),
        false=(row.swapped_answers,),
    )


def of_questions(questions: QuestionSet) -> list[Case]:
    """Return the answerable questions whose evidence lies in one document, with the passage that holds it."""
    documents = {document.source: document for document in questions.documents}
    return [case for example in questions.examples if (case := _of_example(example, documents)) is not None]


def _questions(path: str | os.PathLike[str], problems: list[Problem] | None) -> QuestionSet:
    questions = read_questions(path)
    malformed = [problem for problem in questions.problems if problem.kind == "malformed"]
    if malformed and problems is None:
        raise UsageError(f"{malformed[0].where} {malformed[0].what}.", "Mend the record, or leave it out.")
    if problems is not None:
        problems.extend(malformed)
    return questions


def _of_example(example: Example, documents: dict[str, Document]) -> Case | None:
    sources = {gold.source for gold in example.evidence}
    parts = example.parts or ((example.answers,) if example.answers else ())
    if len(sources) != 1 or not parts or example.unanswerable:
        return None
    document = documents.get(sources.pop())
    passage = "\n".join(gold.text for gold in example.evidence)
    if document is not None and len(document.text) <= LONGEST:
        passage = document.text
    if not passage.strip():
        return None
    return Case(example.id, example.question, parts, example.language, "evidence", positive=(passage,))


def _plain(context: str) -> str:
    """Return a context without the HTML tags that Natural Questions left in it."""
    return " ".join(_TAG.sub(" ", context).split())
