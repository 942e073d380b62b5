"""Whether passages support a sentence, judged by its words, numbers, names and denials; meaning may help.

A sentence is supported when a run of passage sentences holds enough of its telling words, all of its numbers and
names, and agrees with it in what is denied. Words that only repeat the question count half: an answer restates
the question, and what it adds is what must be proved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from trivium.generate.evidence import Evidence, Quotable
from trivium.models.base import Embedder
from trivium.text.clip import clip
from trivium.text.content import Words, content_terms, share, talk_terms
from trivium.text.facts import clauses, names, negated, numbers, statements, without_number_words
from trivium.text.normalise import normalise
from trivium.text.tokens import analyse

SHARE = 0.6
"""The least weighted share of a sentence's content terms that its proofs must hold."""
NOVEL_SHARE = 0.6
"""The least such share of the terms that are not in the question."""
SIMILAR = 0.8
SIMILAR_SHARE = 0.3
"""A run of at least this cosine to the sentence, which holds at least this share of its terms, may prove it too, as
long as numbers, names and denials agree. On the STS benchmark's pairs this accepts 77% of those that people call the
same (62% by words alone) and 6% of those that they do not (6%).
"""
MOST_PROOFS = 3
"""Statements of one sentence that may have a proof each."""
_SHORT = 6
"""An answer of so few terms says nothing by itself: its passage must speak of the question too."""
_ON_TOPIC = 0.12
_SAME_CLAUSE = 0.5
_CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class Support:
    """The judgement of one sentence.

    Attributes:
        proofs: the runs that support it, the best first; empty where nothing does.
        share: the weighted share of its content terms that the best runs hold, 0 to 1.
        objection: why it is unsupported: "words", "numbers", "names", "negation" or "topic"; "" where supported.
    """

    proofs: tuple[Quotable, ...]
    share: float
    objection: str


def support(sentence: str, question: str, evidence: Evidence, embedder: Embedder | None = None) -> Support:
    """Judge one sentence of an answer to `question` by the evidence.

    One run must prove it; or, where it says several things, one run each of them: facts of different passages are
    not mixed within a statement.

    Args:
        sentence: without citation markers.
        question: its words count half, since an answer restates them.
        evidence: the passages.
        embedder: recognises a paraphrase; give one that can read the sentence, or None to go by words alone.
    """
    for known in evidence.sentences:
        if _bare(known.text) == _bare(sentence):
            return Support((known,), 1.0, "")
    whole = _judged(sentence, question, evidence, embedder)
    parts = statements(sentence)
    if whole.proofs or not 1 < len(parts) <= MOST_PROOFS or any(len(content_terms(part)) < 2 for part in parts):
        return whole
    judged = [_judged(part, question, evidence, embedder) for part in parts]
    if not all(one.proofs for one in judged):
        return whole
    proofs = {(proof.hit.chunk.id, proof.start, proof.end): proof for one in judged for proof in one.proofs}
    return Support(tuple(proofs.values()), sum(one.share for one in judged) / len(judged), "")


def _judged(statement: str, question: str, evidence: Evidence, embedder: Embedder | None) -> Support:
    """Judge a statement by the run that suits it best."""
    claim = _Claim(statement, question, evidence)
    runs = sorted(evidence.runs, key=claim.merit, reverse=True)[:_CANDIDATES]
    if not runs:
        return Support((), 0.0, "words")
    objection = claim.objection(runs[0])
    if objection == "words" and embedder is not None:
        texts = [statement, *(run.text for run in runs)]
        texts = [clip(text, embedder.token_spans, embedder.max_tokens) for text in texts]
        vectors = embedder.embed(texts)  # (1 + runs, d)
        for alike, run in sorted(zip((vectors[1:] @ vectors[0]).tolist(), runs, strict=True), key=lambda p: -p[0]):
            if alike >= SIMILAR and not claim.objection(run, SIMILAR_SHARE, SIMILAR_SHARE):
                return Support((run,), claim.share(run), "")
    return Support(() if objection else (runs[0],), claim.share(runs[0]), objection)


def _bare(sentence: str) -> str:
    return " ".join(normalise(sentence).split()).strip(" .。!！")


class _Claim:
    """One statement with what must be found for it."""

    def __init__(self, statement: str, question: str, evidence: Evidence) -> None:
        asked = content_terms(question)
        self._statement = statement
        self._evidence = evidence
        terms = [
            term for term in content_terms(without_number_words(statement)) if term in asked or term not in talk_terms()
        ]
        self._weights = {term: evidence.weight(term) * (0.5 if term in asked else 1.0) for term in terms}
        self._novel = {term: weight for term, weight in self._weights.items() if term not in asked}
        self._asked = evidence.weights(asked)
        self._question = Words(question)
        self._numbers = numbers(statement)
        self._asked_numbers = numbers(question)
        self._names = names(statement)

    def share(self, run: Quotable) -> float:
        """Return the weighted share of the statement's terms that the run holds, numbers however written."""
        if not self._weights:
            return float(bool(self._numbers & run.numbers))
        return share(self._weights, run.words, run.numbers)

    def merit(self, run: Quotable) -> float:
        """Return how good a proof a run is: by its words and numbers, its bearing on the question, its brevity."""
        merit = self.share(run) + 0.25 * share(self._asked, run.words)
        if self._numbers:
            merit += 0.25 * len(self._numbers & run.numbers) / len(self._numbers)
        return merit - 0.001 * math.sqrt(len(run.text))

    def objection(self, run: Quotable, least: float = SHARE, least_novel: float = NOVEL_SHARE) -> str:
        """Return what stands against the statement given this run, or ""."""
        around = self._evidence.context(run.hit)
        if not self._numbers_agree(run):
            return "numbers"
        if self.share(run) < least or share(self._novel, run.words, run.numbers) < least_novel:
            return "words"
        if not self._names_agree(run, around):
            return "names"
        if len(self._weights) <= _SHORT and share(self._asked, around) < _ON_TOPIC:
            return "topic"
        return "" if self._denies_the_same(run) else "negation"

    def _numbers_agree(self, run: Quotable) -> bool:
        """Whether the run has every number; one that the question named may stand elsewhere in its passage."""
        missing = self._numbers - run.numbers
        return not missing or (missing <= self._asked_numbers and missing <= numbers(run.hit.chunk.text))

    def _names_agree(self, run: Quotable, around: Words) -> bool:
        """Whether the run has every name; one that the question named may stand elsewhere in its passage."""
        for name in self._names:
            terms = analyse(name)
            asked = all(term in self._question for term in terms)
            if not all(term in run.words or (asked and term in around) for term in terms):
                return False
        return True

    def _denies_the_same(self, run: Quotable) -> bool:
        """Compare each clause of the statement with the clause of the run that is most like it."""
        theirs = [(part, frozenset(content_terms(part))) for part in clauses(run.text)]
        for part in clauses(self._statement):
            terms = frozenset(content_terms(part))
            alike = [2 * len(terms & other) / max(len(terms) + len(other), 1) for _, other in theirs]
            if max(alike, default=0.0) < _SAME_CLAUSE:
                continue
            nearest = [theirs[place][0] for place, value in enumerate(alike) if value == max(alike)]
            if all(negated(part) != negated(other) for other in nearest):
                return False
        return True
