"""The model alone: the road to compare grounding and tuning with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trivium import prompts
from trivium.generate.answer import Draft
from trivium.generate.language import language_name
from trivium.generate.manner import CLOSED_BOOK, Manner
from trivium.generate.refuse import says_nothing
from trivium.generate.speak import OnText, speak
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run
from trivium.retrieve.search import clean_question
from trivium.types import Answer, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def closed_book(
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
    max_tokens: int = CLOSED_BOOK.max_tokens,
) -> Answer:
    """Answer from the model's own memory (Roberts et al. 2020, arXiv:2002.08910): nothing is retrieved or cited.

    Of the arguments only `question`, `chat`, `history`, `on_text` and `max_tokens` (of the answer) are used; the
    others make every pattern callable alike.

    Raises:
        UsageError: the question is empty.
        ModelError: the model failed.
    """
    asked = clean_question(question)
    system, user = prompts.fill("closed_book", question=asked, language=language_name(asked))
    return spoken(question, [system, *history, user], chat, replace(CLOSED_BOOK, max_tokens=max_tokens), on_text)


def spoken(
    question: str, messages: Sequence[Message], chat: Chat, manner: Manner, on_text: OnText | None = None
) -> Answer:
    """Return what the model says to messages as an answer without passages; a stated ignorance is a refusal."""
    run = Run()
    run.generate()
    said = speak(chat, messages, manner, on_text)
    step = Step("generate", {"model": chat.name, "finish": said.finish_reason})
    return run.finish(question, Draft(said.text.strip(), says_nothing(said.text), usage=said.usage, steps=(step,)))
