"""Which stored chunks hold the answer to a question: the whole knowledge base, not only what a search found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from trivium.evaluate.failure.kinds import Holders
from trivium.types import Chunk, Example

if TYPE_CHECKING:
    from trivium.index import Index


def holders_of(index: Index, *, principals: Sequence[str] | None = None) -> Holders:
    """Return the look-up of a knowledge base, as one asker may read it. Its chunks are read once and kept.

    Args:
        index: the knowledge base.
        principals: who asks; None is an unknown asker.
    """
    raise NotImplementedError


def holders_in(chunks: Iterable[Chunk]) -> Holders:
    """Return the look-up of some chunks."""
    raise NotImplementedError


def unheld(examples: Iterable[Example], corpus: Holders) -> list[str]:
    """Return the ids of answerable examples whose answer no stored chunk holds: FP1 before any question is asked."""
    raise NotImplementedError
