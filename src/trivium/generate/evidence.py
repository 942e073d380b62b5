"""The passages as evidence: their sentences, each with its place in its document and the words it holds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from trivium.text.content import Words
from trivium.text.facts import numbers
from trivium.text.sentences import sentence_spans
from trivium.types import Hit


@dataclass(frozen=True)
class Quotable:
    """A run of sentences of one passage. `start` and `end` are offsets into the document."""

    hit: Hit
    start: int
    end: int

    @property
    def text(self) -> str:
        """The exact text of the run."""
        offset = self.hit.chunk.start
        return self.hit.chunk.text[self.start - offset : self.end - offset]

    @cached_property
    def words(self) -> Words:
        """What the run holds."""
        return Words(self.text)

    @cached_property
    def numbers(self) -> frozenset[str]:
        """The numbers of the run, in one form."""
        return numbers(self.text)


class Evidence:
    """The sentences of some passages, and how telling each word is among them.

    Args:
        hits: the passages, in the order in which the model sees them.
        longest: how many neighbouring sentences may be quoted as one.
    """

    def __init__(self, hits: Sequence[Hit], *, longest: int = 2) -> None:
        self.hits = tuple(hits)
        self.sentences: list[Quotable] = []
        self.runs: list[Quotable] = []
        self._weight: dict[str, float] = {}
        self._context: dict[str, Words] = {}
        for hit in hits:
            own = [
                Quotable(hit, hit.chunk.start + start, hit.chunk.start + end)
                for start, end in sentence_spans(hit.chunk.text)
            ]
            self.sentences += own
            self.runs += [
                Quotable(hit, own[first].start, own[first + size - 1].end)
                for size in range(1, longest + 1)
                for first in range(len(own) - size + 1)
            ]

    def weight(self, term: str) -> float:
        """Return how telling a term is: its inverse sentence frequency; the most for a term that is in none."""
        if term not in self._weight:
            frequency = sum(term in sentence.words for sentence in self.sentences)
            self._weight[term] = math.log(1.0 + (len(self.sentences) + 1.0) / (frequency + 0.5))
        return self._weight[term]

    def weights(self, terms: Iterable[str]) -> dict[str, float]:
        """Return `weight` of each term."""
        return {term: self.weight(term) for term in terms}

    def context(self, hit: Hit) -> Words:
        """Return the words of a passage, of its headings and of its source's name: what a sentence may refer to."""
        if hit.chunk.id not in self._context:
            self._context[hit.chunk.id] = Words(hit.chunk.text, *hit.chunk.headings, hit.chunk.source)
        return self._context[hit.chunk.id]
