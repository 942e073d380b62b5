"""Short factual questions: PopQA, StrategyQA, PubMedQA. NQ-open is a plain record.

PopQA: Mallen et al. 2023, arXiv:2212.10511. StrategyQA: Geva et al. 2021, arXiv:2101.02235. PubMedQA: Jin et al.
2019, arXiv:1909.06146.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.tasks.records import Record
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import need, text, texts
from trivium.types import Gold


def is_popqa(record: Mapping[str, Any]) -> bool:
    """Whether a record is a question on a subject's property with its popularity."""
    return "possible_answers" in record and "subj" in record and "question" in record


def read_popqa(record: Record, sheet: Sheet) -> None:
    """Read a question of PopQA: of the published table, or of its form with paragraphs."""
    value = record.value
    evidence = []
    for paragraph in value.get("paragraphs") or []:
        words, title = text(paragraph["text"]), text(paragraph.get("title"))
        source = sheet.passage(words, title or sheet.short(words), title=title)
        if paragraph.get("is_supporting", True):
            evidence.append(Gold(source, words))
    sheet.example(
        text(value["question"]),
        id=text(value.get("id")),
        answers=texts(value["possible_answers"]),
        evidence=evidence,
        tags=(text(value.get("prop")),),
        language="en",
        metadata={key: value[key] for key in ("subj", "obj", "s_pop", "o_pop") if value.get(key) is not None},
    )


def is_strategyqa(record: Mapping[str, Any]) -> bool:
    """Whether a record is a yes-or-no question with the facts that decide it."""
    return "question" in record and "facts" in record and ("decomposition" in record or "term" in record)


def read_strategyqa(record: Record, sheet: Sheet) -> None:
    """Read a question of StrategyQA. Its facts are one passage; its paragraphs are published apart (`corpus`)."""
    value = record.value
    name, facts = text(value.get("qid")), [text(fact) for fact in value["facts"] or []]
    evidence = []
    for paragraph in _names(value.get("evidence")):
        source = sheet.find(paragraph)
        if source:
            evidence.append(Gold(source, sheet.text_of(source)))
    if facts and not evidence:
        source = sheet.passage("\n".join(facts), name or sheet.short(facts[0]), title=text(value.get("term")))
        evidence = [Gold(source, fact) for fact in facts]
    sheet.example(
        text(value["question"]),
        id=name,
        answers=texts(value.get("answer")),
        evidence=evidence,
        choices=("yes", "no"),
        metadata={"term": text(value.get("term"))},
    )


def _names(evidence: Any) -> list[str]:
    """The names of paragraphs anywhere in the nested lists of annotators and steps, each once."""
    found: dict[str, None] = {}

    def walk(value: Any) -> None:
        if isinstance(value, list):
            for one in value:
                walk(one)
        elif isinstance(value, str) and value not in ("operation", "no_evidence"):
            found.setdefault(value)

    walk(evidence)
    return list(found)


def is_pubmedqa(record: Mapping[str, Any]) -> bool:
    """Whether a record is a question on an abstract, in either spelling."""
    return ("QUESTION" in record and "CONTEXTS" in record) or ("pubid" in record and "long_answer" in record)


def read_pubmedqa(record: Record, sheet: Sheet) -> None:
    """Read a question of PubMedQA: its abstract without the conclusion is the passage."""
    value = {key.lower(): one for key, one in record.value.items()}
    contexts = value.get("contexts") or value["context"]["contexts"]
    paragraphs = [text(one) for one in contexts]
    name = record.key or text(value.get("pubid"))
    source = sheet.passage("\n\n".join(paragraphs), name or sheet.short(paragraphs[0]))
    year = text(value.get("year"))
    sheet.example(
        text(need(value, "question")),
        id=name,
        answers=texts(value.get("final_decision")),
        evidence=[Gold(source, paragraph) for paragraph in paragraphs],
        choices=("yes", "no", "maybe"),
        metadata={"long_answer": text(value.get("long_answer")), "year": year},
    )
