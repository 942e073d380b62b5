"""What passages with false words in them do to answers: RGB's fourth ability, and RECALL's measures.

RGB: Chen et al. 2023, arXiv:2309.01431. RECALL: Liu et al. 2023, arXiv:2311.08147. The same figures are taken of sets
whose one passage contradicts what is known (NQ-Swap, Longpre et al. 2021, arXiv:2109.05052; ConFiQA).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from trivium.evaluate.abilities.ask import trials_of
from trivium.evaluate.abilities.check import each, refuses, rightness, says_all, warns
from trivium.evaluate.abilities.passages import SEED, SHOWN, falsified, unfalsified
from trivium.evaluate.abilities.values import Ask, Case, CaseSet, Measured, Said
from trivium.evaluate.metrics.answers import r_rate
from trivium.evaluate.statistics import interval

_STAGES = {"none": "no passages", "true": "true passages", "false": "false passages"}


def counterfactual_robustness(cases: CaseSet, ask: Ask, *, shown: int = SHOWN, seed: int = SEED) -> list[Measured]:
    """Return what false passages do to answers.

    Three arms: "none", no passages, so that the model answers from memory; "true", the passages as they were, where
    the set has them; "false", the same ones with false words. Metrics:

    - "accuracy" and "refusal" of each arm, where the right answer is known;
    - "detection" (RGB), the share of "false" that says that passages are false, and "correction", the share of these
      that gives the right answer;
    - "r_rate" (RECALL's R-Rate), the share of the false words that come again in the answer, and "followed", the share
      of the answers that give the false answer whole: with false passages, and with none, which is coincidence;
    - "misleading" (RECALL's M-Rate), of the questions that are right with no passages the share that is not with
      false ones; "persistence" is its counterpart: of those that give one of the two answers with false passages, the
      share that gives the true one (the memorisation ratio of Longpre et al. 2021).
    """
    name = "conflict" if cases.kind == "conflict" else "counterfactual"
    given = partial(Measured, name, cases.name, cases.language)
    shown_by_arm: dict[str, list[tuple[str, ...]]] = {"none": [() for _ in cases.cases]}
    if all(case.positive for case in cases.cases):
        shown_by_arm["true"] = [unfalsified(case, shown, seed) for case in cases.cases]
    shown_by_arm["false"] = [falsified(case, shown, seed) for case in cases.cases]
    said = {arm: ask(trials_of(cases, passages, _STAGES[arm])) for arm, passages in shown_by_arm.items()}
    found = []
    for arm, answers in said.items():
        found += [
            given("accuracy", interval(rightness(cases.cases, answers)), arm=arm),
            given("refusal", interval(each(answers, refuses)), arm=arm),
        ]
    false = said["false"]
    detected = each(false, warns)
    corrected = [value for value, seen in zip(rightness(cases.cases, false), detected, strict=True) if seen]
    return [
        *found,
        given("detection", interval(detected), arm="false"),
        given("correction", interval(corrected), arm="false"),
        given("r_rate", interval(reappearance(cases.cases, said["none"])), arm="none"),
        given("r_rate", interval(reappearance(cases.cases, false)), arm="false"),
        given("followed", interval(followed(cases.cases, said["none"])), arm="none"),
        given("followed", interval(followed(cases.cases, false)), arm="false"),
        given("misleading", interval(misleading(cases.cases, said["none"], false)), arm="false"),
        given("persistence", interval(persistence(cases.cases, false)), arm="false"),
    ]


def reappearance(cases: Sequence[Case], said: Sequence[Said]) -> list[float | None]:
    """Return for each case the share of the false words that come again in the answer (`answers.r_rate`)."""
    found: list[float | None] = []
    for case, one in zip(cases, said, strict=True):
        text = "" if refuses(one) else one.text
        true = [words for part in case.parts for words in part]
        rates = [r_rate(text, part, true) for part in case.false]
        found.append(None if one.error or not rates else sum(rates) / len(rates))
    return found


def followed(cases: Sequence[Case], said: Sequence[Said]) -> list[float | None]:
    """Return for each case whether the answer gives the false answer, all its parts, word by word."""
    return [
        None if one.error else float(not refuses(one) and says_all(one.text, case.false))
        for case, one in zip(cases, said, strict=True)
    ]


def misleading(cases: Sequence[Case], alone: Sequence[Said], misled: Sequence[Said]) -> list[float | None]:
    """Return for each case that is right with no passages whether it is not with false ones; None for the others."""
    return [
        None if before.error or after.error or not _true(case, before) else float(not _true(case, after))
        for case, before, after in zip(cases, alone, misled, strict=True)
    ]


def persistence(cases: Sequence[Case], said: Sequence[Said]) -> list[float | None]:
    """Return 1 for each case that gives the true words and not the false ones, 0 for the reverse, None for others."""
    found: list[float | None] = []
    for case, one in zip(cases, said, strict=True):
        true, false = _true(case, one), not refuses(one) and says_all(one.text, case.false)
        found.append(float(true) if true != false and case.parts and not one.error else None)
    return found


def _true(case: Case, said: Said) -> bool:
    return not refuses(said) and says_all(said.text, case.parts)
