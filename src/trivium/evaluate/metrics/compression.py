"""What compression leaves: how much of the passages, of the gold evidence in them, and of the answers in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trivium.evaluate.metrics.normal import loose
from trivium.evaluate.relevance import holds_answer, holds_evidence
from trivium.types import Example, Gold, Hit


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of the passages of one question, each as a share from 0 to 1.

    Attributes:
        tokens: of the passages' tokens.
        evidence: of the words of the gold evidence that the passages held, as a mean over its pieces; None where they
            held none.
        answer: 1 where an answer that stood in them still stands there, word by word, else 0; None where none did.
    """

    tokens: float
    evidence: float | None
    answer: float | None


def kept(before: Sequence[Hit], after: Sequence[str], example: Example, count: Callable[[str], int]) -> Kept:
    """Compare passages with what a compressor left of them.

    Args:
        before: the passages.
        after: the texts that a reader is shown in their place.
        example: with gold evidence, answers, or both.
        count: counts the tokens of a text.
    """
    whole = sum(count(hit.chunk.text) for hit in before)
    left = Counter(loose("\n".join(after)).split())
    shares = [_share(gold, before, left) for gold in example.evidence]
    known = [share for share in shares if share is not None]
    had = holds_answer("\n".join(hit.chunk.text for hit in before), example.answers)
    return Kept(
        sum(count(text) for text in after) / whole if whole else 1.0,
        sum(known) / len(known) if known else None,
        float(holds_answer("\n".join(after), example.answers)) if had else None,
    )


def _share(gold: Gold, before: Sequence[Hit], left: Counter[str]) -> float | None:
    """Return the share of a piece's words, of those that its passages hold, that are left; None where none hold it."""
    holders = [hit.chunk.text for hit in before if holds_evidence(hit.chunk.text, hit.chunk.source, gold)]
    there = Counter(loose("\n".join(holders)).split())
    wanted = Counter(loose(gold.text).split()) & there if gold.text.strip() else there
    return (wanted & left).total() / wanted.total() if wanted else None
