"""Drop passages that repeat a better one in nearly the same words: context is not spent twice.

Resemblance is the Jaccard similarity of word shingles (Broder 1997, "On the resemblance and containment of
documents"). The lists here are tens of hits, so the sets are compared as they are, without sketches.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from trivium.text.normalise import normalise
from trivium.types import Hit

_UNIT = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\W_]+")
SHINGLE = 3
"""Words (or Chinese characters) in a shingle."""


def shingles(text: str, *, size: int = SHINGLE) -> frozenset[int]:
    """Return the hashes of each run of `size` words (or CJK characters), or of a shorter text as a whole."""
    units = _UNIT.findall(normalise(text))
    if len(units) <= size:
        return frozenset({hash(tuple(units))})
    return frozenset(hash(run) for run in zip(*(units[offset:] for offset in range(size)), strict=False))


def resemblance(left: frozenset[int], right: frozenset[int]) -> float:
    """Return the Jaccard similarity of two sets, 0 to 1; two empty sets are the same."""
    common = len(left & right)
    union = len(left) + len(right) - common
    return common / union if union else 1.0


def dedupe(hits: Sequence[Hit], *, threshold: float = 0.8) -> list[Hit]:
    """Return the hits without those that resemble a better-ranked one by at least `threshold`.

    Args:
        hits: best first; the order is kept.
        threshold: the Jaccard similarity from which two passages count as one.
    """
    kept: list[Hit] = []
    sets: list[frozenset[int]] = []
    for hit in hits:
        these = shingles(hit.chunk.text)
        if any(_may_reach(these, those, threshold) for those in sets):
            continue
        kept.append(hit)
        sets.append(these)
    return kept


def _may_reach(left: frozenset[int], right: frozenset[int], threshold: float) -> bool:
    # The smaller set over the larger bounds the similarity: most pairs are settled without intersecting.
    small, large = sorted((len(left), len(right)))
    return small >= threshold * large and resemblance(left, right) >= threshold
