"""All metrics of one answer: `score(example, answer)`, and whether it is right: `right(example, answer)`.

A metric is a function `(example, answer) -> float | None`; None means that it does not apply to this example. Rules
that hold for all of them:

- Citation markers (`[1]`) are taken out of the answer's text before it is compared.
- A refusal has said nothing: its text counts as empty.
- An unanswerable question is answered rightly by a refusal and wrongly by anything else: `exact_match`, `f1`,
  `contains` and `correct` are then 1 or 0, as in SQuAD 2.0 (Rajpurkar et al. 2018, arXiv:1806.03822).
- Retrieval is judged on `answer.hits`, in their order, where the system searched at all. A piece of gold evidence is
  found at the first hit that holds it (`trivium.evaluate.relevance`); a hit that only repeats a found piece takes a
  place and gains nothing. Evidence without text stands for whole documents, and repeated documents are then skipped.
  Grades are 1, or `example.metadata["grade:SOURCE"]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from trivium.errors import UnknownName
from trivium.evaluate.metrics import answers, retrieval
from trivium.evaluate.relevance import relevant
from trivium.text.markers import without_markers
from trivium.types import Answer, Example, Hit

Metric = Callable[[Example, Answer], float | None]

CUTS = (1, 3, 5, 10)
"""The k of the retrieval metrics."""
F1_RIGHT = 0.5
"""A free answer that does not contain a known one is right from this token F1 on."""


def score(example: Example, answer: Answer, *, metrics: Iterable[str] | None = None) -> dict[str, float | None]:
    """Return every model-free metric of an answer, by name; None where it does not apply.

    Args:
        example: the question with what is known.
        answer: what the system said, with what it retrieved.
        metrics: names of `METRICS`; None takes all.

    Raises:
        UnknownName: a name that is not in `METRICS`.
    """
    names = tuple(METRICS) if metrics is None else tuple(metrics)
    for name in names:
        if name not in METRICS:
            raise UnknownName("metric", name, METRICS)
    return {name: METRICS[name](example, answer) for name in names}


def right(example: Example, answer: Answer, scores: Mapping[str, float | None] | None = None) -> bool:
    """Whether a question counts as answered rightly.

    - unanswerable: the system refused;
    - answerable, and the system refused: wrong;
    - parts: one alternative of every part stands in the answer;
    - otherwise: a known answer stands in it (`contains`), or the token F1 is at least 0.5.

    Args:
        example: the question with what is known.
        answer: what the system said.
        scores: those of `score`, to spare the work.
    """
    if example.unanswerable or answer.refused:
        return example.unanswerable and answer.refused
    text = spoken(answer)
    if example.parts:
        return all(answers.contains(text, part, example.language) == 1.0 for part in example.parts)
    known = scores or {}
    held, f1 = known.get("contains"), known.get("f1")
    if held is None:
        held = answers.contains(text, example.answers, example.language)
    if f1 is None:
        f1 = answers.token_f1(text, example.answers, example.language)
    return held == 1.0 or f1 >= F1_RIGHT


def spoken(answer: Answer) -> str:
    """Return what an answer says: its text without citation markers, nothing where it refused."""
    if answer.refused:
        return ""
    return without_markers(answer.text).strip() or answer.text.strip()


def evidence_ranking(example: Example, hits: Sequence[Hit]) -> tuple[list[str], dict[str, int]]:
    """Return the hits as a ranking of the example's evidence, and the evidence's grades, for `metrics.retrieval`.

    Args:
        example: with evidence.
        hits: the best first.
    """
    evidence = example.evidence
    if not any(gold.text.strip() for gold in evidence):
        held = relevant(hits, evidence)
        names = [
            evidence[min(places)].source if places else hit.chunk.source for hit, places in zip(hits, held, strict=True)
        ]
        return list(dict.fromkeys(names)), {gold.source: _grade(example, gold.source) for gold in evidence}
    ranking: list[str] = []
    seen: set[int] = set()
    for place, held_here in enumerate(relevant(hits, evidence)):
        fresh = sorted(held_here - seen)
        seen |= held_here
        ranking += [f"evidence {number}" for number in fresh] or [f"hit {place}"]
    return ranking, {f"evidence {n}": _grade(example, gold.source) for n, gold in enumerate(evidence)}


def _grade(example: Example, source: str) -> int:
    grade = example.metadata.get(f"grade:{source}", 1)
    return int(grade) if isinstance(grade, int | float) else 1


def _searched(answer: Answer) -> bool:
    return bool(answer.hits) or any("hits" in step.detail for step in answer.trace)


def _of_ranking(measure: Callable[..., float], k: int | None) -> Metric:
    def metric(example: Example, answer: Answer) -> float | None:
        if not example.evidence or not _searched(answer):
            return None
        ranking, grades = evidence_ranking(example, answer.hits)
        return measure(ranking, grades, k)

    return metric


def _of_words(measure: Callable[[str, Sequence[str], str], float]) -> Metric:
    def metric(example: Example, answer: Answer) -> float | None:
        if example.unanswerable:
            return float(answer.refused)
        if not example.answers:
            return None
        return measure(spoken(answer), example.answers, example.language)

    return metric


METRICS: Mapping[str, Metric] = {
    "correct": lambda example, answer: float(right(example, answer)),
    "exact_match": _of_words(answers.exact_match),
    "f1": _of_words(answers.token_f1),
    "contains": _of_words(answers.contains),
    **{f"recall@{k}": _of_ranking(retrieval.recall, k) for k in CUTS},
    **{f"ndcg@{k}": _of_ranking(retrieval.ndcg, k) for k in CUTS},
}
"""Every metric that needs no model."""
