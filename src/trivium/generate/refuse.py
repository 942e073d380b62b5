"""Refuse to answer where the evidence is weak, before the model speaks and after.

Before: a few features of what was found are weighed by a logistic regression into the probability that the
documents answer the question; below the threshold the answer is a refusal and the model is not asked. The weights
and thresholds are in `data/refusal.json`; `benchmarks/refusal.py` chose them on real answerable and unanswerable
questions, and `docs/refusal.md` shows the curve. After: the model's own "the documents do not say" is recognised.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
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


def says_nothing(text: str) -> bool:
    """Whether a model's answer is itself a refusal: it is empty, or its first sentence (after "Sorry.") says so.

    "I don't know" must be what the sentence says, and not what it tells of: behind "he said", in quotation marks or in
    a title it is an answer. So is a guess after it: "I don't know, but I think it was 1912".
    """
    said = refusal_table()["said"]
    plain = text.translate(_PLAIN).strip(_AROUND)
    if not plain or text.strip() in refusal_table()["texts"].values() or plain.strip(_ENDS).casefold() in said["whole"]:
        return True
    sentence, following = _first_sentences(plain)
    if _pattern("hedged").search(f"{sentence} {following}"):
        return False
    if any(not _told_of(sentence[: found.start()]) for found in _pattern("phrases").finditer(sentence)):
        return True
    return any(
        _leads().fullmatch(sentence, 0, found.start())
        and not _told_of(sentence[: found.start()])
        and not _is_title(found[0])
        for found in _pattern("own").finditer(sentence)
    )


_PLAIN = str.maketrans({"’": "'", "*": None, "`": None, "\xa0": " "})
_AROUND = ' \t\r\n"“”'
_ENDS = " .!?。！？…"
_OPENING, _CLOSING = "“「『《", "”」』》"


@cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in refusal_table()["said"][name]), re.IGNORECASE)


@cache
def _leads() -> re.Pattern[str]:
    """What may stand before "I don't know" in a sentence that says no more than it."""
    # Atomic and possessive: what was read is not read again in another way, however long the text.
    return re.compile(rf"(?>\s*+(?:{_pattern('leads').pattern})[\s,，:：;；、–-]*+)*+\s*+", re.IGNORECASE)


def _first_sentences(text: str) -> tuple[str, str]:
    """Return the first sentence that is more than "Sorry.", and the one after it."""
    sentences = [text[start:end].strip() for start, end in sentence_spans(text)]
    while len(sentences) > 1 and _pattern("openers").fullmatch(sentences[0]):
        del sentences[0]
    first, second, *_ = (*sentences, "", "")
    return first, second


def _told_of(before: str) -> bool:
    """Whether what follows is told of: in quotation marks, or what somebody said, sang or believed."""
    quoted = before.count('"') % 2 or any(
        before.count(one) > before.count(other) for one, other in zip(_OPENING, _CLOSING, strict=True)
    )
    return bool(quoted) or _pattern("reported").search(before) is not None


def _is_title(words: str) -> bool:
    """Whether words are written as a title: "I Don't Know" is a song."""
    rest = words.split()[1:]
    return bool(rest) and not words.isupper() and all(word[0].isupper() for word in rest)
