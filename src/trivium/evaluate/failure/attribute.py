"""Name the one primary failure point of a wrong answer, from its trace and the gold evidence."""

from __future__ import annotations

from collections.abc import Mapping

from trivium.evaluate.failure.kinds import Failure, Holders, Rank
from trivium.types import Answer, Example

DEEP = 200
"""Hits of a deep search for the rank of what was missed."""


def attribute(
    example: Example,
    answer: Answer,
    scores: Mapping[str, float | None],
    *,
    corpus: Holders | None = None,
    rank: Rank | None = None,
    right: bool | None = None,
    closed_book_right: bool | None = None,
) -> Failure | None:
    """Return the primary failure point of an answer; None where the answer is right.

    Args:
        example: the question with its gold answer and evidence.
        answer: what the system said, with its trace where it has one.
        scores: of `trivium.evaluate.score.score`.
        corpus: gives the stored chunks that hold the answer (see `holders_of`); None where there is no knowledge base
            to look into.
        rank: the system's own search, for the rank of what it missed; None where it cannot be searched.
        right: whether the answer is right; None asks `trivium.evaluate.score.right`.
        closed_book_right: whether the same model was right without any passage; None where that was not run.
    """
    raise NotImplementedError
