"""How much each word of a text tells a language model: its self-information, -log p(word | what stands before)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trivium.models.base import Scorer
from trivium.text.chinese import segment
from trivium.types import Span, TokenLogprob

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PIECE = re.compile(rf"[{_HAN}]+|[^\s{_HAN}]+")
_HAN_RUN = re.compile(rf"[{_HAN}]")
BEFORE = 1200
"""Characters of what stands before a text that are read with it."""
_CHARACTERS_A_CALL = 1200
"""Of the text itself: with what stands before it, 600 tokens of English, 7,200 of Chinese read byte by byte."""


def words(text: str) -> list[Span]:
    """Return the span of each word, with the marks that stand at it; Chinese is cut by the dictionary."""
    found: list[Span] = []
    for match in _PIECE.finditer(text):
        at = match.start()
        parts = segment(match.group()) if _HAN_RUN.match(match.group()) else [match.group()]
        for part in parts:
            found.append((at, at + len(part)))
            at += len(part)
    return found


def information(text: str, spans: Sequence[Span], scorer: Scorer, before: str = "") -> list[float]:
    """Return the self-information of each span of `text` in nats: the sum over its tokens.

    Args:
        text: what is measured.
        spans: the words of `text`, in order.
        scorer: the language model.
        before: what stands before the text; only its last `BEFORE` characters are read.

    Raises:
        ContextOverflow: the model's context is too small for a piece of the text.
        ModelError: the model failed.
    """
    found: list[float] = []
    first = 0
    while first < len(spans):
        start = spans[first][0]
        last = first + 1
        while last < len(spans) and spans[last][1] - start <= _CHARACTERS_A_CALL:
            last += 1
        prefix = (before + text[:start])[-BEFORE:]
        piece = prefix + text[start : spans[last - 1][1]]
        shift = start - len(prefix)
        nats = _by_character(piece, scorer.score(piece))
        found += [sum(nats[begin - shift : end - shift]) for begin, end in spans[first:last]]
        first = last
    return found


def _by_character(text: str, tokens: Sequence[TokenLogprob]) -> list[float]:
    """Return the nats of each character of `text`: a token's are spread evenly over its characters.

    The tokens of one character (bytes of Chinese or of an emoji) read as marks of what cannot be shown: together they
    are spread over the stretch up to the next token that can be found. White space carries nothing.
    """
    nats = [0.0] * len(text)
    at, waiting = 0, 0.0
    for token in tokens:
        words = token.token.strip()
        if not words:
            continue
        start = text.find(words, at) if "\ufffd" not in words else -1
        if start < 0 or (not waiting and text[at:start].strip()):
            waiting -= token.logprob
            continue
        waiting = _spread(nats, text, (at, start), waiting)
        at = start + len(words)
        _spread(nats, text, (start, at), waiting - token.logprob)
        waiting = 0.0
    _spread(nats, text, (at, len(text)), waiting)
    return nats


def _spread(nats: list[float], text: str, span: Span, amount: float) -> float:
    """Add an amount to the characters of a span that are no white space; return what found none."""
    places = [place for place in range(*span) if not text[place].isspace()]
    for place in places:
        nats[place] += amount / len(places)
    return 0.0 if places else amount
