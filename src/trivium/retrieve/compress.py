"""Narrow passages to the sentences that bear on the question, for models that read slowly or lose their way.

Extractive compression after Xu, Shi and Choi 2023, "RECOMP: improving retrieval-augmented LMs with compression and
selective augmentation" (arXiv:2310.04408), without their trained selector: a sentence is scored by the telling
words it shares with the question, by its embedding, and by whether it holds the kind of thing asked for. Every
result is a hit whose chunk is an exact span of its document.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from trivium.models.base import Embedder
from trivium.text.content import content_terms
from trivium.text.kinds import kind_asked
from trivium.text.sentences import sentence_spans
from trivium.text.tokens import analyse
from trivium.types import Hit, Span

_WORDS, _MEANING, _KIND = 1.0, 1.0, 0.15


def best_sentences(question: str, hits: Sequence[Hit], *, embedder: Embedder | None = None) -> list[Hit]:
    """Return every sentence of the hits as a hit of its own, the one most likely to answer the question first.

    The score is the sum of the share of the question's telling words that the sentence holds (half as much for
    its neighbours and headings), of the cosine to the question where an embedder is given, and of a bonus where it
    holds the kind of thing asked for; `scores` keeps each as "words", "meaning" and "kind".

    Args:
        question: plain text.
        hits: passages.
        embedder: one that can read the question's language; None leaves meaning out.
    """
    places = [(hit, span) for hit in hits for span in sentence_spans(hit.chunk.text)]
    if not places:
        return []
    texts = [hit.chunk.text[start:end] for hit, (start, end) in places]
    words = _word_scores(question, places, texts)
    meaning = np.zeros(len(texts)) if embedder is None else embedder.embed(texts) @ embedder.embed_query(question)
    kind = kind_asked(question)
    found = []
    for place, (hit, span) in enumerate(places):
        held = float(kind is not None and kind.in_sentence.search(texts[place]) is not None)
        scores = {"words": words[place], "meaning": float(meaning[place]), "kind": held}
        score = _WORDS * scores["words"] + _MEANING * scores["meaning"] + _KIND * held
        found.append(replace(narrowed(hit, span), score=score, scores={**hit.scores, **scores}))
    return sorted(found, key=lambda hit: -hit.score)


def _word_scores(question: str, places: Sequence[tuple[Hit, Span]], texts: Sequence[str]) -> list[float]:
    """Return for each sentence the weighted share of the question's terms that it and its surroundings hold."""
    asked = content_terms(question)
    held = [frozenset(analyse(text)) for text in texts]
    frequency = Counter(term for terms in held for term in terms)
    weight = {term: math.log(1 + (len(texts) + 1) / (frequency[term] + 0.5)) for term in asked}
    total = sum(weight.values()) or 1.0
    headings = {id(hit): frozenset(analyse("\n".join(hit.chunk.headings))) for hit, _ in places}
    shares = []
    for place, (hit, _) in enumerate(places):
        near = headings[id(hit)]
        for other in (place - 1, place + 1):
            if 0 <= other < len(places) and places[other][0] is hit:
                near |= held[other]
        own = sum(weight[term] for term in asked if term in held[place])
        around = sum(weight[term] for term in asked if term not in held[place] and term in near)
        shares.append((own + 0.5 * around) / total)
    return shares


def narrowed(hit: Hit, span: Span) -> Hit:
    """Return the hit with its chunk cut to `span`, offsets into the chunk's text."""
    chunk, (start, end) = hit.chunk, span
    return replace(
        hit, chunk=replace(chunk, text=chunk.text[start:end], start=chunk.start + start, end=chunk.start + end)
    )


def compress(
    question: str,
    hits: Sequence[Hit],
    *,
    budget: int,
    count: Callable[[str], int],
    embedder: Embedder | None = None,
    sentences: Sequence[Hit] | None = None,
) -> list[Hit]:
    """Return passages cut to runs of sentences around the best ones, so that all together fit a budget of tokens.

    Sentences enter from the best down, each with its neighbours as long as there is room; runs of one passage
    that touch are one. The order is that of the best sentence of each run.

    Args:
        question: plain text.
        hits: passages, best first.
        budget: tokens in all.
        count: counts the tokens of a text.
        embedder: as for `best_sentences`.
        sentences: the result of `best_sentences` where it is at hand.
    """
    spans = {id(hit): sentence_spans(hit.chunk.text) for hit in hits}
    place = {
        (hit.chunk.id, hit.chunk.start + start): (hit, number)
        for hit in hits
        for number, (start, _) in enumerate(spans[id(hit)])
    }
    ranked = best_sentences(question, hits, embedder=embedder) if sentences is None else sentences
    chosen: dict[int, set[int]] = {id(hit): set() for hit in hits}
    order: list[tuple[Hit, int]] = []
    left = budget
    for sentence in ranked:
        hit, number = place[sentence.chunk.id, sentence.chunk.start]
        for wanted in (number, number - 1, number + 1):
            if not 0 <= wanted < len(spans[id(hit)]) or wanted in chosen[id(hit)]:
                continue
            start, end = spans[id(hit)][wanted]
            cost = count(hit.chunk.text[start:end]) + 1
            if cost > left:
                continue
            left -= cost
            chosen[id(hit)].add(wanted)
            order.append((hit, wanted))
    return _runs(order, chosen, spans)


def _runs(order: Sequence[tuple[Hit, int]], chosen: dict[int, set[int]], spans: dict[int, list[Span]]) -> list[Hit]:
    """Join chosen sentences that touch, in the order in which the first of each run was chosen."""
    runs: list[Hit] = []
    done: set[tuple[int, int]] = set()
    for hit, number in order:
        key = id(hit)
        if (key, number) in done:
            continue
        first = last = number
        while first - 1 in chosen[key]:
            first -= 1
        while last + 1 in chosen[key]:
            last += 1
        done.update((key, member) for member in range(first, last + 1))
        runs.append(narrowed(hit, (spans[key][first][0], spans[key][last][1])))
    return runs
