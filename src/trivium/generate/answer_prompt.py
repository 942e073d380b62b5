"""The prompt of a grounded answer: passages framed and fitted into the room that the question leaves.

Training asks for it too (`trivium.tasks.training.raft`), so that a model is taught the very prompt that it will get.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from trivium import prompts
from trivium.errors import ContextOverflow
from trivium.generate.frame import Framed, fence_code, frame
from trivium.generate.language import language_name, refusal_text
from trivium.generate.manner import Manner
from trivium.types import Hit, Message


class Reads(Protocol):
    """What is asked of a model before it speaks; a `Chat` is one."""

    @property
    def context(self) -> int: ...

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of `text`, without special tokens."""
        ...


Arrange = Callable[[Sequence[Hit]], list[Hit]]
_LEAST_ROOM = 64
"""Tokens that are left for passages however long the rest of the prompt is."""


def shown(
    question: str,
    passages: Sequence[Hit],
    chat: Reads,
    manner: Manner,
    *,
    turns: Sequence[Message] = (),
    arrange: Arrange | None = None,
) -> tuple[list[Message], Framed]:
    """Return the prompt that a model gets, without the turns before, and the passages that stand in it.

    Args:
        question: one that stands by itself.
        passages: the most important first.
        chat: the model, or anything that counts its tokens.
        manner: how to ask.
        turns: the turns before, for which room is left.
        arrange: the order in which the passages that fit are shown.

    Raises:
        ContextOverflow: the question alone is too long for the model.
    """
    chosen = passages[: manner.passages]
    framed = _framed(question, chosen, turns, chat, manner, arrange)
    return _filled(question, framed.text, manner, fence_code(question, chosen)), framed


def _framed(
    question: str,
    passages: Sequence[Hit],
    turns: Sequence[Message],
    chat: Reads,
    manner: Manner,
    arrange: Arrange | None,
) -> Framed:
    rest = "\n".join(message.content for message in [*_filled(question, "", manner, "00000000"), *turns])
    # The chat template adds some tokens to each message.
    room = chat.context - manner.max_tokens - chat.count_tokens(rest) - 16 * (3 + len(turns))
    if room < _LEAST_ROOM:
        raise ContextOverflow(chat.context - room + _LEAST_ROOM, chat.context)
    return frame(
        passages,
        question=question,
        budget=min(manner.budget, room),
        count=chat.count_tokens,
        plain=manner.plain,
        arrange=arrange,
    )


def _filled(question: str, passages: str, manner: Manner, code: str) -> list[Message]:
    values = {
        "passages": passages,
        "question": question,
        "code": code,
        "refusal": refusal_text(question),
        "language": language_name(question),
    }
    template = prompts.load(manner.prompt)
    return template.fill(**{name: value for name, value in values.items() if name in template.places})
