"""Have a model choose from a list: an answer that is always one of the choices, however weak the model.

A JSON schema admits nothing else. That the choice can be read says nothing of its being right.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from trivium.models.base import Chat
from trivium.types import Message, Usage


@dataclass(frozen=True, slots=True)
class Choice:
    """What a model chose: one of the choices or several; none where its reply could not be read."""

    chosen: tuple[str, ...]
    usage: Usage = field(default_factory=Usage)

    @property
    def first(self) -> str:
        """The choice where there is one; "" where there is none."""
        return self.chosen[0] if self.chosen else ""


def choose_one(messages: Sequence[Message], choices: Sequence[str], chat: Chat) -> Choice:
    """Return the one of `choices` that the model replies with, as `{"choice": …}`.

    Raises:
        ModelError: the model failed.
    """
    return _chosen(messages, {"enum": list(choices)}, choices, chat, _longest(choices))


def choose_some(messages: Sequence[Message], choices: Sequence[str], chat: Chat, *, most: int) -> Choice:
    """Return those of `choices`, none to `most`, that the model replies with, as `{"choice": [ … ]}`.

    Raises:
        ModelError: the model failed.
    """
    schema = {"type": "array", "items": {"enum": list(choices)}, "maxItems": most}
    return _chosen(messages, schema, choices, chat, most * _longest(choices))


def _longest(choices: Sequence[str]) -> int:
    return max(len(choice.encode()) for choice in choices) + 8


def _chosen(messages: Sequence[Message], schema: object, choices: Sequence[str], chat: Chat, length: int) -> Choice:
    whole = {"type": "object", "properties": {"choice": schema}, "required": ["choice"], "additionalProperties": False}
    # A token has a byte at least, and the braces and the name around the choice are a few more.
    said = chat.complete(messages, max_tokens=min(length + 16, 256), schema=whole)
    try:
        reply = json.loads(said.text)["choice"]
    except (ValueError, KeyError, TypeError):
        return Choice((), said.usage)
    replies = reply if isinstance(reply, list) else [reply]
    return Choice(tuple(dict.fromkeys(one for one in replies if one in choices)), said.usage)
