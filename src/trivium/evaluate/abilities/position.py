"""Whether the place of the passage that holds the answer matters (Liu et al. 2023, "Lost in the Middle",
arXiv:2307.03172).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from trivium.evaluate.abilities.ask import trials_of
from trivium.evaluate.abilities.check import each, refuses, rightness, says_all
from trivium.evaluate.abilities.passages import SEED, SHOWN
from trivium.evaluate.abilities.values import Ask, CaseSet, Measured
from trivium.evaluate.statistics import interval
from trivium.text.content import Words, content_terms

_CANDIDATES = 40
"""Passages of other questions of which the likest to a question become its noise."""


def position_sensitivity(cases: CaseSet, ask: Ask, *, shown: int = SHOWN, seed: int = SEED) -> list[Measured]:
    """Return the accuracy with the gold passage first, second, … of `shown`, the others noise in the same order.

    Metrics, each at its place from 1: "accuracy"; "refusal". And once "middle": question by question, the mean over
    the first and last place minus the mean over the places between; above 0, the middle is read less well. Cases that
    have no passage with the whole answer, or too little noise, are left out.
    """
    kept, gold, noise = [], [], []
    for case in cases.cases:
        proof = next((text for text in case.positive if says_all(text, case.parts)), None)
        others = [text for text in case.negative if not says_all(text, case.parts)][: shown - 1]
        if proof is not None and len(others) == shown - 1:
            kept.append(case)
            gold.append(proof)
            noise.append(_shuffled(others, seed))
    subset = CaseSet(cases.name, tuple(kept))
    given = partial(Measured, "position", cases.name, cases.language)
    found, accuracy = [], []
    for place in range(shown):
        passages = [(*others[:place], proof, *others[place:]) for proof, others in zip(gold, noise, strict=True)]
        said = ask(trials_of(subset, passages, f"answer in passage {place + 1} of {shown}"))
        accuracy.append(rightness(kept, said))
        found.append(given("accuracy", interval(accuracy[-1]), float(place + 1)))
        found.append(given("refusal", interval(each(said, refuses)), float(place + 1)))
    return [*found, given("middle", interval(_ends_minus_middle(accuracy)))]


def with_noise(cases: CaseSet, shown: int = SHOWN, seed: int = SEED) -> CaseSet:
    """Return the cases with passages of other cases as noise: of a sample, those most like the question.

    Passages that hold the answer are passed over.
    """
    pool = list(dict.fromkeys(text for case in cases.cases for text in case.positive))
    words = {text: Words(text) for text in pool}
    found = []
    for case in cases.cases:
        order = random.Random(f"{seed} {case.id} {case.question}")
        others = [text for text in order.sample(pool, min(len(pool), _CANDIDATES)) if text not in case.positive]
        others = [text for text in others if not says_all(text, case.parts)]
        terms = content_terms(case.question)
        others.sort(key=lambda text: -sum(term in words[text] for term in terms))
        found.append(replace(case, negative=tuple(others[: shown - 1])))
    return CaseSet(cases.name, tuple(found))


def _ends_minus_middle(accuracy: Sequence[Sequence[float | None]]) -> list[float | None]:
    found: list[float | None] = []
    for places in zip(*accuracy, strict=True):
        values = [value for value in places if value is not None]
        if len(values) < len(places) or len(places) < 3:
            found.append(None)
        else:
            found.append((values[0] + values[-1]) / 2 - sum(values[1:-1]) / (len(values) - 2))
    return found


def _shuffled(passages: list[str], seed: int) -> tuple[str, ...]:
    random.Random(seed).shuffle(passages)
    return tuple(passages)
