"""What is left after compression, counted by hand."""

from __future__ import annotations

import pytest

from trivium.evaluate.metrics.compression import Kept, kept
from trivium.types import Chunk, Example, Gold, Hit

TEXT = "The office opens at nine. The warranty lasts 24 months from purchase."
EXAMPLE = Example("q", "How long?", ("24 months",), (Gold("a.md", "The warranty lasts 24 months from purchase."),))


def count(text: str) -> int:
    return len(text.split())


def hit(text: str, source: str = "a.md") -> Hit:
    return Hit(Chunk(f"{source}:0", source, source, text, 0, len(text)), 1.0, ("dense",))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([TEXT], Kept(1.0, 1.0, 1.0)),
        (["The warranty lasts 24 months from purchase."], Kept(7 / 12, 1.0, 1.0)),
        (["warranty lasts months"], Kept(3 / 12, 3 / 6, 0.0)),
        ([], Kept(0.0, 0.0, 0.0)),
        (["The office opens", "24 months"], Kept(5 / 12, 2 / 6, 1.0)),
    ],
)
def test_shares(after: list[str], expected: Kept) -> None:
    found = kept([hit(TEXT)], after, EXAMPLE, count)
    assert (found.tokens, found.answer) == (pytest.approx(expected.tokens), expected.answer)
    assert found.evidence == pytest.approx(expected.evidence)


def test_what_was_not_there_is_not_lost() -> None:
    found = kept([hit("Brazil won the cup in Paris in that year.", "b.md")], [], EXAMPLE, count)
    assert found == Kept(0.0, None, None)
    assert kept([], [], EXAMPLE, count) == Kept(1.0, None, None)
