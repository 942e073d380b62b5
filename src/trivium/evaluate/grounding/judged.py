"""The grounding metrics as a chat model judges them: the same quantities as without one, by a judge's verdicts.

Each is a function `(judge, example, answer, *, embedder=None) -> float | None`, from 0 to 1; None where it does not
apply. A judge that fails on one of the verdicts a metric needs raises `JudgeError`: the metric then has no value, and
`judged` counts the failure. Papers: those of the forms without a model, in the files beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from trivium.errors import JudgeError, UnknownName
from trivium.evaluate.grounding.align import claims, cosines, searched
from trivium.evaluate.grounding.citations import Supports, cited_sentences, precision_of, recall_of
from trivium.evaluate.grounding.contexts import average_precision
from trivium.evaluate.judge import Judge, object_schema, verdict_schema
from trivium.models.base import Embedder
from trivium.text.content import content_terms
from trivium.text.markers import without_markers
from trivium.types import Answer, Example

_SUPPORT = {"supported": 1.0, "partly": 0.5, "not stated": 0.0, "contradicted": 0.0}
_BEST = 3
_QUESTIONS = 3


class JudgedMetric(Protocol):
    """A metric from 0 to 1 by a judge's verdicts; None where it does not apply."""

    def __call__(
        self, judge: Judge, example: Example, answer: Answer, *, embedder: Embedder | None = None
    ) -> float | None: ...


def support(judge: Judge, claim: str, question: str, passages: Sequence[str]) -> str:
    """Return the verdict on a claim: "supported", "partly", "not stated" or "contradicted".

    Raises:
        JudgeError: no verdict was had.
    """
    schema = verdict_schema(verdict={"enum": list(_SUPPORT)})
    reply = judge.ask("judge_support", schema, passages=tuple(passages), question=question, claim=claim)
    verdict: str = reply["verdict"]
    return verdict


def faithfulness(judge: Judge, example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None:
    """Return the share of the answer's claims that the judge calls supported, one call a claim."""
    verdicts = _verdicts(judge, example, answer)
    return sum(one == "supported" for one in verdicts) / len(verdicts) if verdicts else None


def groundedness(judge: Judge, example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None:
    """Return the mean support of the answer's claims, a partly supported one counting half; the same calls."""
    verdicts = _verdicts(judge, example, answer)
    return sum(_SUPPORT[one] for one in verdicts) / len(verdicts) if verdicts else None


def _verdicts(judge: Judge, example: Example, answer: Answer) -> list[str]:
    if answer.refused or not searched(answer):
        return []
    passages = _passages(answer)
    return [support(judge, claim, example.question, passages) for claim in claims(answer.text)]


def answer_relevance(
    judge: Judge, example: Example, answer: Answer, *, embedder: Embedder | None = None
) -> float | None:
    """Return how like the asked question are three that the judge makes from the answer; 0 where it evades.

    The mean cosine by the embedder; without one, the mean overlap of content terms (Dice).
    """
    if answer.refused:
        return None if example.unanswerable else 0.0
    text = without_markers(answer.text).strip()
    if not text:
        return None
    schema = object_schema(
        evasive={"type": "boolean"},
        questions={
            "type": "array",
            "items": {"type": "string", "minLength": 2, "maxLength": 300},
            "minItems": _QUESTIONS,
            "maxItems": _QUESTIONS,
        },
    )
    reply = judge.ask("judge_questions", schema, passages=_passages(answer), answer=text)
    if reply["evasive"]:
        return 0.0
    made: list[str] = reply["questions"]
    if embedder is not None:
        return sum(cosines(example.question, made, embedder)) / len(made)
    asked = set(content_terms(example.question))
    return sum(_dice(asked, set(content_terms(one))) for one in made) / len(made)


def _dice(one: set[str], other: set[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0


def context_relevance(
    judge: Judge, example: Example, answer: Answer, *, embedder: Embedder | None = None
) -> float | None:
    """Return the mean grade of the passages for the question, 0 to 3 put between 0 and 1; one call a passage."""
    if not searched(answer):
        return None
    schema = verdict_schema(relevance={"type": "integer", "minimum": 0, "maximum": _BEST})
    grades: list[int] = [
        judge.ask("judge_relevance", schema, question=example.question, passage=passage)["relevance"]
        for passage in _passages(answer)
    ]
    return sum(grades) / len(grades) / _BEST if grades else 0.0


def context_precision(
    judge: Judge, example: Example, answer: Answer, *, embedder: Embedder | None = None
) -> float | None:
    """Return the average precision of the passages that the judge calls useful for the known answer.

    Where no answer is known, for the answer given.
    """
    text = _reference(example) or without_markers(answer.text).strip()
    if not answer.hits or example.unanswerable or not text:
        return None
    schema = verdict_schema(useful={"type": "boolean"})
    return average_precision(
        [
            judge.ask("judge_useful", schema, question=example.question, answer=text, passage=passage)["useful"]
            for passage in _passages(answer)
        ]
    )


def context_recall(judge: Judge, example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None:
    """Return the share of the known answer's claims that the judge finds supported by the passages.

    The known answer is the first alternative, or of each part; where none is known, the gold evidence.
    """
    if not searched(answer) or example.unanswerable:
        return None
    needed = [claim for part in example.parts for claim in claims(part[0])] or list(claims(_reference(example)))
    needed = needed or [claim for gold in example.evidence for claim in claims(gold.text)]
    if not needed:
        return None
    supports = _by_judge(judge, example)
    passages = _passages(answer)
    return sum(bool(passages) and supports(passages, claim) for claim in needed) / len(needed)


def citation_recall(
    judge: Judge, example: Example, answer: Answer, *, embedder: Embedder | None = None
) -> float | None:
    """Return the share of the sentences that the judge finds supported by what they cite (ALCE)."""
    return recall_of(cited_sentences(answer), _by_judge(judge, example))


def citation_precision(
    judge: Judge, example: Example, answer: Answer, *, embedder: Embedder | None = None
) -> float | None:
    """Return the share of the citations that are needed, by the judge (ALCE)."""
    return precision_of(cited_sentences(answer), _by_judge(judge, example))


def _by_judge(judge: Judge, example: Example) -> Supports:
    return lambda texts, claim: support(judge, claim, example.question, texts) == "supported"


def _passages(answer: Answer) -> tuple[str, ...]:
    return tuple(hit.chunk.text for hit in answer.hits)


def _reference(example: Example) -> str:
    return "; ".join(part[0] for part in example.parts) if example.parts else next(iter(example.answers), "")


JUDGED: Mapping[str, JudgedMetric] = {
    "faithfulness": faithfulness,
    "groundedness": groundedness,
    "answer_relevance": answer_relevance,
    "context_relevance": context_relevance,
    "context_precision": context_precision,
    "context_recall": context_recall,
    "citation_precision": citation_precision,
    "citation_recall": citation_recall,
}
"""The forms that a judge gives, by name."""


def judged(
    judge: Judge, metrics: Iterable[str] = ("faithfulness", "answer_relevance"), embedder: Embedder | None = None
) -> Callable[[Example, Answer], tuple[dict[str, float | None], int]]:
    """Return a function that gives an answer's judged scores, by `judge_NAME`, and how many the judge failed on.

    Args:
        judge: the judge.
        metrics: names of `JUDGED`.
        embedder: for answer relevance.

    Raises:
        UnknownName: a name that is not in `JUDGED`.
    """
    names = tuple(metrics)
    for name in names:
        if name not in JUDGED:
            raise UnknownName("judged metric", name, JUDGED)

    def scores(example: Example, answer: Answer) -> tuple[dict[str, float | None], int]:
        found: dict[str, float | None] = {}
        failed = 0
        for name in names:
            try:
                found[f"judge_{name}"] = JUDGED[name](judge, example, answer, embedder=embedder)
            except JudgeError:  # counted here and in the judge: never a score
                found[f"judge_{name}"] = None
                failed += 1
        return found, failed

    return scores
