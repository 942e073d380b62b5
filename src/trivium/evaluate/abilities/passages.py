"""Which passages a question is shown: RGB's choice, with its seed, passage for passage (arXiv:2309.01431).

The same case, ratio, number and seed give the same passages in the same order, whatever was asked before.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from trivium.evaluate.abilities.values import Case

SEED = 2333
"""The seed of RGB's published figures."""
SHOWN = 5
"""Passages shown in RGB's published figures."""


def mixed(case: Case, ratio: float, shown: int = SHOWN, seed: int = SEED) -> tuple[str, ...]:
    """Return `shown` passages of which a share of `ratio` is noise, in random order.

    Where there are too few of one kind, the other fills the places. At a ratio of 1 all are noise, and there may be
    fewer than `shown`.

    Args:
        case: one with `positive` and `negative` passages.
        ratio: 0 to 1; the number of passages with noise is rounded up.
        shown: how many.
        seed: of the order.
    """
    noise = _rounded_up(shown * ratio)
    if ratio == 1:
        noise, true = shown, 0
    elif noise > len(case.negative):
        noise = len(case.negative)
        true = shown - noise
    else:
        true = min(shown - noise, len(case.positive))
        noise = shown - true
    return _shuffled([*case.positive[:true], *case.negative[:noise]], random.Random(seed))


def of_each_part(case: Case, ratio: float, shown: int = SHOWN, seed: int = SEED) -> tuple[str, ...]:
    """Return `shown` passages, at least one for each part of the answer, the rest noise, in random order.

    One passage of each part is taken, then a second of each, until the share that is not noise is full; noise fills
    the other places. A question of more parts than places for them gets them all.
    """
    order = random.Random(seed)
    groups = [list(group) for group in case.groups]
    for group in groups:
        order.shuffle(group)
    rounds = max((len(group) for group in groups), default=0)
    dealt = [group[number] for number in range(rounds) for group in groups if number < len(group)]
    true = max(shown - _rounded_up(shown * ratio), sum(1 for group in groups if group))
    chosen = dealt[:true]
    noise = max(shown - len(chosen), 0)
    return _shuffled([*chosen, *case.negative[:noise]], order)


def falsified(case: Case, shown: int = SHOWN, seed: int = SEED) -> tuple[str, ...]:
    """Return up to `shown` falsified passages, in random order."""
    return _sampled(case.wrong, shown, seed)


def unfalsified(case: Case, shown: int = SHOWN, seed: int = SEED) -> tuple[str, ...]:
    """Return the true passages that `falsified` shows falsified, in the same order."""
    return _sampled(case.positive, shown, seed)


def noise_share(case: Case, passages: Sequence[str]) -> float:
    """Return the share of `passages` that is noise, 0 to 1; 0 of none."""
    noise = set(case.negative)
    return sum(passage in noise for passage in passages) / len(passages) if passages else 0.0


def _sampled(passages: Sequence[str], shown: int, seed: int) -> tuple[str, ...]:
    order = random.Random(seed)
    places = order.sample(range(len(passages)), min(len(passages), shown))
    return _shuffled([passages[place] for place in places], order)


def _shuffled(passages: list[str], order: random.Random) -> tuple[str, ...]:
    order.shuffle(passages)
    return tuple(passages)


def _rounded_up(number: float) -> int:
    """Return the next whole number, with what is whole but for rounding left as it is."""
    return math.ceil(round(number, 9))
