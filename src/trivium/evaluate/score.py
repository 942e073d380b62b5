"""All metrics of one answer: `score(example, answer)`, and whether it is right: `right(example, answer)`.

Rules that hold for every metric; `docs/metrics.md` lists them all:

- Citation markers (`[1]`) are taken out of the answer's text before it is compared.
- A refusal has said nothing: its text counts as empty.
- An unanswerable question is answered rightly by a refusal and wrongly by anything else: `exact_match`, `f1`,
  `contains` and `correct` are then 1 or 0, as in SQuAD 2.0 (Rajpurkar et al. 2018, arXiv:1806.03822).
- Retrieval is judged on `answer.hits`, in their order, where the system searched at all. A piece of gold evidence is
  found at the first hit that holds it (`trivium.evaluate.relevance`); a hit that only repeats a found piece takes a
  place and gains nothing. Evidence without text stands for whole documents, and repeated documents are then skipped.
  Grades are 1, or those of `example.metadata["grades"]`, a JSON object from source to grade.
- None means that a metric does not apply to the example.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from trivium.errors import UnknownName, UsageError
from trivium.evaluate.grounding import GROUNDING, GroundingMetric
from trivium.evaluate.metrics import answers, format, retrieval, similar
from trivium.evaluate.relevance import relevant
from trivium.models.base import Embedder
from trivium.text.language import detect
from trivium.text.markers import without_markers
from trivium.types import Answer, Example, Hit

CUTS = (1, 3, 5, 10)
"""The k of the retrieval metrics."""
F1_RIGHT = 0.5
"""A free answer that does not contain a known one is right from this token F1 on."""
FALSE = "hallucinated"
"""The key of an example's metadata that holds a known falsehood, for `r_rate`."""
GRADES = "grades"
"""The key of an example's metadata that holds graded judgements."""


@dataclass(frozen=True, slots=True)
class Case:
    """An answer made ready for the metrics, each of which takes one of these.

    Attributes:
        example: the question with what is known.
        answer: what the system said.
        said: its words, without citation markers; empty for a refusal.
        language: ISO 639-1, of the example or told from its question; "" where that cannot be told.
        ranking: the hits as a ranking of the evidence; None where retrieval is not to be judged.
        grades: the evidence's grades.
    """

    example: Example
    answer: Answer
    said: str
    language: str
    ranking: Sequence[str] | None
    grades: Mapping[str, int]


Metric = Callable[[Case], float | None]


def score(
    example: Example,
    answer: Answer,
    *,
    metrics: Iterable[str] | None = None,
    embedder: Embedder | None = None,
    scorer: similar.Scores | None = None,
) -> dict[str, float | None]:
    """Return the metrics of an answer by name; None where one does not apply.

    Args:
        example: the question with what is known.
        answer: what the system said, with what it retrieved.
        metrics: names of `METRICS`; None takes all.
        embedder: adds `cosine` and `soft_f1`.
        scorer: a chat model that tells how likely a text is; adds `perplexity`.

    Raises:
        UnknownName: a name that is not in `METRICS`.
        UsageError: the example's format or grades cannot be read.
    """
    names = tuple(METRICS) if metrics is None else tuple(metrics)
    for name in names:
        if name not in METRICS:
            raise UnknownName("metric", name, METRICS)
    case = made_ready(example, answer)
    scores = {name: METRICS[name](case) for name in names}
    compared = bool(example.answers) and not example.unanswerable
    if embedder is not None:
        scores["cosine"] = similar.cosine(case.said, example.answers, embedder) if compared else None
        scores["soft_f1"] = similar.soft_f1(case.said, example.answers, embedder) if compared else None
    if scorer is not None:
        scores["perplexity"] = similar.answer_perplexity(example.question, case.said, scorer)
    return scores


def right(example: Example, answer: Answer, scores: Mapping[str, float | None] | None = None) -> bool:
    """Whether a question counts as answered rightly.

    - unanswerable: the system refused;
    - answerable, and the system refused: wrong;
    - in another form than the example asks for (`metrics.format`): wrong, whatever it says;
    - parts: one alternative of every part stands in the answer;
    - choices: the answer picks the known one (`metrics.answers.choice`);
    - otherwise: a known answer stands in it (`contains`), or the token F1 is at least 0.5.

    Args:
        example: the question with what is known.
        answer: what the system said.
        scores: those of `score`, to spare the work.
    """
    if example.unanswerable or answer.refused:
        return example.unanswerable and answer.refused
    said = spoken(answer)
    known = scores or {}
    if example.format and (known.get("format") if "format" in known else _form_kept(example, answer, said)) == 0.0:
        return False
    if example.parts:
        return answers.part_recall(said, example.parts) == 1.0
    if example.choices:
        return answers.choice(said, example.choices) in answers.right_choices(example.answers, example.choices)
    held, f1 = known.get("contains"), known.get("f1")
    language = language_of(example)
    if held is None:
        held = answers.contains(said, example.answers, language)
    if held != 1.0 and f1 is None:
        f1 = answers.token_f1(said, example.answers, language)
    return held == 1.0 or (f1 or 0.0) >= F1_RIGHT


def spoken(answer: Answer) -> str:
    """Return what an answer says: its text without citation markers, nothing where it refused."""
    if answer.refused:
        return ""
    return without_markers(answer.text).strip() or answer.text.strip()


def language_of(example: Example) -> str:
    """Return the language of an example: its own, or that of its question; "" where neither tells."""
    return example.language or detect(example.question)


def made_ready(example: Example, answer: Answer) -> Case:
    """Return the case of an answer, from which every metric is taken."""
    ranking: list[str] | None = None
    grades: dict[str, int] = {}
    if example.evidence and _searched(answer):
        ranking, grades = evidence_ranking(example, answer.hits)
    return Case(example, answer, spoken(answer), language_of(example), ranking, grades)


def evidence_ranking(example: Example, hits: Sequence[Hit]) -> tuple[list[str], dict[str, int]]:
    """Return the hits as a ranking of the example's evidence, and the evidence's grades, for `metrics.retrieval`.

    Args:
        example: with evidence.
        hits: the best first.
    """
    evidence = example.evidence
    held = relevant(hits, evidence)
    own = _grades(example)
    grades = [own.get(gold.source, 1) for gold in evidence]
    if not any(gold.text.strip() for gold in evidence):
        names = [
            evidence[min(places)].source if places else hit.chunk.source for hit, places in zip(hits, held, strict=True)
        ]
        return list(dict.fromkeys(names)), {gold.source: grade for gold, grade in zip(evidence, grades, strict=True)}
    ranking: list[str] = []
    seen: set[int] = set()
    for place, pieces in enumerate(held):
        fresh = sorted(pieces - seen)
        seen |= pieces
        # A hit with two pieces of evidence stands for two places, so that no ranking beats the best possible one.
        ranking += [f"evidence {number}" for number in fresh] or [f"hit {place}"]
    return ranking, {f"evidence {number}": grade for number, grade in enumerate(grades)}


def _grades(example: Example) -> Mapping[str, int]:
    """Return the grade of each source that has one of its own.

    Raises:
        UsageError: the example's grades are no JSON object of whole numbers.
    """
    written = example.metadata.get(GRADES, "")
    if not written:
        return {}
    try:
        return {str(source): int(grade) for source, grade in json.loads(str(written)).items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"The grades of the question {example.id!r} cannot be read: {error}.",
            'Write {"SOURCE": 2, …} as JSON into its metadata.',
        ) from None


def _searched(answer: Answer) -> bool:
    return bool(answer.hits) or any("hits" in step.detail for step in answer.trace)


def _of_ranking(measure: Callable[[retrieval.Ranking, retrieval.Grades, int | None], float], k: int | None) -> Metric:
    return lambda case: None if case.ranking is None else measure(case.ranking, case.grades, k)


def _coverage(k: int) -> Metric:
    def metric(case: Case) -> float | None:
        several = case.ranking is not None and len(case.grades) > 1
        return retrieval.evidence_coverage(case.ranking or (), case.grades, k) if several else None

    return metric


def _of_answer(measure: Callable[[str, Sequence[str], str], float]) -> Metric:
    """A metric of the words, which a refusal of an unanswerable question passes."""

    def metric(case: Case) -> float | None:
        if case.example.unanswerable:
            return float(case.answer.refused)
        return measure(case.said, case.example.answers, case.language) if case.example.answers else None

    return metric


def _of_words(measure: Callable[[str, Sequence[str], str], float]) -> Metric:
    """A metric of the words of answerable questions."""

    def metric(case: Case) -> float | None:
        if case.example.unanswerable or not case.example.answers:
            return None
        return measure(case.said, case.example.answers, case.language)

    return metric


def _of_grounding(measure: GroundingMetric) -> Metric:
    return lambda case: measure(case.example, case.answer)


def _correct(case: Case) -> float | None:
    example = case.example
    if not (example.unanswerable or example.answers or example.parts):
        return None
    return float(right(example, case.answer))


def _refused(case: Case) -> float | None:
    return float(case.answer.refused)


def _rejected(case: Case) -> float | None:
    """The rejection rate: how many of the unanswerable questions are refused."""
    return float(case.answer.refused) if case.example.unanswerable else None


def _answered(case: Case) -> float | None:
    """How many of the answerable questions are not refused."""
    return None if case.example.unanswerable else float(not case.answer.refused)


def _parts(case: Case) -> float | None:
    return answers.part_recall(case.said, case.example.parts) if case.example.parts else None


def _r_rate(case: Case) -> float | None:
    false = str(case.example.metadata.get(FALSE, ""))
    return answers.r_rate(case.said, [false], case.example.answers) if false.strip() else None


def _format(case: Case) -> float | None:
    if not case.example.format or case.answer.refused:
        return None
    return _form_kept(case.example, case.answer, case.said)


def _form_kept(example: Example, answer: Answer, said: str) -> float:
    """Whether the answer has the form asked for, with its citation markers or without."""
    return max(format.obeys(text, example.format) for text in {answer.text.strip(), said})


METRICS: Mapping[str, Metric] = {
    "correct": _correct,
    "exact_match": _of_answer(answers.exact_match),
    "f1": _of_answer(answers.token_f1),
    "contains": _of_answer(answers.contains),
    "part_recall": _parts,
    "refused": _refused,
    "rejected": _rejected,
    "answered": _answered,
    "bleu": _of_words(answers.bleu),
    "chrf": _of_words(answers.chrf),
    "rouge1": _of_words(answers.rouge1),
    "rouge2": _of_words(answers.rouge2),
    "rougeL": _of_words(answers.rouge_l),
    "r_rate": _r_rate,
    "format": _format,
    **{f"hit_rate@{k}": _of_ranking(retrieval.hit_rate, k) for k in CUTS},
    **{f"recall@{k}": _of_ranking(retrieval.recall, k) for k in CUTS},
    **{f"precision@{k}": _of_ranking(retrieval.precision, k) for k in CUTS},
    **{f"ndcg@{k}": _of_ranking(retrieval.ndcg, k) for k in CUTS},
    "mrr": _of_ranking(retrieval.reciprocal_rank, None),
    "map": _of_ranking(retrieval.average_precision, None),
    "r_precision": _of_ranking(lambda ranking, grades, k: retrieval.r_precision(ranking, grades), None),
    **{f"evidence_coverage@{k}": _coverage(k) for k in CUTS[1:]},
    **{name: _of_grounding(measure) for name, measure in GROUNDING.items()},
}
"""Every metric that needs no model."""
