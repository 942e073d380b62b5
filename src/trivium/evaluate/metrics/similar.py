"""Metrics of meaning, with a local model: cosine, soft F1, perplexity.

They need an embedder that can read the text: where more than a fifth of the words are unknown to its vocabulary,
they do not apply, and give None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from trivium.evaluate.metrics.normal import loose
from trivium.models.base import Embedder, Vectors
from trivium.text.clip import clip
from trivium.types import Message, TokenLogprob

UNKNOWN = 0.2
"""The largest share of unknown words at which an embedder is asked."""
MOST_WORDS = 512
"""Words that soft F1 reads of a text."""


class Scores(Protocol):
    """A chat model that can tell how likely a given text is."""

    def score(self, text: str, *, messages: Sequence[Message] = ()) -> tuple[TokenLogprob, ...]:
        """Return the natural-log probability of each token of `text` as the answer to `messages`."""
        ...


def cosine(text: str, answers: Sequence[str], embedder: Embedder) -> float | None:
    """Return the cosine of the text's vector and the nearest answer's, 0 to 1 (below 0 counts as 0).

    Semantic answer similarity by a bi-encoder (Risch et al. 2021, arXiv:2108.06130). Longer texts than the embedder
    reads are cut. None: it cannot read the text, or there is no answer; 0: the text is empty.
    """
    if not answers or not _readable((text, *answers), embedder):
        return None
    if not text.strip():
        return 0.0
    vectors = embedder.embed([clip(each, embedder.token_spans, embedder.max_tokens) for each in (text, *answers)])
    return _unit(float((vectors[1:] @ vectors[0]).max()))


def soft_f1(text: str, answers: Sequence[str], embedder: Embedder) -> float | None:
    """Return F1 = 2PR / (P + R) of words matched by meaning, against the best answer, 0 to 1.

    P is the mean over the text's words of the cosine to the nearest word of the answer, R the mean over the answer's
    words: the greedy matching of BERTScore (Zhang et al. 2019, arXiv:1904.09675), but on vectors of words by
    themselves, since an embedder gives no vector for a word in its sentence. Words are those of
    `metrics.normal.loose`, the first 512. None as in `cosine`.
    """
    if not answers or not _readable((text, *answers), embedder):
        return None
    lists = [loose(each).split()[:MOST_WORDS] for each in (text, *answers)]
    words = list(dict.fromkeys(word for each in lists for word in each))
    if not lists[0] or not words:
        return 0.0
    place = {word: number for number, word in enumerate(words)}
    vectors = embedder.embed(words)
    said, *known = [vectors[[place[word] for word in each]] for each in lists]
    return max(_matched(said, gold) for gold in known)


def perplexity(logprobs: Sequence[TokenLogprob]) -> float | None:
    """Return exp(-mean of ln p) of the tokens, 1 or more; None without tokens.

    Jelinek et al. 1977, "Perplexity: a measure of the difficulty of speech recognition tasks".
    """
    if not logprobs:
        return None
    return math.exp(min(-sum(token.logprob for token in logprobs) / len(logprobs), 700.0))


def answer_perplexity(question: str, text: str, model: Scores) -> float | None:
    """Return the perplexity of `text` as the model's answer to the question alone; None for an empty text.

    Raises:
        ContextOverflow: the two do not fit the model's context.
        ModelError: the model failed.
    """
    return perplexity(model.score(text, messages=[Message("user", question)])) if text.strip() else None


def _readable(texts: Sequence[str], embedder: Embedder) -> bool:
    return all(embedder.unknown_rate(text) <= UNKNOWN for text in texts if text.strip())


def _matched(said: Vectors, known: Vectors) -> float:
    if not len(said) or not len(known):
        return 0.0
    cosines = np.clip(said @ known.T, 0.0, 1.0)  # (words of the text, words of the answer)
    precision, recall = float(cosines.max(axis=1).mean()), float(cosines.max(axis=0).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _unit(value: float) -> float:
    return max(0.0, min(1.0, value))
