"""What the passages are worth: do they bear on the question, and hold what a right answer needs?

Each is a function `(example, answer, *, embedder=None) -> float | None`, from 0 to 1, over `answer.hits`. None: it
does not apply, because the system did not search, or because nothing is known to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence

from trivium.evaluate.grounding.align import (
    SUPPORTED,
    align,
    align_all,
    claims,
    cosines,
    ground_of,
    passages_of,
    searched,
)
from trivium.evaluate.relevance import relevant
from trivium.models.base import Embedder
from trivium.text.content import content_terms, share
from trivium.text.sentences import sentence_spans
from trivium.types import Answer, Example


def context_relevance(example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None:
    """Return how far the passages bear on the question: the mean over the passages of their bearing.

    The bearing of a passage is the mean of two shares of the question's idf-weighted terms: what its best run of one
    or two sentences holds, and what the whole of it holds, headings included. With an embedder, the mean of that and
    of the cosine of the question to the best run. (The quantity: Es et al. 2023, RAGAS, arXiv:2309.15217, who count
    the sentences that a model picks out as needed; by passage, as Saad-Falcon et al. 2023, ARES, arXiv:2311.09476.)
    """
    terms = content_terms(example.question)
    if not searched(answer) or not terms:
        return None
    if not answer.hits:
        return 0.0
    ground = ground_of(passages_of(answer))
    weights = {term: ground.weight(term) for term in terms}
    bearings, best = [], []
    for passage in ground.passages:
        near, text = max(((share(weights, *run.words), run.text) for run in passage.runs), default=(0.0, ""))
        bearings.append((near + share(weights, passage.around)) / 2)
        best.append(text)
    if embedder is not None:
        alike = cosines(example.question, best, embedder)
        bearings = [(bearing + cosine) / 2 for bearing, cosine in zip(bearings, alike, strict=True)]
    return sum(bearings) / len(bearings)


def context_precision(example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None:
    """Return whether useful passages stand before useless ones: the average precision of their order.

    Σ_k (precision@k · v_k) / Σ_k v_k, where v_k is 1 if the passage at rank k is useful; 0 if none is. Useful is
    one that holds gold evidence; where none is known, one that supports a known answer; where neither is, one that
    supports a claim of the answer given. (RAGAS, Es et al. 2023, arXiv:2309.15217, and its documentation.)
    """
    if not answer.hits or example.unanswerable:
        return None
    return average_precision(_useful(example, answer, embedder))


def average_precision(useful: Sequence[bool]) -> float:
    """Return Σ_k (precision@k · v_k) / Σ_k v_k of a ranking's verdicts; 0 where none is useful."""
    found = 0
    total = 0.0
    for rank, one in enumerate(useful, start=1):
        if one:
            found += 1
            total += found / rank
    return total / found if found else 0.0


def _useful(example: Example, answer: Answer, embedder: Embedder | None) -> list[bool]:
    if example.evidence:
        return [bool(places) for places in relevant(answer.hits, example.evidence)]
    known = example.answers or tuple(one for part in example.parts for one in part) or claims(answer.text)
    return [
        any(_supported(claim, example.question, [passage], embedder) for claim in known)
        for passage in passages_of(answer)
    ]


def context_recall(example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None:
    """Return the share of what a right answer needs that the passages hold.

    With gold evidence: the share of its sentences. Without, of a known answer: the share of its claims, that of the
    alternative that is held best; with parts, the mean of theirs. (RAGAS, Es et al. 2023, arXiv:2309.15217:
    sentences of the reference that can be attributed to the context.)
    """
    if not searched(answer) or example.unanswerable:
        return None
    passages = passages_of(answer)
    needed = [
        gold.text[start:end]
        for gold in example.evidence
        if gold.text.strip()
        for start, end in sentence_spans(gold.text)
    ]
    if needed:
        held = [
            any(sentence in passage[0] for passage in passages) or _supported(sentence, "", passages, embedder)
            for sentence in needed
        ]
        return sum(held) / len(held)
    groups = example.parts or ((example.answers,) if example.answers else ())
    shares = [max(_held(one, example.question, passages, embedder) for one in group) for group in groups if group]
    return sum(shares) / len(shares) if shares else None


def _held(text: str, question: str, passages: Sequence[tuple[str, ...]], embedder: Embedder | None) -> float:
    found = align_all(text, question, passages, embedder)
    return sum(one.score >= SUPPORTED for one in found) / len(found) if found else 0.0


def _supported(claim: str, question: str, passages: Sequence[tuple[str, ...]], embedder: Embedder | None) -> bool:
    return align(claim, question, passages, embedder).score >= SUPPORTED
