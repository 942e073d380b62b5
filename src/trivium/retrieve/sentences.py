"""The single sentences of passages, by how likely each answers the question.

A small model is shown one of them instead of whole passages, and where it fails the sentence itself is the answer;
the judgement whether the documents answer at all looks at them too. Every result is a hit whose chunk is an exact
span of its document.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trivium.models.base import Embedder
from trivium.text.clip import clip
from trivium.text.content import Words, content_terms, share
from trivium.text.kinds import kind_asked
from trivium.text.sentences import sentence_spans
from trivium.types import Hit, Span

_HEADING = re.compile(r"#{1,6}\s")
_FURNITURE = re.compile(r"(?:```|~~~)\S*|[\W_]*")
_WORDS, _MEANING, _KIND, _RANK = 1.0, 1.0, 0.2, 0.3
"""Weights of the parts of a score. With them the best sentence of the first five passages holds the answer for 72% of
250 SQuAD questions of the development half, 79% of XQuAD en, and, without an embedder, 78% of XQuAD zh and 73% of
CMRC 2018; other weights near them change this by less than a point.
"""
_AROUND = 0.5
"""What a word in a neighbouring sentence or in the heading counts, beside one in the sentence."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    hit: Hit
    span: Span
    text: str
    words: Words
    heading: bool
    near: tuple[Words, ...] = ()


def best_sentences(question: str, hits: Sequence[Hit], *, embedder: Embedder | None = None) -> list[Hit]:
    """Return the sentences of the hits, each as a hit of its own, the one most likely to answer first.

    The score adds up the share of the question's telling words that the sentence holds (half as much for its
    neighbours and headings), its cosine to the question where an embedder is given, whether it holds the kind of
    thing asked for, and the rank of its passage; `scores` keeps the first three as "words", "meaning" and "kind".
    Headings and marks alone are no sentences.

    Args:
        question: plain text.
        hits: passages, best first.
        embedder: one that can read the question; None leaves meaning out.
    """
    sentences = _sentences(hits)
    if not sentences:
        return []
    shared = _word_scores(question, sentences)
    meaning = np.zeros(len(sentences), dtype=np.float32)
    if embedder is not None:
        texts = [clip(sentence.text, embedder.token_spans, embedder.max_tokens) for sentence in sentences]
        vectors = embedder.embed(texts)  # (n, d)
        meaning = vectors @ embedder.embed_query(question)  # (n,)
    kind = kind_asked(question)
    rank = {id(hit): place for place, hit in enumerate(hits)}
    found = []
    for sentence, words, cosine in zip(sentences, shared, meaning, strict=True):
        held = float(kind is not None and kind.in_sentence.search(sentence.text) is not None)
        first = 1.0 - rank[id(sentence.hit)] / len(hits)
        score = _WORDS * words + _MEANING * float(cosine) + _KIND * held + _RANK * first
        scores = {**sentence.hit.scores, "words": words, "meaning": float(cosine), "kind": held}
        found.append(replace(narrowed(sentence.hit, sentence.span), score=score, scores=scores))
    return sorted(found, key=lambda hit: -hit.score)


def narrowed(hit: Hit, span: Span) -> Hit:
    """Return the hit with its chunk cut to `span`, offsets into the chunk's text."""
    chunk, (start, end) = hit.chunk, span
    return replace(
        hit, chunk=replace(chunk, text=chunk.text[start:end], start=chunk.start + start, end=chunk.start + end)
    )


def _sentences(hits: Sequence[Hit]) -> list[_Sentence]:
    """Return the sentences that can answer, each knowing the words of its neighbours and of its headings."""
    found = []
    for hit in hits:
        heading = Words(*hit.chunk.headings)
        own = [_sentence(hit, span) for span in sentence_spans(hit.chunk.text)]
        for place, sentence in enumerate(own):
            if sentence.heading:
                heading = sentence.words
            elif not _FURNITURE.fullmatch(sentence.text):
                beside = own[max(place - 1, 0) : place] + own[place + 1 : place + 2]
                found.append(replace(sentence, near=(heading, *(other.words for other in beside))))
    return found


def _sentence(hit: Hit, span: Span) -> _Sentence:
    text = hit.chunk.text[span[0] : span[1]]
    return _Sentence(hit, span, text, Words(text), _HEADING.match(text) is not None)


def _word_scores(question: str, sentences: Sequence[_Sentence]) -> list[float]:
    """Return for each sentence the weighted share of the question's terms that it and its surroundings hold."""
    asked = content_terms(question)
    frequency = {term: sum(term in one.words for one in sentences) for term in asked}
    weights = {term: math.log(1 + (len(sentences) + 1) / (frequency[term] + 0.5)) for term in asked}
    return [
        (1 - _AROUND) * share(weights, one.words) + _AROUND * share(weights, one.words, *one.near) for one in sentences
    ]
