"""What a made question must pass before it is kept. Each check gives "" or the reason it failed, a short phrase that
reports count by.

The round trip is that of Promptagator (Dai et al. 2022, arXiv:2209.11755): the knowledge base's own search must find
the passage that the question was made from. Reading is that of Alberti et al. 2019 (arXiv:1906.05416): a model that
reads the evidence must come to the answer that the question was made for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from trivium.tasks.leak import same
from trivium.tasks.synthesis.corpus import Sentence
from trivium.text.content import Words, content_terms
from trivium.text.facts import numbers
from trivium.text.kinds import kind_asked
from trivium.text.normalise import normalise
from trivium.text.tokens import analyse
from trivium.types import Hit

Search = Callable[[str, int], Sequence[Hit]]
"""Gives the best hits for a question: `(question, how many)`."""

GAP = "____"
_OPEN = re.compile(
    r"\b(?:the|this|that) (?:passage|text|sentence|article|paragraph|excerpt|statement|fact|document|gap|blank)s?\b|"
    r"\bfact [12]\b|\baccording to the (?:above|following)\b|(?:本文|上文|这段|该段|文中|句中|原文|短文)|_{2,}",
    re.IGNORECASE,
)
_SECOND = re.compile(r",? and (?:what|who|when|where|why|how|which) ", re.IGNORECASE)
_GROUNDED = 0.6
"""The least share of a question's words of content that stand in its evidence, or over it as title and heading."""


def form(question: str) -> str:
    """Whether it is one question that can be asked without the passage at hand."""
    if question[-1:] not in "?？" or not 8 <= len(question) <= 300 or question.count("?") + question.count("？") > 1:
        return "not one question"
    if _OPEN.search(question):
        return "points at the passage"
    if _SECOND.search(question):
        return "not one question"
    return "" if len(content_terms(question)) >= 2 else "asks for too little"


def answer(question: str, wanted: str, evidence: Sequence[Sentence]) -> str:
    """Whether the answer stands in the evidence, is not given away, and is of the kind that is asked for."""
    if not wanted.strip() or not any(holds(one.plain, wanted) or holds(one.text, wanted) for one in evidence):
        return "answer not in the evidence"
    if any(2 * len(wanted) > len(one.plain) for one in evidence):
        return "answers with the whole sentence"
    if holds(question, wanted) or set(content_terms(wanted)) <= set(content_terms(question)):
        return "gives the answer away"
    kind = kind_asked(question)
    return "" if kind is None or kind.alone.search(wanted) else "asks for another kind of thing"


def holds(text: str, phrase: str) -> bool:
    """Whether the phrase stands in the text, whole words, whatever the case, width and spaces."""
    pattern = r"\s*".join(re.escape(part) for part in normalise(phrase).split())
    edge = r"(?<![^\W\u3040-\u9fff])", r"(?![^\W\u3040-\u9fff])"
    return bool(pattern) and re.search(edge[0] + pattern + edge[1], " ".join(normalise(text).split())) is not None


def grounded(question: str, evidence: Sequence[Sentence]) -> str:
    """Whether its words and numbers come from the evidence: a small model tends to make up others."""
    about = [one.about for one in evidence]
    if numbers(question) - numbers("\n".join(about)):
        return "names something else"
    words = Words(*about)
    terms = content_terms(question)
    return "" if sum(term in words for term in terms) >= _GROUNDED * len(terms) else "words not in the evidence"


def round_trip(question: str, evidence: Sequence[Sentence], search: Search, k: int) -> str:
    """Whether the search finds every piece of the evidence among its k best hits."""
    hits = search(question, k)
    return "" if all(any(_held(one, hit) for hit in hits) for one in evidence) else "source not found"


def _held(sentence: Sentence, hit: Hit) -> bool:
    """Whether a hit holds at least half of a sentence."""
    chunk = hit.chunk
    shared = min(chunk.end, sentence.end) - max(chunk.start, sentence.start)
    return chunk.source == sentence.source and 2 * shared >= sentence.end - sentence.start


def agrees(said: str, wanted: str) -> bool:
    """Whether two answers are the same by half of their tokens (F1, as SQuAD counts it)."""
    a, b = analyse(said), analyse(wanted)
    if not a or not b:
        return same(said) == same(wanted)
    shared = sum(min(a.count(token), b.count(token)) for token in set(a))
    return 2 * shared >= 0.5 * (len(a) + len(b))


def unsupported(question: str, changed: str, search: Search, k: int, about: Sentence) -> str:
    """Whether a question with `changed` put into it is about the passage and yet not answered by what is found.

    A passage may answer it that holds `changed` and half of the question's other words.
    """
    hits = search(question, k)
    if not any(_held(about, hit) for hit in hits):
        return "source not found"
    others = set(content_terms(question)) - set(content_terms(changed))
    for hit in hits:
        words = Words(hit.chunk.text)
        if holds(hit.chunk.text, changed) and 2 * sum(term in words for term in others) >= len(others):
            return "may be answered"
    return ""
