"""The words of a text that say what it is about: its lexical tokens without function words and question words."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files

from trivium.text.tokens import analyse


@cache
def _empty() -> frozenset[str]:
    """Return the tokens of the words that carry no content."""
    lines = files("trivium").joinpath("data/text/empty_words.txt").read_text("utf-8").splitlines()
    words = [word for line in lines if not line.startswith("#") for word in line.split()[1:]]
    return frozenset(token for word in words if word.isascii() for token in analyse(word)) | frozenset(
        word for word in words if not word.isascii()
    )


@lru_cache(maxsize=4096)
def content_terms(text: str) -> tuple[str, ...]:
    """Return the distinct lexical tokens of `text` that carry content, in the order of the text.

    A text of function words only keeps them all: `To be or not to be` is about its words.
    """
    tokens = tuple(dict.fromkeys(analyse(text)))
    content = tuple(token for token in tokens if token not in _empty())
    return content or tokens
