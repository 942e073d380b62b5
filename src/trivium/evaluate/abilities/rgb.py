"""Three of the four abilities of RGB: noise, rejection, integration (Chen et al. 2023, arXiv:2309.01431).

The fourth is in `counterfactual.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from trivium.evaluate.abilities.ask import trials_of
from trivium.evaluate.abilities.check import each, parts_held, refuses, rightness
from trivium.evaluate.abilities.passages import SEED, SHOWN, mixed, noise_share, of_each_part
from trivium.evaluate.abilities.values import Ask, Case, CaseSet, Measured, Said
from trivium.evaluate.statistics import interval

RATIOS = (0.0, 0.2, 0.4, 0.6, 0.8)
"""Ratios of noise of the robustness curve."""
RATIOS_OF_PARTS = (0.0, 0.2, 0.4)
"""Those of information integration: with more noise RGB has no room for the passages of every part."""


def noise_robustness(
    cases: CaseSet, ask: Ask, *, shown: int = SHOWN, seed: int = SEED, ratios: Sequence[float] = RATIOS
) -> list[Measured]:
    """Return the accuracy among noise, a curve over `ratios`.

    Metrics, each at its ratio: "accuracy"; "refusal", the share refused; "noise", the share of noise among the
    passages shown, which is less than the ratio where a case has too few. And once "drop": the accuracy at the
    first ratio minus that at the last, question by question.
    """
    given = partial(Measured, "noise", cases.name, cases.language)
    found, accuracy = [], []
    for ratio in ratios:
        trials = trials_of(cases, [mixed(case, ratio, shown, seed) for case in cases.cases], f"noise {ratio:g}")
        said = ask(trials)
        accuracy.append(rightness(cases.cases, said))
        shares = [noise_share(case, trial.passages) for case, trial in zip(cases.cases, trials, strict=True)]
        found += [
            given("accuracy", interval(accuracy[-1]), ratio),
            given("refusal", interval(each(said, refuses)), ratio),
            given("noise", interval(shares), ratio),
        ]
    drop = [a - b for a, b in zip(accuracy[0], accuracy[-1], strict=True) if a is not None and b is not None]
    return [*found, given("drop", interval(drop))]


def negative_rejection(cases: CaseSet, ask: Ask, *, shown: int = SHOWN, seed: int = SEED) -> list[Measured]:
    """Return how often a question is refused that only noise is shown for.

    Metrics: "rejection", the share refused; "accuracy", the share answered right all the same, from memory or
    because a passage of noise holds the answer after all. RGB's script counts both as one.
    Cases without any noise are left out.
    """
    kept = CaseSet(cases.name, tuple(case for case in cases.cases if case.negative))
    said = ask(trials_of(kept, [mixed(case, 1.0, shown, seed) for case in kept.cases], "only noise"))
    given = partial(Measured, "rejection", cases.name, cases.language)
    return [
        given("rejection", interval(each(said, refuses))),
        given("accuracy", interval(rightness(kept.cases, said))),
    ]


def information_integration(
    cases: CaseSet, ask: Ask, *, shown: int = SHOWN, seed: int = SEED, ratios: Sequence[float] = RATIOS_OF_PARTS
) -> list[Measured]:
    """Return the accuracy on answers of several parts that stand in different passages, a curve over `ratios`.

    Metrics, each at its ratio: "accuracy", all parts given; "parts", the mean share of the parts given; "refusal".
    """
    given = partial(Measured, "integration", cases.name, cases.language)
    found = []
    for ratio in ratios:
        shares = [of_each_part(case, ratio, shown, seed) for case in cases.cases]
        said = ask(trials_of(cases, shares, f"parts at noise {ratio:g}"))
        found += [
            given("accuracy", interval(rightness(cases.cases, said)), ratio),
            given("parts", interval(_share_of_parts(cases.cases, said)), ratio),
            given("refusal", interval(each(said, refuses)), ratio),
        ]
    return found


def _share_of_parts(cases: Sequence[Case], said: Sequence[Said]) -> list[float | None]:
    found: list[float | None] = []
    for case, one in zip(cases, said, strict=True):
        held = [False] if refuses(one) else parts_held(one.text, case.parts, case.language)
        found.append(None if one.error else sum(held) / max(len(held), 1))
    return found
