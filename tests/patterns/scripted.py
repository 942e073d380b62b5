"""A chat model that says what it was told to say to each prompt, and a look into the trace of an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trivium import prompts
from trivium.models.fake import FakeChat
from trivium.types import Answer, Message


def step(answer: Answer, name: str) -> Any:
    return next(step.detail for step in answer.trace if step.name == name)


def scripted(replies: Mapping[str, Any], otherwise: str = "The warranty lasts 24 months.", **kwargs: Any) -> FakeChat:
    """A model that replies as told to each prompt, by its name, and `otherwise` to the rest.

    The replies of a list are given in turn, the last one from then on.
    """
    left = {name: list(said) if isinstance(said, list) else said for name, said in replies.items()}

    def reply(messages: Sequence[Message]) -> str:
        for name, said in left.items():
            if messages[0].content[:60] == prompts.load(name).messages[0].content[:60]:
                now = (said.pop(0) if len(said) > 1 else said[0]) if isinstance(said, list) else said
                return now if isinstance(now, str) else json.dumps(now, ensure_ascii=False)
        return otherwise

    return FakeChat(reply, **kwargs)


def steps(answer: Answer, name: str) -> list[Any]:
    """The details of every step of this name, in order."""
    return [step.detail for step in answer.trace if step.name == name]
