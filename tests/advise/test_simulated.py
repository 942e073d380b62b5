"""How often intervals and verdicts are right: 1,000 simulated comparisons of each shape, as a user meets them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.advise.cases import arm, comparison

from trivium.advise.rank import pairs
from trivium.evaluate.clustered import compared

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, NDArray[np.intp]], tuple[Values, Values]]
"""Draws what both arms score; the document of each question is given by its number."""

SIMULATED = 1_000


def answers(a: float, b: float, alike: float) -> Draw:
    """Right and wrong answers; a share `alike` of the questions is as hard for one arm as for the other."""

    def draw(random: np.random.Generator, member: NDArray[np.intp]) -> tuple[Values, Values]:
        n = len(member)
        hard, other, same = random.random(n), random.random(n), random.random(n) < alike
        return (hard < a) * 1.0, (np.where(same, hard, other) < b) * 1.0

    return draw


def overlaps(a: float, b: float) -> Draw:
    """Scores like token F1: shares `a` and `b` are 1, a third is 0, the rest lies between."""

    def draw(random: np.random.Generator, member: NDArray[np.intp]) -> tuple[Values, Values]:
        n = len(member)
        hard = random.random(n)

        def scores(ones: float) -> Values:
            mixed = np.where(random.random(n) < 0.6, hard, random.random(n))
            return np.where(mixed < ones, 1.0, np.where(mixed > 0.7, 0.0, random.beta(2, 2, n)))

        return scores(a), scores(b)

    return draw


def documents(gain: float, spread: float) -> Draw:
    """Scores whose differences go together within a document."""

    def draw(random: np.random.Generator, member: NDArray[np.intp]) -> tuple[Values, Values]:
        n = len(member)
        b = random.normal(0.5, 0.2, n)
        return b + gain + random.normal(0, spread, n)[member] + random.normal(0, 0.2, n), b

    return draw


SHAPES: dict[str, tuple[Draw, float]] = {
    "answers alike": (answers(0.6, 0.6, 0.5), 0.0),
    "answers better": (answers(0.7, 0.55, 0.5), 0.15),
    "answers far better": (answers(0.8, 0.35, 0.3), 0.45),
    "overlaps alike": (overlaps(0.3, 0.3), 0.0),
    "overlaps better": (overlaps(0.45, 0.3), 0.075),
    "documents alike": (documents(0.0, 0.15), 0.0),
    "documents better": (documents(0.1, 0.15), 0.1),
}


@pytest.mark.parametrize("n", [40, 100, 200])
@pytest.mark.parametrize("shape", SHAPES)
def test_intervals_hold_the_truth_as_often_as_they_say(shape: str, n: int) -> None:
    draw, truth = SHAPES[shape]
    random = np.random.default_rng([n, *shape.encode()])
    # Four questions a document in the middle, one to twenty in fact; or each by itself.
    sizes = random.geometric(0.25, n) if "documents" in shape else np.ones(n, dtype=int)
    member = np.repeat(np.arange(n), sizes)[:n]
    names = [f"{place}.md" for place in member]
    begun = comparison(arm("a", [0.0] * n), arm("b", [0.0] * n), documents=names)
    held = called = 0
    for _ in range(SIMULATED):
        a, b = draw(random, member)
        (pair,) = pairs(replace(begun, arms=(arm("a", a), arm("b", b))))
        low, high = pair.difference.low, pair.difference.high
        held += low <= truth <= high if pair.a == "a" else low <= -truth <= high
        called += pair.verdict != "tie"
    assert 0.93 <= held / SIMULATED <= 0.97
    if truth == 0.0:
        assert called / SIMULATED <= 0.05


def test_without_their_documents_the_intervals_would_be_too_narrow() -> None:
    """What the grouping is for: 20 documents of 10 questions, taken for 200 questions."""
    random = np.random.default_rng(10)
    member = np.repeat(np.arange(20), 10)
    held = {True: 0, False: 0}
    for _ in range(500):
        a, b = documents(0.0, 0.15)(random, member)
        for grouped in held:
            found = compared(a - b, member.tolist() if grouped else None).difference
            held[grouped] += found.low <= 0.0 <= found.high
    assert held[True] / 500 >= 0.93
    assert held[False] / 500 <= 0.8


@pytest.mark.parametrize("sizes", [[12] * 5, [2, 4, 9, 15, 30]])
def test_five_documents_are_enough_for_an_interval_that_holds(sizes: list[int]) -> None:
    random = np.random.default_rng(12)
    member = np.repeat(np.arange(5), sizes)
    held = 0
    for _ in range(1_000):
        a, b = documents(0.0, 0.15)(random, member)
        found = compared(a - b, member.tolist()).difference
        held += found.low <= 0.0 <= found.high
    assert 0.93 <= held / 1_000 <= 0.975


def test_of_five_equal_arms_hardly_ever_two_are_called_different() -> None:
    random = np.random.default_rng(9)
    called = 0
    for _ in range(600):
        hard = random.random(60)
        rows = [(np.where(random.random(60) < 0.5, hard, random.random(60)) < 0.6) * 1.0 for _ in range(5)]
        found = pairs(comparison(*(arm(f"{place}", row) for place, row in enumerate(rows))))
        called += any(pair.verdict != "tie" for pair in found)
    assert called / 600 <= 0.05
