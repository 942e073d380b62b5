"""Everything that is said about one answer: its scores, whether it is right, and the failure point if it is not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from trivium.evaluate.failure import Failure, Holders, Rank, attribute
from trivium.evaluate.relevance import relevant
from trivium.evaluate.score import right, score
from trivium.models.base import Embedder
from trivium.types import Answer, Example


@dataclass(frozen=True, slots=True)
class Scored:
    """What was said about an answer; see `trivium.evaluate.results.Result` for the fields."""

    scores: Mapping[str, float | None] = field(default_factory=dict)
    right: bool | None = None
    failure: Failure | None = None
    ranks: tuple[int, ...] = ()
    judge_failures: int = 0


Scorer = Callable[[Example, Answer], Scored]

More = Callable[[Example, Answer], tuple[Mapping[str, float | None], int]]
"""Further scores of an answer, by a model or a judge, and how many judgements could not be had."""


def scorer_of(
    *,
    corpus: Holders | None = None,
    rank: Rank | None = None,
    alone: Callable[[Example], Answer] | None = None,
    embedder: Embedder | None = None,
    more: Sequence[More] = (),
    measure: Callable[[Example, Answer], Mapping[str, float | None]] = score,
) -> Scorer:
    """Return what scores an answer by every metric that needs no chat model, and names failure points.

    Args:
        corpus: which stored chunks hold the answer to a question (`trivium.evaluate.failure.holders_of`).
        rank: the system's own search.
        alone: the same model without any passage, asked where the answer was wrong: it tells whether retrieval was
            needed.
        embedder: adds the metrics of meaning, `cosine` and `soft_f1`.
        measure: gives the metrics that need no model; `trivium.evaluate.score_all.measuring` does it on several cores.
        more: further scores, such as a judge's (`trivium.evaluate.grounding.judged.judged`).
    """

    def scorer(example: Example, answer: Answer) -> Scored:
        scores = dict(measure(example, answer))
        if embedder is not None:
            scores |= score(example, answer, metrics=(), embedder=embedder)
        judge_failures = 0
        for further in more:
            found, failed = further(example, answer)
            scores |= found
            judge_failures += failed
        known = judgeable(example)
        is_right = right(example, answer, scores) if known else None
        failure = None
        if is_right is False:
            alone_right = None if alone is None else right(example, alone(example))
            failure = attribute(
                example, answer, scores, corpus=corpus, rank=rank, right=False, closed_book_right=alone_right
            )
        return Scored(clean(scores), is_right, failure, ranks(example, answer), judge_failures)

    return scorer


def judgeable(example: Example) -> bool:
    """Whether it can be told if an answer is right: something is known about it."""
    return bool(example.unanswerable or example.answers or example.parts or example.choices)


def clean(scores: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return the scores with None in the place of what is no number."""
    return {
        name: float(value) if value is not None and math.isfinite(value) else None for name, value in scores.items()
    }


def ranks(example: Example, answer: Answer) -> tuple[int, ...]:
    """Return for each piece of gold evidence the place, from 1, of the first hit that holds it; 0 where none does."""
    held = relevant(answer.hits, example.evidence)
    return tuple(
        next((place for place, pieces in enumerate(held, start=1) if number in pieces), 0)
        for number in range(len(example.evidence))
    )
