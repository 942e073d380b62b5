"""Generate, then read: the model writes a passage from memory and answers from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.answer import Draft
from trivium.generate.manner import CLOSED_BOOK
from trivium.generate.recite import read_recited, recite
from trivium.generate.refuse import says_nothing
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run
from trivium.retrieve.search import clean_question
from trivium.types import Answer, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def genread(
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
    """Answer from a passage that the model wrote itself (Yu et al. 2022, arXiv:2209.10063): no search, no citation.

    The passage is in the trace; nobody vouches for it. Of the arguments only `question`, `chat`, `history`, `on_text`
    and `max_tokens` (of the answer) are used.

    Raises:
        UsageError: the question is empty.
        ModelError: the model failed.
    """
    run = Run()
    asked = clean_question(question)
    with run.step("recite") as detail:
        passage = recite(asked, chat, history=history)
        run.usage += passage.usage
        detail["passage"] = passage.text
    run.generate()
    said = read_recited(asked, passage.text, chat, history=history, on_text=on_text, max_tokens=max_tokens)
    step = Step("generate", {"model": chat.name, "finish": said.finish_reason})
    return run.finish(question, Draft(said.text.strip(), says_nothing(said.text), usage=said.usage, steps=(step,)))
