"""Add to a question the telling words of the passages that it finds first: expansion without a model.

The relevance model RM3: Lavrenko and Croft 2001, "Relevance-based language models"; Abdul-Jaleel et al. 2004, "UMass
at TREC 2004: Novelty and HARD", who mix it with the question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from trivium.errors import UsageError
from trivium.text.content import content_terms
from trivium.text.tokens import analyse, analyse_question
from trivium.types import Hit


def rm3(question: str, hits: Sequence[Hit], *, terms: int = 10, own: float = 0.5) -> dict[str, float]:
    """Return tokens to search for with their weights, which sum to 1.

    Each passage gives its content words by their share of it, as much as its share of the scores; the `terms` best
    are mixed with the question's own tokens.

    Args:
        question: plain text.
        hits: of a lexical search for it; their `score` is the BM25 score.
        terms: how many words of the passages to take.
        own: the weight of the question's tokens together, 0 to 1; without a hit they have all of it.

    Raises:
        UsageError: `own` is outside 0 to 1.
    """
    if not 0.0 <= own <= 1.0:
        raise UsageError(f"The question's own weight is {own}.", "Give a number from 0 to 1.")
    asked = list(dict.fromkeys(analyse_question(question)))
    found = _relevance_model(hits)
    best = dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:terms])
    total = sum(best.values())
    if not total:
        return dict.fromkeys(asked, 1.0 / max(len(asked), 1))
    share = own if asked else 0.0
    weights = dict.fromkeys(asked, share / max(len(asked), 1))
    for term, weight in best.items():
        weights[term] = weights.get(term, 0.0) + (1.0 - share) * weight / total
    return {term: weight for term, weight in weights.items() if weight > 0.0}


def _relevance_model(hits: Sequence[Hit]) -> dict[str, float]:
    """Return P(word | relevant) over the content words of the hits: P(word | passage), by the passages' scores."""
    scores = [max(hit.score, 0.0) for hit in hits]
    total = sum(scores) or 1.0
    model: dict[str, float] = {}
    for hit, score in zip(hits, scores, strict=True):
        content = frozenset(content_terms(hit.chunk.text))
        counts = Counter(token for token in analyse(hit.chunk.text) if token in content)
        length = sum(counts.values())
        for token, count in counts.items():
            model[token] = model.get(token, 0.0) + score / total * count / length
    return model
