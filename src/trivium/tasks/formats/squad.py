"""Reading comprehension with marked answers: SQuAD 1.1 and 2.0, XQuAD, CMRC 2018, DRCD, COVID-QA, MRQA.

Rajpurkar et al. 2016, arXiv:1606.05250 (SQuAD 1.1), 2018, arXiv:1806.03822 (2.0). Three layouts: articles with
paragraphs (the original), one question a record with `answers` as two lists (the data hub's), and a context with its
questions (MRQA; the first form of CMRC). The offset of each answer is checked against its passage: it serves to find
the sentence that proves the answer.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from trivium.tasks.records import Malformed, Record
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import need, text
from trivium.text.sentences import sentence_spans
from trivium.types import Gold


def is_squad(record: Mapping[str, Any]) -> bool:
    """Whether a record is an article, a context with questions, or a question with marked answers."""
    paragraphs = record.get("paragraphs")
    if isinstance(paragraphs, list) and paragraphs and isinstance(paragraphs[0], dict) and "qas" in paragraphs[0]:
        return True
    if isinstance(record.get("qas"), list) and ("context" in record or "context_text" in record):
        return True
    answers = record.get("answers")
    return "context" in record and "question" in record and isinstance(answers, dict) and "answer_start" in answers


def read_squad(record: Record, sheet: Sheet) -> None:
    """Read an article, or one context."""
    value = record.value
    if "question" in value:
        title = text(value.get("title"))
        _paragraph(sheet, one_question(value), title, f"{title or 'passage'}/{sheet.short(str(value['context']))}")
        return
    title = text(value.get("title")) or text(value.get("id", value.get("context_id")))
    if "qas" in value:
        _paragraph(sheet, value, title, title or f"passage {record.where.rsplit(':', 1)[-1]}")
        return
    for number, paragraph in enumerate(value["paragraphs"]):
        with sheet.at(f"{record.where}.paragraphs[{number}]"):
            name = title or text(paragraph.get("document_id", paragraph.get("id"))) or record.where
            _paragraph(sheet, paragraph, title, f"{name}/{number}")


def one_question(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of the data hub's layout, one question with `answers` as two lists, as a paragraph."""
    answers = value["answers"]
    listed = [{"text": t, "answer_start": s} for t, s in zip(answers["text"], answers["answer_start"], strict=True)]
    one = {"id": value.get("id"), "question": value["question"], "answers": listed, "is_impossible": not listed}
    return {"context": value["context"], "qas": [one]}


def _paragraph(sheet: Sheet, paragraph: Mapping[str, Any], title: str, label: str) -> None:
    context = need(paragraph, "context", "context_text")
    if not isinstance(context, str):
        raise Malformed("has a context that is no text")
    source = sheet.passage(context, label, title=title.replace("_", " "))
    for number, qa in enumerate(need(paragraph, "qas")):
        with sheet.at(f"{sheet.where}.qas[{number}]"):
            _question(sheet, qa, context, source, title)


def _question(sheet: Sheet, qa: Mapping[str, Any], context: str, source: str, title: str) -> None:
    marked = marked_answers(qa)
    answers: dict[str, None] = {}
    evidence: tuple[Gold, ...] = ()
    impossible = qa.get("is_impossible") in (True, "true", "True", 1)
    if impossible and marked:
        sheet.report("is called impossible and has answers: taken as impossible", "contradiction")
    for answer, start in () if impossible else marked:
        if not answer:
            continue
        answers.setdefault(answer.strip())
        at, state = locate(context, answer, start)
        if state == "absent":
            sheet.report(
                f"has the answer {answer[:60]!r}, which its passage does not hold", "answer not in its passage"
            )
        elif state == "moved" and start is not None:
            sheet.report(f"has the answer {answer[:60]!r} at {start}, which stands at {at}", "offset repaired")
        if at is not None and not evidence:
            evidence = (Gold(source, sentence_around(context, at, at + len(answer))),)
    if answers and not evidence:
        evidence = (Gold(source, context),)
    sheet.example(
        text(need(qa, "question", "query_text")),
        id=text(qa.get("id", qa.get("qid", qa.get("query_id")))),
        answers=tuple(answers),
        evidence=evidence,
        unanswerable=impossible,
        metadata={"document": source, "title": title},
    )


def marked_answers(qa: Mapping[str, Any]) -> list[tuple[str, int | None]]:
    """Return the answers of a question with their offsets, None where the file has none."""
    found: list[tuple[str, int | None]] = []
    for answer in qa.get("detected_answers") or qa.get("answers") or []:
        if not isinstance(answer, Mapping):
            found.append((text(answer), None))
            continue
        start = answer.get("answer_start")
        spans = answer.get("char_spans")
        if spans:
            start = spans[0][0]
        whole = isinstance(start, int) and not isinstance(start, bool)
        found.append((text(answer["text"]) if whole is False else str(answer["text"]), start if whole else None))
    return found


def locate(context: str, answer: str, start: int | None) -> tuple[int | None, str]:
    """Return where an answer stands in its passage, and how that was found.

    The state is `exact` where it stands at `start`; `moved` where it stands elsewhere, perhaps with other spaces or
    letter case (the nearest place is returned); `absent` where it does not occur.
    """
    if start is not None and start >= 0 and context.startswith(answer, start):
        return start, "exact"
    near = min(max(start or 0, 0), len(context))
    places = [at for at in (context.rfind(answer, 0, near + len(answer)), context.find(answer, near)) if at >= 0]
    if not places and (words := answer.split()):
        loose = re.compile(r"\s*".join(map(re.escape, words)), re.IGNORECASE)
        places = [match.start() for match in loose.finditer(context)]
    if not places:
        return None, "absent"
    return min(places, key=lambda at: abs(at - near)), "moved"


def sentence_around(context: str, start: int, end: int) -> str:
    """Return the sentence, or the sentences, of `context` that hold its characters `start` to `end`."""
    spans = _spans(context)
    if not spans:
        return context
    first = max(bisect_right(spans, (start, len(context))) - 1, 0)
    last = max(bisect_right(spans, (max(end - 1, start), len(context))) - 1, first)
    return context[spans[first][0] : spans[last][1]].strip()


@lru_cache(maxsize=64)
def _spans(context: str) -> Sequence[tuple[int, int]]:
    return sentence_spans(context)
