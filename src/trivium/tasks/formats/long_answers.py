"""Questions with long answers: ELI5 (as published, and in KILT's form) and ASQA.

ELI5: Fan et al. 2019, arXiv:1907.09190. ASQA: Stelmakh et al. 2022, arXiv:2204.06092, where a complete answer holds
a short answer to each reading of an ambiguous question. KILT: Petroni et al. 2021, arXiv:2009.02252.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.tasks.records import Record
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import need, text, texts
from trivium.types import Gold


def is_asqa(record: Mapping[str, Any]) -> bool:
    """Whether a record is an ambiguous question with its readings."""
    pairs = record.get("qa_pairs")
    return isinstance(pairs, list) and bool(pairs) and isinstance(pairs[0], dict) and "short_answers" in pairs[0]


def read_asqa(record: Record, sheet: Sheet) -> None:
    """Read a question of ASQA: `answers` are the long ones, `parts` the short ones of each reading."""
    value = record.value
    notes = value.get("annotations") or []
    knowledge = [piece for note in notes for piece in note.get("knowledge") or []]
    knowledge += [{"content": p.get("context"), "wikipage": p.get("wikipage")} for p in value["qa_pairs"]]
    gold = []
    for piece in knowledge:
        words, title = text(piece.get("content")), text(piece.get("wikipage"))
        if words and not words.lower().startswith("no context"):
            source = sheet.passage(words, f"{title or 'passage'}/{sheet.short(words)}", title=title)
            gold.append(Gold(source, words))
    sheet.example(
        text(need(value, "ambiguous_question", "question")),
        id=text(value.get("sample_id")) or record.key,
        answers=(*texts([note.get("long_answer") for note in notes]), *texts(value.get("answer"))),
        evidence=gold,
        parts=tuple(filter(None, (texts(pair["short_answers"]) for pair in value["qa_pairs"]))),
        tags=("long",),
    )


def is_eli5(record: Mapping[str, Any]) -> bool:
    """Whether a record is a forum question with rated answers."""
    return "title" in record and isinstance(record.get("answers"), dict) and "selftext" in record


def read_eli5(record: Record, sheet: Sheet) -> None:
    """Read a question of ELI5: the best rated answer first."""
    value = record.value
    answers = value["answers"]
    scores = answers.get("score") or [0] * len(answers["text"])
    ranked = sorted(zip(scores, answers["text"], strict=True), key=lambda pair: -pair[0])
    more = text(value.get("selftext"))
    question = text(value["title"])
    sheet.example(
        f"{question}\n\n{more}" if more else question,
        id=text(value.get("q_id")),
        answers=texts([words for _, words in ranked]),
        tags=("long", text(value.get("category"))),
    )


def is_kilt(record: Mapping[str, Any]) -> bool:
    """Whether a record is in KILT's form."""
    output = record.get("output")
    return (
        isinstance(record.get("input"), str) and isinstance(output, list) and all(isinstance(o, dict) for o in output)
    )


def read_kilt(record: Record, sheet: Sheet) -> None:
    """Read a record of KILT: its provenance names pages of a corpus published apart."""
    value = record.value
    gold = []
    for output in value["output"]:
        for page in output.get("provenance") or []:
            title = text(page.get("title"))
            source = sheet.find(title)
            gold.append(Gold(source, sheet.text_of(source)) if source else Gold(f"{sheet.name}/{title}", ""))
    sheet.example(
        value["input"],
        id=text(value.get("id")),
        answers=texts([output.get("answer") for output in value["output"]]),
        evidence=gold,
    )
