"""Align what an answer claims with the sentences of the passages: how far do they hold it? No model needed.

An answer is parted into claims, one a sentence. Each claim is compared with every run of one or two neighbouring
sentences of one passage, and its score is that of the run that suits it best:

    score = words · numbers · names · denial · topic, from 0 (nothing supports it) to 1 (all of it is there)

- words: the share of the claim's content terms that the run holds. A term weighs log(1 + (N + 1) / (df + ½)), its
  inverse frequency among the N sentences; one that only repeats the question weighs half of that.
- numbers: the share of the claim's numbers that the run holds, however written; half for one that stands only
  elsewhere in the passage.
- names: the share of the claim's names that the run, or the passage around it, holds.
- denial: 0 where a clause denies what its most similar clause of the run affirms, or the other way round; else 1.
- topic: an answer of a few words says nothing by itself, so its passage must speak of what was asked: the share of
  the question's terms that the run and its passage hold, put between ½ and 1. A long claim has 1.

A claim that says several things is also scored part by part, since different passages may hold them. Its score is the
mean of that of its least part and of the better of the two: that of the whole, that of its least part.

With an embedder, a run of nearly the same meaning may stand for its words; numbers, names and denials must agree all
the same.

The rule stands where TRUE (Honovich et al. 2022, arXiv:2204.04991) puts a model of entailment; `judged.py` puts a
chat model there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trivium.evaluate.metrics.normal import HAN
from trivium.models.base import Embedder
from trivium.text.clip import clip
from trivium.text.content import Words, content_terms, share, talk_terms
from trivium.text.facts import clauses, names, negated, numbers, opposites, statements, without_number_words
from trivium.text.markers import without_markers
from trivium.text.sentences import sentence_spans
from trivium.text.tokens import analyse
from trivium.types import Answer

SUPPORTED = 0.4
"""A claim of at least this score counts as supported; chosen on development halves by `benchmarks/grounding.py`."""
_REPEATED = 0.5
_ELSEWHERE = 0.5
_SHORT = 6
_LEAST_TOPIC = 0.5
_SAME_CLAUSE = 0.5
_SIMILAR = 0.8
_SIMILAR_WORDS = 0.3
_CANDIDATES = 4
_MOST_PARTS = 4
_BULLET = re.compile(r"^\s*(?:[-*+•·▪◦>]+|#{1,6}|\(?\d{1,3}[.)、])\s+")
_POLAR = re.compile(r"^(yes|no|是的?|对的?|否|不是|不对)\s*(?:[,.!:;，。！：；]+\s*|$)", re.IGNORECASE)
_NO = frozenset({"no", "否", "不是", "不对"})
_HAN = re.compile(f"[{HAN}]")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage, or a run of two, with what it holds."""

    text: str
    words: tuple[Words, ...]
    numbers: frozenset[str]

    def __contains__(self, term: str) -> bool:
        return any(term in words for words in self.words)


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage as it was shown: its sentences, its runs of one or two, and the words of it all, headings included."""

    sentences: tuple[Sentence, ...]
    runs: tuple[Sentence, ...]
    around: Words
    numbers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Alignment:
    """A claim and what supports it best.

    Attributes:
        claim: the words of the answer.
        score: 0 to 1.
        passage: the place of the passage that suits best, -1 where there is none.
        text: the run of it.
        conflict: what disagrees there: "numbers", "names" or "negation"; "" where nothing does.
    """

    claim: str
    score: float
    passage: int = -1
    text: str = ""
    conflict: str = ""


Held = NDArray[np.bool_]
Text = tuple[str, ...]
"""A passage's text, then what names it: its headings and its source."""


def passages_of(answer: Answer) -> tuple[Text, ...]:
    """Return the passages that an answer was made from, as `align` takes them."""
    return tuple((hit.chunk.text, *hit.chunk.headings, hit.chunk.source) for hit in answer.hits)


def searched(answer: Answer) -> bool:
    """Whether the answer was made from a search, be it one that found nothing."""
    return bool(answer.hits) or any("hits" in step.detail for step in answer.trace)


def claims(text: str) -> tuple[str, ...]:
    """Return what a text claims, one a sentence, without citation markers, bullets and talk about the answer."""
    bare = without_markers(text)
    sentences = [_BULLET.sub("", bare[start:end]) for start, end in sentence_spans(bare)]
    spoken = [one for one in sentences if any(character.isalnum() for character in one)]
    return tuple([one for one in spoken if not is_talk(one)] or spoken)


def is_talk(claim: str) -> bool:
    """Whether a claim only talks about the answer: "Here is the answer:"."""
    return talk_terms().issuperset(content_terms(claim))


def align(claim: str, question: str, passages: Sequence[Text], embedder: Embedder | None = None) -> Alignment:
    """Score one claim by the passages.

    Args:
        claim: without citation markers.
        question: that the claim answers; "" where there is none.
        passages: each its text, then the headings and names that it stands under.
        embedder: recognises paraphrases; give one that can read the claim.
    """
    if embedder is None:
        return _remembered(claim, question, tuple(passages))
    return _aligned(claim, question, tuple(passages), embedder)


def align_all(
    text: str, question: str, passages: Sequence[Text], embedder: Embedder | None = None
) -> tuple[Alignment, ...]:
    """Score every claim of a text by the passages: as many alignments as `claims(text)`."""
    return tuple(align(claim, question, passages, embedder) for claim in claims(text))


@lru_cache(maxsize=256)
def _remembered(claim: str, question: str, passages: tuple[Text, ...]) -> Alignment:
    """Every metric of an answer asks for the same alignments."""
    return _aligned(claim, question, passages, None)


def _aligned(claim: str, question: str, passages: tuple[Text, ...], embedder: Embedder | None) -> Alignment:
    statement, denied = _stated(claim, question)
    ground = ground_of(passages)
    whole = _best(_Claim(statement, question, ground, denied), ground, embedder)
    parts = statements(statement)
    if whole.score == 1 or not 1 < len(parts) <= _MOST_PARTS or any(len(content_terms(part)) < 2 for part in parts):
        return replace(whole, claim=claim)
    found = [_best(_Claim(part, question, ground, denied), ground, embedder) for part in parts]
    least = min(found, key=lambda one: one.score)
    best = max(whole, least, key=lambda one: one.score)
    return replace(best, claim=claim, score=(best.score + least.score) / 2, conflict=best.conflict or least.conflict)


def _stated(claim: str, question: str) -> tuple[str, bool]:
    """Return the statement that a claim makes, and whether it is denied: "No." to a question denies the question."""
    polar = _POLAR.match(claim)
    if polar is None:
        return claim, False
    rest = claim[polar.end() :]
    if content_terms(rest) and any(character.isalnum() for character in rest):
        return rest, False
    return question or claim, polar[1].lower() in _NO


class Ground:
    """Some passages, parted into sentences and runs of two, and which of them hold each word.

    Attributes:
        passages: as they were shown.
        runs: every run with the number of its passage.
        lengths: the characters of each run, shape (runs,).
    """

    def __init__(self, passages: Iterable[Text]) -> None:
        self.passages = [_passage(text) for text in passages]
        self.runs = [(number, run) for number, passage in enumerate(self.passages) for run in passage.runs]
        self.lengths = np.array([len(run.text) for _, run in self.runs], dtype=np.float64)
        self._sentences = [sentence for passage in self.passages for sentence in passage.sentences]
        first: list[int] = []
        last: list[int] = []
        start = 0
        for passage in self.passages:  # the runs of a passage: its sentences, then its pairs of neighbours
            n = len(passage.sentences)
            first += [*range(start, start + n), *range(start, start + n - 1)]
            last += [*range(start, start + n), *range(start + 1, start + n)]
            start += n
        self._first, self._last = np.array(first, dtype=np.intp), np.array(last, dtype=np.intp)
        self._tokens = [one.words[0].tokens for one in self._sentences]
        chinese = [one.words[0].chinese for one in self._sentences]
        self._chinese = chinese if any(chinese) else []
        self._in_sentences: dict[str, Held] = {}
        self._in_runs: dict[str, Held] = {}
        self._with_number: dict[str, Held] = {}
        for place, (_, run) in enumerate(self.runs):
            for number in run.numbers:
                self._with_number.setdefault(number, np.zeros(len(self.runs), dtype=np.bool_))[place] = True

    def weight(self, term: str) -> float:
        """Return log(1 + (N + 1) / (df + ½)): N sentences, of which df hold the term."""
        frequency = int(self._sentences_with(term).sum())
        return math.log(1.0 + (len(self._sentences) + 1.0) / (frequency + 0.5))

    def held(self, term: str) -> Held:
        """Return which runs hold the term, shape (runs,)."""
        if term not in self._in_runs:
            own = self._sentences_with(term)
            self._in_runs[term] = own[self._first] | own[self._last]
        return self._in_runs[term]

    def numbered(self, number: str) -> Held:
        """Return which runs have the number, shape (runs,)."""
        found = self._with_number.get(number)
        return np.zeros(len(self.runs), dtype=np.bool_) if found is None else found

    def _sentences_with(self, term: str) -> Held:
        if term not in self._in_sentences:
            found = np.array([term in tokens for tokens in self._tokens], dtype=np.bool_)
            if self._chinese and _HAN.match(term):  # Chinese words are looked up as they stand
                found |= np.array([term in text for text in self._chinese], dtype=np.bool_)
            self._in_sentences[term] = found
        return self._in_sentences[term]


@lru_cache(maxsize=16)
def ground_of(passages: tuple[Text, ...]) -> Ground:
    """Return the passages parted and weighed; those of the last few answers are kept."""
    return Ground(passages)


@lru_cache(maxsize=512)
def _passage(text: Text) -> Passage:
    own = tuple(
        Sentence(one, (Words(one),), numbers(one))
        for one in (text[0][start:end] for start, end in sentence_spans(text[0]))
    )
    pairs = tuple(
        Sentence(f"{one.text} {two.text}", one.words + two.words, one.numbers | two.numbers)
        for one, two in pairwise(own)
    )
    together: frozenset[str] = frozenset().union(*(one.numbers for one in own))
    return Passage(own, own + pairs, Words(*text), together)


def _best(claim: _Claim, ground: Ground, embedder: Embedder | None) -> Alignment:
    """Return the alignment with the run that suits the claim best, of those that share the most words with it."""
    if not ground.runs:
        return Alignment(claim.text, 0.0)
    order = np.argsort(-claim.suits(ground), kind="stable")[:_CANDIDATES]
    nearest = [ground.runs[place] for place in order]
    alike = [0.0] * len(nearest)
    if embedder is not None:
        alike = cosines(claim.text, [run.text for _, run in nearest], embedder)
    scored: list[tuple[float, str, int, str]] = []
    for (number, run), cosine in zip(nearest, alike, strict=True):
        scored.append((*claim.score(run, ground.passages[number], cosine), number, run.text))
        if scored[-1][0] >= 1.0:  # no later one can be better
            break
    best = max(scored, key=lambda one: one[0])
    # Of a claim without support, what disagrees is told of the run that is nearest in words.
    _, conflict, number, text = best if best[0] >= SUPPORTED else scored[0]
    return Alignment(claim.text, best[0], number, text, conflict)


def cosines(text: str, others: Sequence[str], embedder: Embedder) -> list[float]:
    """Return the cosine of a text to each of the others, 0 where it is less; long texts are cut."""
    texts = [clip(one, embedder.token_spans, embedder.max_tokens) for one in (text, *others)]
    vectors = embedder.embed(texts)  # (1 + others, d)
    return [max(0.0, float(value)) for value in vectors[1:] @ vectors[0]]


@lru_cache(maxsize=2048)
def _clause_terms(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return the clauses of a run, each with its terms: claim after claim asks for them."""
    return tuple((part, frozenset(content_terms(part))) for part in clauses(text))


class _Claim:
    """One statement with what must be found for it."""

    def __init__(self, text: str, question: str, ground: Ground, denied: bool) -> None:
        asked = content_terms(question) if question else ()
        terms = [
            term for term in content_terms(without_number_words(text)) if term in asked or term not in talk_terms()
        ]
        self.text = text
        self._denied = denied
        self._weights = {term: ground.weight(term) * (_REPEATED if term in asked else 1.0) for term in terms}
        self._asked = {term: ground.weight(term) for term in asked}
        self._numbers = numbers(text)
        self._asked_numbers = numbers(question)
        self._names = {name: tuple(analyse(name)) for name in names(text)}

    def words(self, run: Sentence) -> float:
        """Return the weighted share of the claim's terms that a run holds, numbers however written."""
        if not self._weights:
            return float(bool(self._numbers & run.numbers))
        return share(self._weights, *run.words, run.numbers)

    def suits(self, ground: Ground) -> NDArray[np.float64]:
        """Return how well each run suits the claim, shape (runs,): by which runs are chosen to be looked at.

        The share of the claim's terms (`words`), and a little more where a run speaks of what was asked, has the
        claim's numbers, and is short.
        """
        nothing = np.zeros(len(ground.runs), dtype=np.float64)
        numbered = sum((ground.numbered(number) for number in self._numbers), nothing)
        if self._weights:
            held = sum(
                (weight * (ground.held(term) | ground.numbered(term)) for term, weight in self._weights.items()),
                nothing,
            )
            words = held / sum(self._weights.values())
        else:
            words = (numbered > 0).astype(np.float64)
        agree = numbered / len(self._numbers) if self._numbers else nothing
        asked = sum((weight * ground.held(term) for term, weight in self._asked.items()), nothing)
        topic = asked / sum(self._asked.values()) if self._asked else nothing + 1.0
        suits: NDArray[np.float64] = words + 0.25 * topic + 0.25 * agree - 0.0001 * np.sqrt(ground.lengths)
        return suits

    def score(self, run: Sentence, passage: Passage, cosine: float) -> tuple[float, str]:
        """Return the score of the module's docstring, and what disagrees."""
        held = self.words(run)
        if cosine >= _SIMILAR and held >= _SIMILAR_WORDS:
            held = max(held, cosine)
        factors = {
            "numbers": self._number_share(run, passage),
            "names": self._name_share(run, passage),
            "negation": 1.0 if self._denies_the_same(run) else 0.0,
        }
        conflict = min(factors, key=lambda name: factors[name])
        topic = 1.0
        if len(self._weights) <= _SHORT and self._asked:
            topic = _LEAST_TOPIC + (1 - _LEAST_TOPIC) * share(self._asked, *run.words, passage.around)
        return held * math.prod(factors.values()) * topic, conflict if factors[conflict] < 1 else ""

    def _number_share(self, run: Sentence, passage: Passage) -> float:
        if not self._numbers:
            return 1.0
        missing = self._numbers - run.numbers
        near = missing & passage.numbers
        counted = float(len(self._numbers - missing))
        counted += sum(1.0 if number in self._asked_numbers else _ELSEWHERE for number in near)
        return counted / len(self._numbers)

    def _name_share(self, run: Sentence, passage: Passage) -> float:
        """Return the share of the names whose words all stand in the run or the passage around it."""
        if not self._names:
            return 1.0
        found = sum(all(term in run or term in passage.around for term in terms) for terms in self._names.values())
        return found / len(self._names)

    def _denies_the_same(self, run: Sentence) -> bool:
        """Compare each clause of the claim with the clause of the run that is most like it, and opposite words."""
        if any(
            term not in run and any(other in run and other not in self._weights for other in opposites(term))
            for term in self._weights
        ):
            return False
        if not (self._denied or negated(self.text) or negated(run.text)):
            return True
        theirs = _clause_terms(run.text)
        for part in clauses(self.text):
            terms = frozenset(content_terms(part))
            alike = [2 * len(terms & other) / max(len(terms) + len(other), 1) for _, other in theirs]
            if max(alike, default=0.0) < _SAME_CLAUSE:
                continue
            nearest = [theirs[place][0] for place, value in enumerate(alike) if value == max(alike)]
            if all((negated(part) != self._denied) != negated(other) for other in nearest):
                return False
        return True
