"""Whether passages support a sentence, judged without a model.

A sentence is supported when a run of passage sentences holds enough of its telling words, all of its numbers and
names, and agrees with it in what is denied. Words that only repeat the question count half: an answer restates
the question, and what it adds is what must be proved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from trivium.generate.evidence import Evidence, Quotable
from trivium.generate.facts import clauses, names, negated, numbers
from trivium.text.content import content_terms
from trivium.text.tokens import analyse

SHARE = 0.6
"""The least weighted share of a sentence's content terms that its proofs must hold."""
NOVEL_SHARE = 0.6
"""The least such share of the terms that are not in the question."""
MOST_PROOFS = 3
_WORTH_CITING = 0.2
"""A further proof must add this share."""
_SHORT = 3
"""An answer of so few terms says nothing by itself: its passage must speak of the question too."""
_ON_TOPIC = 0.3


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


def support(sentence: str, question: str, evidence: Evidence) -> Support:
    """Judge one sentence of an answer to `question` by the evidence."""
    claim = _Claim(sentence, question, evidence)
    proofs: list[Quotable] = []
    held: frozenset[str] = frozenset()
    while len(proofs) < MOST_PROOFS:
        best = max(evidence.runs, key=lambda run: claim.merit(run, held), default=None)
        if best is None:
            break
        gain = claim.share(held | best.terms) - claim.share(held)
        if proofs and (gain < _WORTH_CITING or claim.objection(proofs) == ""):
            break
        proofs.append(best)
        held |= best.terms
    objection = claim.objection(proofs)
    return Support(() if objection else tuple(proofs), claim.share(held), objection)


class _Claim:
    """One sentence with what must be found for it."""

    def __init__(self, sentence: str, question: str, evidence: Evidence) -> None:
        asked = frozenset(content_terms(question))
        self._sentence = sentence
        self._evidence = evidence
        terms = content_terms(sentence)
        self._weights = {term: evidence.weight(term) * (0.5 if term in asked else 1.0) for term in terms}
        self._novel = {term: weight for term, weight in self._weights.items() if term not in asked}
        self._asked = evidence.weights(asked)
        self._question_words = frozenset(analyse(question))
        self._numbers = numbers(sentence)
        self._asked_numbers = numbers(question)
        self._names = names(sentence)

    def share(self, held: frozenset[str]) -> float:
        """Return the weighted share of the sentence's terms among `held`."""
        return _share(self._weights, held)

    def merit(self, run: Quotable, held: frozenset[str]) -> float:
        """Return how good a proof a run is beside those that hold `held`: its words, its bearing, its brevity."""
        merit = self.share(held | run.terms) + 0.25 * _share(self._asked, run.terms)
        merit += 0.1 * bool(self._numbers) * (len(self._numbers & run.numbers) / max(len(self._numbers), 1))
        return merit - 0.001 * math.sqrt(len(run.text))

    def objection(self, proofs: list[Quotable]) -> str:
        """Return what stands against the claim given these proofs, or ""."""
        if not proofs:
            return "words"
        held = frozenset(term for proof in proofs for term in proof.terms)
        around = frozenset(term for proof in proofs for term in self._evidence.context(proof.hit))
        if self.share(held) < SHARE or _share(self._novel, held) < NOVEL_SHARE:
            return "words"
        if not self._numbers_agree(proofs):
            return "numbers"
        if not self._names_agree(held, around):
            return "names"
        if len(self._weights) <= _SHORT and _share(self._asked, around) < _ON_TOPIC:
            return "topic"
        return "" if self._denies_the_same(proofs) else "negation"

    def _numbers_agree(self, proofs: list[Quotable]) -> bool:
        found = frozenset(number for proof in proofs for number in proof.numbers)
        missing = self._numbers - found
        if missing <= self._asked_numbers:
            passages = " ".join(proof.hit.chunk.text for proof in proofs) if missing else ""
            return missing <= numbers(passages)
        return False

    def _names_agree(self, held: frozenset[str], around: frozenset[str]) -> bool:
        for name in self._names:
            words = frozenset(analyse(name))
            if words <= held or (words <= self._question_words and words <= around):
                continue
            return False
        return True

    def _denies_the_same(self, proofs: list[Quotable]) -> bool:
        """Compare each clause of the claim with the clause of the proofs that shares most words with it."""
        theirs = [(part, frozenset(analyse(part))) for proof in proofs for part in clauses(proof.text)]
        for part in clauses(self._sentence):
            terms = {term: self._evidence.weight(term) for term in content_terms(part)}
            nearest = max(theirs, key=lambda other: _share(terms, other[1]), default=None)
            if nearest is None or _share(terms, nearest[1]) < 0.5:
                continue
            if negated(part) != negated(nearest[0]):
                return False
        return True


def _share(weights: Mapping[str, float], held: frozenset[str]) -> float:
    total = sum(weights.values())
    return sum(weight for term, weight in weights.items() if term in held) / total if total else 1.0
