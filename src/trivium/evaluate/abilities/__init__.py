"""What a reader can do with passages, good and bad: the four abilities of RGB, false passages, and position.

A reader is any `Callable[[str, Sequence[str]], Answer]`. `measure` puts the questions of some files to it, with the
passages that each ability asks for, and returns figures with their intervals. What ability a file is for is told by
what it holds (`SUITED`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from trivium.errors import UnknownName, UsageError
from trivium.evaluate.abilities.counterfactual import counterfactual_robustness
from trivium.evaluate.abilities.passages import SEED, SHOWN
from trivium.evaluate.abilities.position import position_sensitivity, with_noise
from trivium.evaluate.abilities.rgb import information_integration, negative_rejection, noise_robustness
from trivium.evaluate.abilities.values import Ask, CaseSet, Kind, Measured, Reader

__all__ = ["ABILITIES", "SUITED", "Measured", "Reader", "measure", "planned"]

ABILITIES: Mapping[str, Callable[..., list[Measured]]] = {
    "noise": noise_robustness,
    "rejection": negative_rejection,
    "integration": information_integration,
    "counterfactual": counterfactual_robustness,
    "conflict": counterfactual_robustness,
    "position": position_sensitivity,
}
SUITED: Mapping[Kind, Sequence[str]] = {
    "plain": ("noise", "rejection", "position"),
    "parts": ("integration",),
    "false": ("counterfactual", "noise", "rejection", "position"),
    "conflict": ("conflict",),
    "evidence": ("position",),
}
"""The abilities that a file of each kind can measure. Those that a counterfactual file shares with a plain one are
taken from it only where there is no plain one in its language.
"""


def planned(sets: Sequence[CaseSet], abilities: Iterable[str] | None = None) -> list[tuple[str, CaseSet]]:
    """Return what is measured on what, in the order of `ABILITIES`.

    Args:
        sets: what the files hold.
        abilities: names of `ABILITIES`; None takes all that the sets are for.

    Raises:
        UnknownName: a name that is not in `ABILITIES`.
        UsageError: none of the sets is for any of them.
    """
    wanted = list(ABILITIES if abilities is None else abilities)
    for name in wanted:
        if name not in ABILITIES:
            raise UnknownName("ability", name, ABILITIES)
    plain = {cases.language for cases in sets if cases.kind == "plain"}
    found = []
    for name in ABILITIES:
        for cases in sets:
            kind = cases.kind
            suits = kind is not None and name in SUITED[kind]
            shared = kind == "false" and name in SUITED["plain"] and cases.language in plain
            if name in wanted and suits and not shared:
                found.append((name, cases))
    if not found:
        listed = ", ".join(f"{cases.name} ({cases.kind})" for cases in sets) or "no file"
        raise UsageError(f"Nothing of {', '.join(wanted)} can be measured on {listed}.", "Give a file that is for it.")
    return found


def measure(
    sets: Sequence[CaseSet],
    ask: Ask,
    *,
    abilities: Iterable[str] | None = None,
    shown: int = SHOWN,
    seed: int = SEED,
) -> list[Measured]:
    """Return the figures of every ability that the sets are for.

    Args:
        sets: what the files hold (`trivium.evaluate.abilities.cases.read_cases`).
        ask: puts trials to a reader (`trivium.evaluate.abilities.ask.ask`, bound to one).
        abilities: names of `ABILITIES`; None takes all that the sets are for.
        shown: passages shown for each question.
        seed: of their choice and order.

    Raises:
        UnknownName, UsageError: as `planned`; or fewer than one passage is asked for.
        ModelError: the reader failed.
    """
    if shown < 1:
        raise UsageError(f"{shown} passages cannot be shown.", "Show 1 or more.")
    found: list[Measured] = []
    for name, cases in planned(sets, abilities):
        ready = with_noise(cases, shown, seed) if cases.kind == "evidence" else cases
        found += ABILITIES[name](ready, ask, shown=shown, seed=seed)
    return found
