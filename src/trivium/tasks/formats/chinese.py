"""Chinese sets in forms of their own: DuReader 2.0 and CRUD-RAG.

DuReader: He et al. 2018, arXiv:1711.05073; answers are written by people from several web pages. CRUD-RAG: Lyu et al.
2024, arXiv:2401.17043; questions on one to three news articles, in the file of all tasks (`split_merged.json`) or in
those of the questions alone (`..._quest_gt_save.json`), where one record holds several.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.tasks.records import Malformed, Record
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import need, text, texts
from trivium.text.normalise import normalise
from trivium.types import Gold

_CANNOT_TELL = "无法推断"


def is_dureader(record: Mapping[str, Any]) -> bool:
    """Whether a record is a question with web pages."""
    documents = record.get("documents")
    return "question" in record and isinstance(documents, list) and (not documents or "paragraphs" in documents[0])


def read_dureader(record: Record, sheet: Sheet) -> None:
    """Read a question of DuReader 2.0. The evidence is the page from which each answer was written."""
    value = record.value
    name = text(value.get("question_id"))
    sources: list[tuple[str, Mapping[str, Any]]] = []
    for number, page in enumerate(value["documents"]):
        words = "\n".join(filter(None, (text(paragraph) for paragraph in page["paragraphs"])))
        if words:
            title = text(page.get("title"))
            sources.append((sheet.passage(words, f"{name or sheet.short(words)}/{number}", title=title), page))
    answers = texts(value.get("answers"))
    kind = text(value.get("question_type"))
    verdicts = texts(value.get("yesno_answers"))
    sheet.example(
        text(value["question"]),
        id=name,
        answers=answers,
        evidence=_pages(sheet, sources, answers),
        tags=(kind, text(value.get("fact_or_opinion"))),
        language="zh",
        metadata={"verdict": verdicts[0] if len(set(verdicts)) == 1 else ""},
    )


def _pages(sheet: Sheet, sources: list[tuple[str, Mapping[str, Any]]], answers: tuple[str, ...]) -> list[Gold]:
    """The paragraph that each page used by the annotators is closest to the answer in."""
    found = []
    for source, page in sources if answers else ():
        if not page.get("is_selected"):
            continue
        paragraphs, number = page["paragraphs"], page.get("most_related_para", -1)
        whole = isinstance(number, int) and 0 <= number < len(paragraphs) and text(paragraphs[number])
        found.append(Gold(source, whole or sheet.text_of(source)))
    return found


def is_crud(record: Mapping[str, Any]) -> bool:
    """Whether a record is of CRUD-RAG: several questions on an event, or one with its articles."""
    several = isinstance(record.get("question"), list) and isinstance(record.get("answers"), list)
    return several or ("news1" in record and bool({"questions", "question"} & set(record)))


def read_crud(record: Record, sheet: Sheet) -> None:
    """Read the questions of a record; one that the articles do not answer is answered with `无法推断`."""
    value = record.value
    name = text(value.get("ID", value.get("id"))) or record.key
    gold = []
    for number in (1, 2, 3):
        if article := text(value.get(f"news{number}")):
            gold.append(Gold(sheet.passage(article, f"{name}/{number}", language="zh"), article))
    questions, answers = need(value, "questions", "question"), need(value, "answers", "answer")
    if not isinstance(questions, list):
        questions, answers = [questions], [answers]
    if len(questions) != len(answers):
        raise Malformed(f"has {len(questions)} questions and {len(answers)} answers: which belong together is unknown")
    for number, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        with sheet.at(f"{record.where}.question[{number}]"):
            unanswerable = text(answer).startswith(_CANNOT_TELL)
            given = () if unanswerable else texts(answer)
            holding = [one for one in gold if any(normalise(a) in normalise(one.text) for a in given)]
            several = len(gold) > 1
            sheet.example(
                text(question),
                id=name if len(questions) == 1 else f"{name}/{number}",
                answers=given,
                evidence=() if unanswerable else gold if several else holding or gold,
                unanswerable=unanswerable,
                tags=(record.key if record.key != name else "",),
                language="zh",
                metadata={"event": text(value.get("event"))},
            )
