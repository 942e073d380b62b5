"""One division of the questions for all roads: to learn from, to choose by, and to be measured on once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trivium.errors import UsageError
from trivium.tasks.leak import leaks_between, same
from trivium.tasks.split import split
from trivium.types import Example

SHARES: Mapping[str, float] = {"train": 0.25, "validation": 0.15, "test": 0.60}
"""Of the questions: the test part is the largest, since every interval comes from it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The questions by what they may be used for.

    Attributes:
        train: for solved examples and for tuning.
        validation: for every choice.
        test: looked at once, by every arm.
        leaked: ids of training and validation questions that were left out: a test question is the same, or nearly the
            same with the same answer.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    leaked: tuple[str, ...] = ()


def divide(examples: Sequence[Example], *, shares: Mapping[str, float] = SHARES, seed: int = 0) -> Parts:
    """Divide questions by their source documents; what a test question repeats is taken out of the other parts.

    Args:
        examples: with unique ids.
        shares: of "train", "validation" and "test".
        seed: another seed, another division.

    Raises:
        UsageError: the shares name other parts, or no question is left to test.
    """
    if set(shares) != set(SHARES):
        raise UsageError(f"The parts {sorted(shares)} cannot be used.", "Name train, validation and test.")
    if shares["test"] >= 1.0:
        return Parts((), (), tuple(examples))
    wanted = {name: share for name, share in shares.items() if share > 0}
    parts = split(examples, wanted, seed=seed).parts
    test = tuple(parts["test"])
    if not test:
        raise UsageError("No question is left to test.", "Give more questions, or a larger share for the test.")
    others = {name: tuple(parts.get(name, ())) for name in ("train", "validation")}
    leaked = {key for found in others.values() for key in _leaked(found, test)}
    kept = {name: tuple(one for one in found if one.id not in leaked) for name, found in others.items()}
    return Parts(kept["train"], kept["validation"], test, tuple(sorted(leaked)))


def _leaked(examples: Sequence[Example], test: Sequence[Example]) -> Iterator[str]:
    """Yield the ids of the examples that give away a test question.

    Questions of one mould ("Who wrote ...?") are alike and give nothing away while their answers differ.
    """
    answers = {one.id: {same(answer) for answer in one.answers} for one in (*examples, *test)}
    for leak in leaks_between(examples, test, of=("question",)):
        if leak.exact or answers[leak.left] & answers[leak.right]:
            yield leak.left
