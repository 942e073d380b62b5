"""The ways to answer a question, one file each: a short function that reads like its paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trivium.patterns.advanced import advanced
from trivium.patterns.chain_of_thought import chain_of_thought
from trivium.patterns.closed_book import closed_book
from trivium.patterns.instructed import instructed
from trivium.patterns.listwise import listwise
from trivium.patterns.long_context import long_context
from trivium.patterns.naive import naive
from trivium.patterns.retrieve_only import retrieve_only
from trivium.types import Answer

PATTERNS: Mapping[str, Callable[..., Answer]] = {
    "closed_book": closed_book,
    "instructed": instructed,
    "chain_of_thought": chain_of_thought,
    "retrieve_only": retrieve_only,
    "long_context": long_context,
    "naive": naive,
    "advanced": advanced,
    "listwise": listwise,
}
ALONE = ("closed_book", "instructed", "chain_of_thought")
"""Those that are shown no passage and need no knowledge base."""
