"""Adaptive-RAG: as much searching as the question is hard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium import prompts
from trivium.generate.choose import choose_one
from trivium.generate.manner import manner_for
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.advanced import advanced
from trivium.patterns.ircot import ircot
from trivium.patterns.run import Run
from trivium.patterns.steps import from_memory, understand
from trivium.retrieve.difficulty import LEVELS, difficulty
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def adaptive(
    question: str,
    *,
    chat: Chat,
    index: Index,
    k: int = 10,
    principals: Sequence[str] | None = None,
    where: str | Where | None = None,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
    reranker: Reranker | None = None,
) -> Answer:
    """Answer from memory, from one search, or from several, by the difficulty of the question (Jeong et al. 2024,
    arXiv:2403.14403).

    Rules on the wording decide first (`retrieve/difficulty.py`), then the model, where it is large enough to be asked;
    where neither does, one search. The roads are those of `closed_book`, `advanced` and `ircot`. The paper trains a
    classifier for the choice.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("difficulty") as detail:
        level, how = difficulty(asked), "rule"
        if not level and manner_for(chat).extracts:
            level, how = "one", "default"
        elif not level:
            choice = choose_one(prompts.fill("difficulty", question=asked), LEVELS, chat)
            run.usage += choice.usage
            level, how = (choice.first, "model") if choice.first else ("one", "default")
        detail |= {"searches": level, "how": how}
    if level == "none":
        return from_memory(run, question, asked, chat, history, on_text)
    road = ircot if level == "several" else advanced
    said = road(
        asked,
        chat=chat,
        index=index,
        k=k,
        principals=principals,
        where=where,
        history=history,
        on_text=on_text,
        reranker=reranker,
    )
    return run.hand_on(question, said)
