"""Answers that people labelled, and the scores of a judge on them: what `trivium judge calibrate` reads and does.

One record an answer, in JSON Lines (or any form that `trivium.tasks.records` reads):

    {"question": "…", "answer": "…", "passages": ["…", "…"], "label": true, "answers": ["…"], "judge": 0.8}

`label` is yes or no, or a grade from 0 to 1; a record without one takes part as unlabelled. `passages` are texts, or
objects with `text` and `source`. `answers` are known right answers, which some metrics compare with. `judge` is a
score from 0 to 1 that a judge gave already.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.errors import JudgeError, UnknownName, UsageError
from trivium.evaluate.grounding import GROUNDING
from trivium.evaluate.grounding.judged import JUDGED
from trivium.evaluate.judge import Judge
from trivium.models.base import Embedder
from trivium.tasks.records import Problem, Record, read_records
from trivium.threads import Pool
from trivium.types import Answer, Chunk, Example, Hit

_YES = {"yes", "y", "true", "good", "right", "correct", "supported", "faithful", "grounded", "relevant"}
_YES |= {"是", "对", "正确", "支持"}
_NO = {"no", "n", "false", "bad", "wrong", "incorrect", "unsupported", "unfaithful", "hallucinated", "irrelevant"}
_NO |= {"否", "不是", "错", "错误", "不支持"}


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer with its question and passages, a person's label, and a judge's score; None where there is none."""

    example: Example
    answer: Answer
    label: float | None
    judge: float | None


def read_labels(path: str | os.PathLike[str]) -> tuple[list[LabelledAnswer], list[Problem]]:
    """Return the answers of a file in their order, and the records that could not be read.

    Raises:
        UsageError: the file cannot be read, or holds no answer.
    """
    problems: list[Problem] = []
    found: list[LabelledAnswer] = []
    for record in read_records(path, problems):
        try:
            found.append(_labelled(record, len(found)))
        except ValueError as error:
            problems.append(Problem(record.where, str(error), "label"))
    if not found:
        first = f" The first problem: {problems[0].where} {problems[0].what}." if problems else ""
        raise UsageError(f"{path} holds no answer that can be used.{first}", 'Each needs "question" and "answer".')
    return found, problems


def _labelled(record: Record, number: int) -> LabelledAnswer:
    row = record.value
    question, text = row.get("question", ""), row.get("answer")
    if not isinstance(text, str) or not isinstance(question, str):
        raise ValueError('has no text under "answer", or no text under "question"')
    passages = [
        _passage(one, place) for place, one in enumerate(_listed(row.get("passages", row.get("contexts"))), start=1)
    ]
    known = tuple(one for one in _listed(row.get("answers")) if isinstance(one, str))
    example = Example(str(row.get("id", number)), question, known)
    answer = Answer(question, text, refused=row.get("refused") is True, hits=tuple(passages))
    return LabelledAnswer(example, answer, grade(row.get("label"), "label"), grade(row.get("judge"), "judge"))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _passage(value: Any, rank: int) -> Hit:
    text = value.get("text") if isinstance(value, Mapping) else value
    if not isinstance(text, str):
        raise ValueError('has a passage that is neither a text nor an object with "text"')
    source = str(value.get("source", "")) if isinstance(value, Mapping) else ""
    return Hit(Chunk(f"{rank}", f"{rank}", source, text, 0, len(text)), 1.0 / rank, ())


def grade(value: Any, what: str) -> float | None:
    """Return a label as a grade from 0 to 1, or None where there is none.

    Raises:
        ValueError: it is neither yes nor no, nor a number from 0 to 1.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in _YES or word in _NO:
            return float(word in _YES)
        try:
            value = float(word)
        except ValueError:
            raise ValueError(f"has the {what} {value[:40]!r}, which is neither yes nor no nor 0 to 1") from None
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1:
        return float(value)
    raise ValueError(f"has the {what} {value!r}, which is not from 0 to 1")


def scores_by_judge(
    rows: Sequence[LabelledAnswer],
    judge: Judge,
    metric: str = "faithfulness",
    *,
    embedder: Embedder | None = None,
    parallel: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> list[float | None]:
    """Return a judge's score of each answer, in order; None where it failed (counted in `judge`) or where the metric
    does not apply.

    Args:
        rows: the answers.
        judge: the judge.
        metric: a name of `JUDGED`.
        embedder: for answer relevance.
        parallel: answers judged at once.
        progress: called with the answers done and all of them.

    Raises:
        UnknownName: no such metric.
    """
    if metric not in JUDGED:
        raise UnknownName("judged metric", metric, JUDGED)

    def work(item: tuple[int, LabelledAnswer]) -> tuple[int, float | None]:
        place, row = item
        try:
            return place, JUDGED[metric](judge, row.example, row.answer, embedder=embedder)
        except JudgeError:  # counted by the judge, and None is no score
            return place, None

    found: list[float | None] = [None] * len(rows)
    with Pool(enumerate(rows), work, parallel) as pool:
        for done, (place, value) in enumerate(pool, start=1):
            found[place] = value
            if progress is not None:
                progress(done, len(rows))
    return found


def scores_without_model(
    rows: Sequence[LabelledAnswer], metric: str = "faithfulness", *, embedder: Embedder | None = None
) -> list[float | None]:
    """Return the score of each answer by a metric that needs no model; None where it does not apply.

    Raises:
        UnknownName: no such metric.
    """
    if metric not in GROUNDING:
        raise UnknownName("grounding metric", metric, GROUNDING)
    return [GROUNDING[metric](row.example, row.answer, embedder=embedder) for row in rows]
