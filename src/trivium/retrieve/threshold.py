"""Drop hits that score too little."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from trivium.types import Hit


def at_least(hits: Sequence[Hit], least: float | Mapping[str, float]) -> list[Hit]:
    """Return the hits that reach a score, in their order.

    Args:
        hits: any hits.
        least: the least `score`; or the least score by the name of an arm, of which reaching one is enough
            (an arm that did not find the hit is not reached).
    """
    if isinstance(least, Mapping):
        return [hit for hit in hits if any(hit.scores.get(arm, -math.inf) >= low for arm, low in least.items())]
    return [hit for hit in hits if hit.score >= least]
