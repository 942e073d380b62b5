"""The model alone with solved examples before the question: in-context learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from trivium import prompts
from trivium.errors import UsageError
from trivium.generate.manner import CLOSED_BOOK
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Embedder, Reranker
from trivium.patterns.closed_book import spoken
from trivium.patterns.instructed import INSTRUCTIONS
from trivium.retrieve.search import clean_question
from trivium.types import Answer, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

_TURN = 8
"""Tokens that a chat template puts around a turn."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A solved example."""

    question: str
    answer: str


Shots = Callable[[str], Sequence[Shot]]
"""Chooses the examples for a question, the most helpful last: it stands nearest to the question."""


def fixed(shots: Sequence[Shot]) -> Shots:
    """Return a choice that is the same for every question."""
    return lambda question: shots


def nearest(shots: Sequence[Shot], embedder: Embedder, n: int) -> Shots:
    """Return a choice of the `n` examples whose questions mean most nearly the same (Liu et al. 2022,
    "What makes good in-context examples for GPT-3?", arXiv:2101.06804).

    Raises:
        UsageError: there are no examples.
    """
    if not shots:
        raise UsageError("There are no examples to choose from.", "Give training questions with answers.")
    vectors = embedder.embed([shot.question for shot in shots])

    def choose(question: str) -> Sequence[Shot]:
        order = np.argsort(-(vectors @ embedder.embed_query(question)), kind="stable")[:n]
        return [shots[place] for place in reversed(order)]

    return choose


def few_shot(
    question: str,
    *,
    chat: Chat,
    shots: Shots,
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
    """Answer after solved examples, each a turn of the conversation (Brown et al. 2020, arXiv:2005.14165).

    Examples that do not fit the model's context are left out, those furthest from the question first; the trace says
    how many were shown. The other arguments are those of `instructed`.

    Raises:
        UsageError: the question is empty.
        ModelError: the model failed.
    """
    asked = clean_question(question)
    system, user = prompts.fill("instructed", instructions=instructions, question=asked)
    chosen = list(shots(asked))
    shown = _fitting(chosen, chat, [system, *history, user], max_tokens)
    turns = [turn for shot in shown for turn in (Message("user", shot.question), Message("assistant", shot.answer))]
    manner = replace(CLOSED_BOOK, max_tokens=max_tokens)
    said = spoken(question, [system, *turns, *history, user], chat, manner, on_text)
    step = Step("shots", {"shown": len(shown), "left_out": len(chosen) - len(shown)})
    return replace(said, trace=(step, *said.trace))


def _fitting(shots: Sequence[Shot], chat: Chat, others: Sequence[Message], max_tokens: int) -> Sequence[Shot]:
    room = chat.context - max_tokens - sum(chat.count_tokens(turn.content) + _TURN for turn in others)
    for place in range(len(shots) - 1, -1, -1):
        room -= chat.count_tokens(shots[place].question) + chat.count_tokens(shots[place].answer) + 2 * _TURN
        if room < 0:
            return shots[place + 1 :]
    return shots
