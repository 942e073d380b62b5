"""Answer in the words of a document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from trivium.text.sentences import sentence_spans
from trivium.types import Hit

_FENCE = re.compile(r"^\s*(?:```|~~~).*$", re.MULTILINE)
_HEADING = re.compile(r"#{1,6}\s")
_LONGEST = 400
"""Width of a quotation; a Chinese character counts two."""


def passage_from(sentence: Hit, passages: Sequence[Hit]) -> Hit:
    """Return the sentence with those that follow it, up to the next heading and `_LONGEST`.

    Args:
        sentence: a hit narrowed to one sentence.
        passages: the passages that it was taken from.
    """
    chunk = sentence.chunk
    whole = next((hit.chunk for hit in passages if hit.chunk.id == chunk.id and hit.chunk.end >= chunk.end), chunk)
    text = whole.text[chunk.start - whole.start :]
    longest = 0
    for start, end in sentence_spans(text):
        if start > 0 and (_HEADING.match(text, start) or _width(text[:end]) > _LONGEST):
            break
        longest = end
    longest = max(longest, len(chunk.text))
    return replace(sentence, chunk=replace(chunk, text=text[:longest], end=chunk.start + longest))


def quoted(text: str, number: int) -> str:
    """Return a quotation on one line with its marker: `“It lasts 24 months.” [1]`; code fences are left out."""
    words = " ".join(_FENCE.sub(" ", text).split())
    return f"“{words}” [{number}]"


def _width(text: str) -> int:
    return len(text) + sum("\u2e80" <= character <= "\uffef" for character in text)
