"""The model alone, reasoning before it answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trivium import prompts
from trivium.generate.language import language_name
from trivium.generate.manner import CLOSED_BOOK
from trivium.generate.refuse import says_nothing
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.closed_book import spoken
from trivium.retrieve.search import clean_question
from trivium.types import Answer, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

_ANSWER = re.compile(r"(?:^|\n|\s)(?:final answer|answer|答案|回答)\s*[:：]\s*", re.IGNORECASE)


def chain_of_thought(
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
    """Answer after steps of reasoning (Wei et al. 2022, arXiv:2201.11903; in words alone, Kojima et al. 2022,
    arXiv:2205.11916).

    The answer is what follows the last "Answer:"; without one it is the last sentence. The reasoning is in the trace.
    The other arguments are those of `closed_book`; `max_tokens` bounds reasoning and answer together.

    Raises:
        UsageError: the question is empty.
        ModelError: the model failed.
    """
    asked = clean_question(question)
    system, user = prompts.fill("chain_of_thought", question=asked, language=language_name(asked))
    manner = replace(CLOSED_BOOK, max_tokens=max_tokens)
    said = spoken(question, [system, *history, user], chat, manner, on_text)
    answer = concluded(said.text)
    step = Step("conclude", {"reasoning": said.text})
    return replace(said, text=answer, refused=says_nothing(answer), trace=(*said.trace, step))


def concluded(text: str) -> str:
    """Return the answer at the end of a chain of thought."""
    marks = list(_ANSWER.finditer(text))
    if marks and (answer := text[marks[-1].end() :].strip()):
        return answer.splitlines()[0].strip(" *")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
