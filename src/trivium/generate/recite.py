"""A model's own memory put into words before it answers: a passage it writes, and an answer that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trivium import prompts
from trivium.generate.language import language_name
from trivium.generate.manner import CLOSED_BOOK
from trivium.generate.speak import OnText, speak
from trivium.models.base import Chat
from trivium.text.fence import neutralise
from trivium.types import Completion, Message

_TOKENS = 160


def recite(
    question: str, chat: Chat, *, history: Sequence[Message] = (), temperature: float = 0.0, seed: int = 0
) -> Completion:
    """Return a passage that the model writes from memory for a question, on one line; it may be empty.

    Raises:
        ContextOverflow: the question is too long for the model.
        ModelError: the model failed.
    """
    system, user = prompts.fill("recite", question=question, language=language_name(question))
    said = chat.complete([system, *history, user], max_tokens=_TOKENS, temperature=temperature, seed=seed)
    return replace(said, text=" ".join(said.text.split()))


def read_recited(
    question: str,
    passage: str,
    chat: Chat,
    *,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
    max_tokens: int = CLOSED_BOOK.max_tokens,
) -> Completion:
    """Return the model's answer after a passage of its own; without one, it is asked as if there had been none.

    Raises:
        ContextOverflow: question and passage are too long for the model.
        ModelError: the model failed.
    """
    language = language_name(question)
    if passage:
        own = neutralise(passage)
        system, user = prompts.fill("read_recited", question=question, passage=own, language=language)
    else:
        system, user = prompts.fill("closed_book", question=question, language=language)
    return speak(chat, [system, *history, user], replace(CLOSED_BOOK, max_tokens=max_tokens), on_text)
