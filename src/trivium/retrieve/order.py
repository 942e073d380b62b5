"""The order in which passages are shown to the model."""

from __future__ import annotations

from collections.abc import Sequence

from trivium.types import Hit


def lost_in_the_middle(hits: Sequence[Hit]) -> list[Hit]:
    """Return the best hits at both ends and the worst in the middle: 1, 3, 5, …, 6, 4, 2.

    Models use the beginning and the end of a long context best: Liu et al. 2023, "Lost in the middle: how
    language models use long contexts", arXiv:2307.03172.
    """
    return [*hits[0::2], *reversed(hits[1::2])]
