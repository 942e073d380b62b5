"""Answers with what is made up in them: HaluEval, HalluQA, UHGEval, TruthfulQA.

HaluEval: Li et al. 2023, arXiv:2305.11747 (questions, dialogues and summaries with a right and a made-up answer, and
judged answers to general requests). HalluQA: Cheng et al. 2023, arXiv:2310.03368 (misleading questions). UHGEval:
Liang et al. 2023, arXiv:2311.15296 (continuations of news). TruthfulQA: Lin et al. 2022, arXiv:2109.07958. The made-up
answer is kept in the metadata as `hallucinated`, the judged one as `response`: a judge can be calibrated on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.tasks.records import Record
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import need, text, texts
from trivium.types import Gold

_RIGHT = ("right_answer", "right_response", "right_summary")
_WRONG = ("hallucinated_answer", "hallucinated_response", "hallucinated_summary")


def is_halueval(record: Mapping[str, Any]) -> bool:
    """Whether a record is of HaluEval: a pair of answers, or a judged answer."""
    paired = any(key in record for key in _RIGHT) and any(key in record for key in _WRONG)
    return paired or ("user_query" in record and "hallucination" in record)


def read_halueval(record: Record, sheet: Sheet) -> None:
    """Read a record of any of the four files."""
    value = record.value
    if "user_query" in value:
        judged = text(value["hallucination"]).lower() == "yes"
        response = text(need(value, "chatgpt_response"))
        spans = value.get("hallucination_spans") or []
        sheet.example(
            text(value["user_query"]),
            id=text(value.get("ID")),
            answers=() if judged else (response,),
            tags=("general", "hallucinated" if judged else "clean"),
            metadata={"response": response, "hallucination": judged, "hallucinated": "\n".join(map(text, spans))},
        )
        return
    passage = text(value.get("knowledge", value.get("document")))
    question = text(value.get("question", value.get("dialogue_history"))) or "Summarise the document."
    source = sheet.passage(passage, f"passage/{sheet.short(passage)}") if passage else ""
    sheet.example(
        question,
        id=text(value.get("id")) or sheet.short(question + passage),
        answers=(text(need(value, *_RIGHT)),),
        evidence=(Gold(source, passage),) if source else (),
        tags=("dialogue" if "dialogue_history" in value else "summary" if "document" in value else "question",),
        metadata={"hallucinated": text(need(value, *_WRONG))},
    )


def is_halluqa(record: Mapping[str, Any]) -> bool:
    """Whether a record has numbered best and wrong answers."""
    return "Question" in record and ("Best Answer1" in record or "Best_Answer1" in record)


def read_halluqa(record: Record, sheet: Sheet) -> None:
    """Read a question of HalluQA; `choices` are its first best answer and the wrong ones."""
    value = record.value
    best = [text(value.get(f"Best Answer{n}", value.get(f"Best_Answer{n}"))) for n in range(1, 10)]
    wrong = [text(value.get(f"Wrong_Answer{n}", value.get(f"Wrong Answer{n}"))) for n in range(1, 10)]
    right = tuple(dict.fromkeys(filter(None, best)))
    sheet.example(
        text(value["Question"]),
        id=text(value.get("question_id", value.get("Question_id"))),
        answers=right,
        choices=tuple(dict.fromkeys(filter(None, (right[0], *wrong)))) if right else (),
        tags=(text(value.get("Category")), text(value.get("Class"))),
        metadata={"hallucinated": next(filter(None, wrong), ""), "source": text(value.get("Source"))},
    )


def is_truthfulqa(record: Mapping[str, Any]) -> bool:
    """Whether a record lists correct and incorrect answers, each in one text or list."""
    return {"Question", "Correct Answers", "Incorrect Answers"} <= set(record) or (
        {"question", "correct_answers", "incorrect_answers"} <= set(record)
    )


def read_truthfulqa(record: Record, sheet: Sheet) -> None:
    """Read a question of TruthfulQA: of the published table (answers between `;`), or of the data hub's form."""
    value = {key.lower().replace(" ", "_"): one for key, one in record.value.items()}
    right = texts([text(value.get("best_answer")), *_several(value["correct_answers"])])
    wrong = texts(_several(value["incorrect_answers"]))
    sheet.example(
        text(value["question"]),
        answers=right,
        choices=(*right[:1], *wrong),
        tags=(text(value.get("category")), text(value.get("type"))),
        metadata={"hallucinated": wrong[0] if wrong else "", "source": text(value.get("source"))},
    )


def _several(value: Any) -> list[str]:
    return value.split(";") if isinstance(value, str) else list(value)


def is_uhgeval(record: Mapping[str, Any]) -> bool:
    """Whether a record is a piece of news with a made-up continuation."""
    return "newsBeginning" in record and "hallucinatedContinuation" in record


def read_uhgeval(record: Record, sheet: Sheet) -> None:
    """Read a record of UHGEval: the beginning is the question, the real continuation the answer."""
    value = record.value
    beginning, rest = text(value["newsBeginning"]), text(value.get("newsRemainder"))
    name, headline = text(value.get("id")), text(value.get("headLine"))
    real = text(need(value, "realContinuation"))
    evidence = []
    if rest:
        evidence = [Gold(sheet.passage(f"{beginning}\n{rest}", name or headline, title=headline, language="zh"), real)]
    sheet.example(
        beginning,
        id=name,
        answers=(real,),
        evidence=evidence,
        tags=(text(value.get("type")), "continuation"),
        language="zh",
        metadata={"hallucinated": text(value["hallucinatedContinuation"]), "headline": headline},
    )
