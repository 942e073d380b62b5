"""Have a model speak, whole or in pieces, with the tokens counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trivium.generate.manner import Manner
from trivium.models.base import Chat
from trivium.types import Completion, Message, Usage

OnText = Callable[[str], None]


def speak(chat: Chat, messages: Sequence[Message], manner: Manner, on_text: OnText | None = None) -> Completion:
    """Return what the model says, handing it on piece by piece where `on_text` is given.

    A stream reports no usage; its tokens are counted afterwards, without those of the chat template.
    """
    if on_text is None:
        return chat.complete(messages, max_tokens=manner.max_tokens, stop=manner.stop)
    parts = []
    for piece in chat.stream(messages, max_tokens=manner.max_tokens, stop=manner.stop):
        parts.append(piece)
        on_text(piece)
    return counted(chat, messages, "".join(parts))


def counted(chat: Chat, messages: Sequence[Message], text: str) -> Completion:
    """Return a streamed text as a completion."""
    read = sum(chat.count_tokens(message.content) for message in messages)
    return Completion(text, Usage(read, chat.count_tokens(text)), model=chat.name)
