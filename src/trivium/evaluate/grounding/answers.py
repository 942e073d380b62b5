"""How an answer stands to its passages and to its question: faithfulness, groundedness, answer relevance.

Each is a function `(example, answer, *, embedder=None) -> float | None`, from 0 to 1. None: it does not apply,
because the answer refuses, or because it was made without passages.
"""

from __future__ import annotations

from trivium.evaluate.grounding.align import (
    SUPPORTED,
    Alignment,
    align_all,
    claims,
    cosines,
    ground_of,
    passages_of,
    searched,
)
from trivium.models.base import Embedder
from trivium.text.content import Words, content_terms, share
from trivium.text.kinds import kind_asked
from trivium.types import Answer, Example

_WRONG_KIND = 0.5


def faithfulness(example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None:
    """Return the share of the answer's claims that the passages support: |V| / |S|.

    S are the claims, one a sentence; V those whose alignment scores at least `SUPPORTED`. (Es et al. 2023, RAGAS,
    arXiv:2309.15217; they let a model write S and judge V, as `judged.faithfulness` does.)
    """
    found = _aligned(example, answer, embedder)
    return sum(one.score >= SUPPORTED for one in found) / len(found) if found else None


def groundedness(example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None:
    """Return the mean score of the answer's claims: how far the passages hold them, without a threshold.

    The graded form of faithfulness, in the way of K-Precision, the share of the answer's tokens that the knowledge
    holds (Adlakha et al. 2023, arXiv:2307.16877); numbers, names and denials that disagree count against it.
    """
    found = _aligned(example, answer, embedder)
    return sum(one.score for one in found) / len(found) if found else None


def answer_relevance(example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None:
    """Return how far the answer speaks of what was asked; a refusal of an answerable question has 0.

    RAGAS lets a model write the questions that the answer would answer and compares them with the one asked (Es et
    al. 2023, arXiv:2309.15217). Here the passage sentence that suits a claim best says what the claim is about: the
    mean, over the claims, of the idf-weighted share of the question's terms that the claim and this sentence hold.
    With an embedder, the mean of that and of the cosine of the question to both together. Halved where the question
    asks for a number, a time or a person and the answer holds none.
    """
    if answer.refused:
        return None if example.unanswerable else 0.0
    passages = passages_of(answer)
    asked = content_terms(example.question)
    ground = ground_of(passages)
    weights = {term: ground.weight(term) for term in asked}
    found = align_all(answer.text, example.question, passages, embedder)
    about = [(one.claim, one.text) if one.score >= SUPPORTED else (one.claim,) for one in found]
    if not about or not weights:
        return None
    values = [share(weights, Words(*texts)) for texts in about]
    if embedder is not None:
        alike = cosines(example.question, [" ".join(texts) for texts in about], embedder)
        values = [(value + cosine) / 2 for value, cosine in zip(values, alike, strict=True)]
    kind = kind_asked(example.question)
    fits = kind is None or kind.alone.search(answer.text) is not None
    return sum(values) / len(values) * (1.0 if fits else _WRONG_KIND)


def _aligned(example: Example, answer: Answer, embedder: Embedder | None) -> tuple[Alignment, ...]:
    if answer.refused or not searched(answer) or not claims(answer.text):
        return ()
    return align_all(answer.text, example.question, passages_of(answer), embedder)
