"""A chat model as the reranker: shown a window of passages, it names their order.

RankGPT (Sun et al. 2023, "Is ChatGPT good at search?", arXiv:2304.09542): the window slides from the end of the list
to its beginning, so that a good passage is carried to the front. A JSON schema keeps the permutation parseable; what
is still no permutation is mended: a number named twice counts once, and one that is missing keeps its place behind.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from trivium import prompts
from trivium.models.base import Chat
from trivium.text.fence import numbered
from trivium.types import Hit, Usage

WINDOW = 8
"""Passages that are ordered at once."""
STRIDE = 4
"""Passages that the window moves on; half a window, as in the paper."""
_CHARACTERS = 600
"""Of a passage that are shown: its beginning."""
_TOKENS_A_NUMBER = 6


@dataclass(frozen=True, slots=True)
class Ranked:
    """Hits in the order that a model gave them.

    Attributes:
        hits: best first; `scores["listwise"]` is 1 for the first down to 0.
        windows: how many were shown.
        kept: how many of them were left as they were, since the model named no order.
        usage: of all calls.
    """

    hits: tuple[Hit, ...]
    windows: int = 0
    kept: int = 0
    usage: Usage = field(default_factory=Usage)


def listwise(question: str, hits: Sequence[Hit], chat: Chat, *, window: int = WINDOW, stride: int = STRIDE) -> Ranked:
    """Return the hits in the order that the chat model finds them helpful.

    Args:
        question: plain text.
        hits: best first.
        chat: a model that can be held to a JSON schema. It is called once a window.
        window: passages ordered at once, 2 or more.
        stride: passages that the window moves on, 1 to `window`.

    Raises:
        ContextOverflow: the window does not fit the model's context.
        ModelError: the model failed.
    """
    order, windows, kept, usage = list(hits), 0, 0, Usage()
    end = len(order)
    while end > 1:
        start = max(0, end - window)
        said = _asked(question, order[start:end], chat)
        order[start:end] = [order[start + place] for place in said.order]
        windows, kept, usage = windows + 1, kept + (not said.named), usage + said.usage
        if start == 0:
            break
        end -= stride
    best = max(len(order) - 1, 1)
    scored = (
        replace(hit, score=1 - place / best, scores={**hit.scores, "listwise": 1 - place / best})
        for place, hit in enumerate(order)
    )
    return Ranked(tuple(scored), windows, kept, usage)


@dataclass(frozen=True, slots=True)
class _Said:
    """The places of a window in their new order, how many of them the model named, and what it cost."""

    order: list[int]
    named: int
    usage: Usage


def _asked(question: str, hits: Sequence[Hit], chat: Chat) -> _Said:
    passages, code = numbered([hit.chunk.text[:_CHARACTERS] for hit in hits], question)
    numbers = list(range(1, len(hits) + 1))
    schema = {
        "type": "object",
        "properties": {"order": {"type": "array", "items": {"enum": numbers}, "maxItems": len(hits)}},
        "required": ["order"],
        "additionalProperties": False,
    }
    messages = prompts.fill("rank_passages", passages=passages, question=question, code=code)
    said = chat.complete(messages, max_tokens=16 + _TOKENS_A_NUMBER * len(hits), schema=schema)
    named = _numbers(said.text, len(hits))
    order = [*named, *(place for place in range(len(hits)) if place not in named)]
    return _Said(order, len(named), said.usage)


def _numbers(text: str, count: int) -> list[int]:
    """Return the places, from 0, that a reply names, each once; none where it is cut short or no order at all."""
    try:
        order = json.loads(text)["order"]
    except (ValueError, KeyError, TypeError):
        return []
    places = [number - 1 for number in order if isinstance(number, int) and 0 < number <= count]
    return list(dict.fromkeys(places))
