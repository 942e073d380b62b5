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
from trivium.types import Hit

_TOP = 5


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


def features(question: str, evidence: Evidence, best: Hit | None) -> dict[str, float]:
    """Return what speaks for an answer, each about 0 to 1.

    - `cosine`: of the nearest passage to the question (0 where only words were searched);
    - `sentence`: the same of the nearest single sentence;
    - `words`: the weighted share of the question's telling words that the best sentence and its surroundings hold;
    - `passage`: that share for the best passage with its headings;
    - `rarest`: whether the most telling word of the question is in the best passages at all;
    - `kind`: whether the best sentence holds the kind of thing asked for (a number, a time, a name);
    - `agreement`: the share of the first five hits that both arms found.

    Args:
        question: plain text.
        evidence: the retrieved passages, best first.
        best: the best sentence, with the scores of `trivium.retrieve.sentences.best_sentences`.
    """
    hits = evidence.hits[:_TOP]
    weights = evidence.weights(content_terms(question))
    held = [evidence.context(hit) for hit in hits]
    rarest = max(weights, key=lambda term: weights[term], default="")
    scores = best.scores if best is not None else {}
    return {
        "cosine": max((hit.scores.get("dense", 0.0) for hit in evidence.hits), default=0.0),
        "sentence": scores.get("meaning", 0.0),
        "words": scores.get("words", 0.0),
        "passage": max((share(weights, words) for words in held), default=0.0),
        "rarest": float(any(rarest in words for words in held)),
        "kind": scores.get("kind", 0.0),
        "agreement": sum(len(hit.found_by) > 1 for hit in hits) / _TOP,
    }


def judge(question: str, evidence: Evidence, best: Hit | None) -> Verdict:
    """Weigh the features; nothing found has probability 0."""
    found = features(question, evidence, best)
    model = refusal_table()["weights"]["both" if found["cosine"] else "words"]
    if not evidence.hits:
        return Verdict(0.0, model["threshold"], found)
    return Verdict(logistic(found, model), model["threshold"], found)


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
