"""Prompts that show passages for another end than the answer: to grade one, to reason from some, to check a text."""

from __future__ import annotations

from collections.abc import Sequence

from trivium import prompts
from trivium.errors import ContextOverflow
from trivium.generate.frame import Framed, fence_code, frame
from trivium.generate.manner import manner_for
from trivium.models.base import Chat
from trivium.types import Hit, Message

_LEAST_ROOM = 64
_TEMPLATE = 48


def with_passages(
    prompt: str, question: str, passages: Sequence[Hit], chat: Chat, *, max_tokens: int, **places: str
) -> tuple[list[Message], Framed]:
    """Return a prompt with its passages framed and fitted, as many and in the form that a model of this size is shown.

    Args:
        prompt: a name in `data/prompts/`, with the places `{passages}`, `{code}`, `{question}` and those of `places`.
        question: one that stands by itself.
        passages: the most important first.
        chat: the model.
        max_tokens: of its reply, for which room is left.
        places: what else the prompt shows.

    Raises:
        ContextOverflow: the rest of the prompt alone is too long for the model.
    """
    manner = manner_for(chat)
    chosen = passages[: manner.passages]
    code = fence_code(question, chosen)
    bare = prompts.fill(prompt, question=question, passages="", code=code, **places)
    room = chat.context - max_tokens - sum(chat.count_tokens(message.content) for message in bare) - _TEMPLATE
    if room < _LEAST_ROOM:
        raise ContextOverflow(chat.context - room + _LEAST_ROOM, chat.context)
    budget = min(manner.budget, room)
    framed = frame(chosen, question=question, budget=budget, count=chat.count_tokens, plain=manner.plain)
    return prompts.fill(prompt, question=question, passages=framed.text, code=code, **places), framed
