"""Search a knowledge base with its two arms, vectors and words, and join what they found.

The dense arm finds paraphrases, the lexical arm names, numbers and rare words; together they beat either (Bruch et
al. 2022). Access and filters are applied by the index inside each arm: nothing is fetched first and filtered after.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from trivium.errors import Overtaken, UnknownName, UsageError
from trivium.index.rows import BareChunk
from trivium.models.base import Vectors
from trivium.retrieve.diversify import mmr
from trivium.retrieve.fuse import reciprocal_rank_fusion, weighted_score_fusion
from trivium.retrieve.threshold import at_least
from trivium.types import Hit

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

FUSIONS: Mapping[str, Callable[..., list[Hit]]] = {
    "rrf": reciprocal_rank_fusion,
    "weighted": weighted_score_fusion,
}
MODES = ("hybrid", "dense", "lexical")

QUESTION_LIMIT = 4000
"""Characters of a question that are searched with; of a longer one, its beginning and its end."""
UNREADABLE = 0.15
"""The share of unknown words from which the embedder counts as unable to read the question.

With the embedded English model, no question of SQuAD, XQuAD en, Cranfield, HotpotQA or 2Wiki has an unknown word;
of those of XQuAD zh and CMRC 2018 the least has 25%, half have 67%, and of DuReader's the least has 17%.
"""
WEIGHTS: Mapping[str, float] = {"dense": 0.5, "lexical": 0.5}
"""Weights of the score fusion. nDCG@10 on the development halves, dense / lexical / fused: SQuAD 0.784 / 0.847 / 0.888,
XQuAD en 0.950 / 0.974 / 0.989, Cranfield 0.403 / 0.415 / 0.447, HotpotQA 0.784 / 0.813 / 0.840, 2Wiki 0.680 /
0.717 / 0.750; reciprocal rank fusion reaches 0.855, 0.980, 0.446, 0.816 and 0.730.
"""
DEPTH = 30
"""Hits that each arm gives to the fusion, at least: more change nothing."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]+")


def clean_question(question: str) -> str:
    """Return the question on one line, without control characters, and cut to `QUESTION_LIMIT` characters.

    Raises:
        UsageError: nothing is left of it.
    """
    # Unpaired surrogates (bytes that were no text) can be neither searched nor stored.
    text = question.encode("utf-8", "replace").decode("utf-8")
    text = " ".join(_CONTROL.sub(" ", text).split())
    if not text:
        raise UsageError("The question is empty.", 'Ask one in words, for example: "How long is the warranty?"')
    if len(text) > QUESTION_LIMIT:
        half = QUESTION_LIMIT // 2
        text = f"{text[:half].rstrip()} {text[-half + 1 :].lstrip()}"
    return text


def can_read(index: Index, question: str) -> bool:
    """Whether the index's embedder knows the question's words; where not, its vector means nothing."""
    return index.embedder.unknown_rate(question) < UNREADABLE


def search(
    index: Index,
    question: str,
    *,
    k: int = 10,
    mode: str = "hybrid",
    where: str | Where | None = None,
    principals: Sequence[str] | None = None,
    fusion: str = "weighted",
    weights: Mapping[str, float] | None = None,
    least: float | Mapping[str, float] | None = None,
    diversity: float | None = None,
    vector: Vectors | None = None,
    terms: Mapping[str, float] | None = None,
) -> list[Hit]:
    """Return the k best chunks for the question that the asker may read, best first.

    Args:
        index: the knowledge base.
        question: plain text; nothing in it is read as a filter or a query language.
        k: how many.
        mode: "hybrid", "dense" or "lexical". A hybrid search leaves the dense arm out when the embedder does not
            know the question's words (Chinese with an English embedder).
        where: a filter expression or a condition on metadata (see `trivium.index.filters`).
        principals: who asks; None is an unknown asker, who sees what everyone may read.
        fusion: "weighted" or "rrf".
        weights: of the arms "dense" and "lexical".
        least: the least score of a hit, or the least by the name of an arm (see `threshold.at_least`).
        diversity: 0 to 1, how much unlikeness to better hits counts beside relevance (see `diversify.mmr`); None
            leaves the order as it is.
        vector: what the dense arm searches with, shape (dimension,); None is the question's own.
        terms: tokens with their weights that the lexical arm searches for; None is the question's own.

    Raises:
        UsageError: the question is empty, `k` is below 1, or a name is not one of those above.
        FilterError: `where` does not parse.
    """
    if k < 1:
        raise UsageError(f"A search for {k} hits was asked.", "Ask for 1 or more.")
    if mode not in MODES:
        raise UnknownName("search mode", mode, MODES)
    if fusion not in FUSIONS:
        raise UnknownName("fusion", fusion, FUSIONS)
    question = clean_question(question)

    depth = k if diversity is None else max(DEPTH, 2 * k)
    hits = _found(index, question, depth, mode, where, principals, fusion, weights, vector, terms)
    if least is not None:
        hits = at_least(hits, least)
    if diversity is not None:
        vectors = index.vectors([hit.chunk.id for hit in hits])
        hits = mmr(hits, vectors, k=k, balance=1.0 - diversity)
    return hits[:k]


def _found(
    index: Index,
    question: str,
    k: int,
    mode: str,
    where: str | Where | None,
    principals: Sequence[str] | None,
    fusion: str,
    weights: Mapping[str, float] | None,
    vector: Vectors | None,
    terms: Mapping[str, float] | None,
) -> list[Hit]:
    """Return the k best hits of the arms that `mode` names."""
    if mode == "lexical" or (mode == "hybrid" and not can_read(index, question)):
        return index.lexical(question, n=k, where=where, principals=principals, terms=terms)
    if mode == "dense":
        vector = index.embedder.embed_query(question) if vector is None else vector
        return index.dense(vector, n=k, where=where, principals=principals)
    while True:
        index = index.snapshot()  # both arms, and the chunks of what they found, from one commit
        try:
            arms = _both_arms(index, question, max(DEPTH, 2 * k), where, principals, vector, terms)
            return index.whole(FUSIONS[fusion](arms, weights=WEIGHTS if weights is None else weights)[:k])
        except Overtaken:
            continue


def _both_arms(
    index: Index,
    question: str,
    n: int,
    where: str | Where | None,
    principals: Sequence[str] | None,
    vector: Vectors | None,
    terms: Mapping[str, float] | None,
) -> dict[str, list[Hit]]:
    """Return n bare hits of each arm, which run at once: engine and embedder both let go of the interpreter's lock.

    Hits of the lexical arm also get their cosine (their `scores["dense"]`), as score fusion wants it: on 2Wiki it
    raises nDCG@10 from 0.721 to 0.750. Their vectors are fetched beside the dense arm, which takes longer, and so
    cost no time.
    """
    with ThreadPoolExecutor(1) as other:
        words = other.submit(index.lexical, question, n=n, where=where, principals=principals, bare=True, terms=terms)
        vector = index.embedder.embed_query(question) if vector is None else vector
        dense = index.dense(vector, n=n, where=where, principals=principals, bare=True)
        lexical = words.result()
    return {"dense": dense, "lexical": [_with_cosine(hit, vector) for hit in lexical]}


def _with_cosine(hit: Hit, question: Vectors) -> Hit:
    if not isinstance(hit.chunk, BareChunk) or hit.chunk.vector is None:
        return hit
    return replace(hit, scores={**hit.scores, "dense": float(hit.chunk.vector @ question)})
