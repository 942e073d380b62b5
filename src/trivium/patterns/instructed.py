"""The model alone, told how to answer: what a prompt by itself can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trivium import prompts
from trivium.generate.manner import CLOSED_BOOK
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.closed_book import spoken
from trivium.retrieve.search import clean_question
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

INSTRUCTIONS = (
    "Answer with the answer alone: a name, a number, a date or a short phrase, in the language of the question. "
    "No explanation, no full sentence. If you do not know the answer, say: I do not know."
)


def instructed(
    question: str,
    *,
    chat: Chat,
    index: Index | None = None,
    k: int = 0,
    principals: Sequence[str] | None = None,
    where: str | Where | None = None,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
    reranker: Reranker | None = None,
    instructions: str = INSTRUCTIONS,
    max_tokens: int = CLOSED_BOOK.max_tokens,
) -> Answer:
    """Answer from the model's own memory, following instructions (Wei et al. 2021, arXiv:2109.01652).

    Args:
        question: plain text.
        chat: the model.
        index, k, principals, where, reranker: not used.
        history: the turns before, oldest first.
        on_text: receives the text as it comes.
        instructions: what the model is told before the question, as its system message.
        max_tokens: of the answer.

    Raises:
        UsageError: the question is empty.
        ModelError: the model failed.
    """
    system, user = prompts.fill("instructed", instructions=instructions, question=clean_question(question))
    return spoken(question, [system, *history, user], chat, replace(CLOSED_BOOK, max_tokens=max_tokens), on_text)
