"""The ways to answer a question, one file each: a short function that reads like its paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trivium.patterns.advanced import advanced
from trivium.patterns.closed_book import closed_book
from trivium.patterns.naive import naive
from trivium.types import Answer

PATTERNS: Mapping[str, Callable[..., Answer]] = {
    "closed_book": closed_book,
    "naive": naive,
    "advanced": advanced,
}
