"""Cut a text to what a model reads of it."""

from __future__ import annotations

from collections.abc import Callable

from trivium.types import Span

_SPECIAL = 4
"""Tokens that a model adds to a text of its own, at most."""


def clip(text: str, tokens: Callable[[str], list[Span]], limit: int) -> str:
    """Return the beginning of `text` that has at most `limit` tokens, those that a model adds included.

    Args:
        text: of any length.
        tokens: gives the span of each token, as `Embedder.token_spans`.
        limit: as `Embedder.max_tokens`.
    """
    if len(text) <= limit - _SPECIAL:  # a token has a character at least
        return text
    spans = tokens(text)[: max(limit - _SPECIAL, 1)]
    return text[: spans[-1][1]] if spans else text
