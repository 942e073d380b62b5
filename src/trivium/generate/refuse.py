"""Refuse to answer where the evidence is weak, before the model speaks and after.

Before: a few features of what was found are weighed by a logistic regression into the probability that the
documents answer the question; below the threshold the answer is a refusal and the model is not asked. The weights
and thresholds are in `data/refusal.json`; `benchmarks/refusal.py` chose them on real answerable and unanswerable
questions, and `docs/refusal.md` shows the curve. After: the model's own "the documents do not say" is recognised.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from trivium.generate.evidence import Evidence
from trivium.generate.language import refusal_table
from trivium.text.content import content_terms, share
from trivium.text.sentences import sentence_spans
from trivium.text.tokens import analyse_question
from trivium.types import Hit

_FIRST = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the documents seem to answer: `probability`, the `threshold` it must reach, and what it rests on."""

    probability: float
    threshold: float
    features: Mapping[str, float]

    @property
    def enough(self) -> bool:
        """Whether to answer."""
        return self.probability >= self.threshold


def features(question: str, evidence: Evidence, best: Hit | None, chunks: int) -> dict[str, float]:
    """Return what speaks for an answer, each about 0 to 1.

    - `cosine`: of the nearest passage to the question (0 where only words were searched);
    - `sentence`: the same of the best single sentence;
    - `words`: the weighted share of the question's telling words that the best sentence holds, its surroundings half;
    - `passage`: that share for the best of the first passages, with its headings;
    - `bm25`: the best BM25 score for each token of the question, as a share of what a token can bring that stands in
      one chunk alone.

    Args:
        question: plain text.
        evidence: the retrieved passages, best first.
        best: the best sentence, with the scores of `trivium.retrieve.sentences.best_sentences`.
        chunks: how many the knowledge base has.
    """
    weights = evidence.weights(content_terms(question))
    scores = best.scores if best is not None else {}
    tokens = len(dict.fromkeys(analyse_question(question)))
    bm25 = max((hit.scores.get("lexical", 0.0) for hit in evidence.hits), default=0.0)
    return {
        "cosine": max((hit.scores.get("dense", 0.0) for hit in evidence.hits), default=0.0),
        "sentence": scores.get("meaning", 0.0),
        "words": scores.get("words", 0.0),
        "passage": max((share(weights, evidence.context(hit)) for hit in evidence.hits[:_FIRST]), default=0.0),
        "bm25": bm25 / max(tokens, 1) / math.log(2 + chunks),
    }


def judge(question: str, evidence: Evidence, best: Hit | None, chunks: int) -> Verdict:
    """Weigh the features (see there for the arguments); nothing found has probability 0."""
    found = features(question, evidence, best, chunks)
    model = refusal_table()["weights"]["both" if found["cosine"] else "words"]
    probability = logistic(found, model) if evidence.hits else 0.0
    return Verdict(probability, model["threshold"], found)


def logistic(values: Mapping[str, float], model: Mapping[str, float]) -> float:
    """Return 1 / (1 + exp(-(bias + sum of weight * value)))."""
    total = model["bias"] + sum(model.get(name, 0.0) * value for name, value in values.items())
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, total))))


@cache
def _phrases() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{phrase})" for phrase in refusal_table()["phrases"]), re.IGNORECASE)


def says_nothing(text: str) -> bool:
    """Whether a model's answer is itself a refusal: it is empty, or its first sentence says so."""
    spans: Sequence[tuple[int, int]] = sentence_spans(text)
    if not spans:
        return True
    start, end = spans[0]
    return text.strip() in refusal_table()["texts"].values() or _phrases().search(text[start:end]) is not None
