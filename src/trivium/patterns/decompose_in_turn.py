"""Sub-questions in sequence: each next one is asked with the answers of those before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.queries import ask_next
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.advanced import advanced
from trivium.patterns.combine import combine
from trivium.patterns.run import Run
from trivium.patterns.steps import understand
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def decompose_in_turn(
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
    parts: int = 4,
) -> Answer:
    """Answer from the answers of simpler questions, asked one after the other (Press et al. 2022, self-ask,
    arXiv:2210.03350; with a search at each step).

    The model asks the next question with the answers so far before it, until it is done, repeats itself or has asked
    `parts`. Each is answered as `advanced` answers; then as in `decompose`.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    solved: list[Answer] = []
    while len(solved) < parts:
        with run.step("ask next") as detail:
            following = ask_next(asked, [(one.question, one.text) for one in solved], chat)
            run.usage += following.usage
            detail |= {"question": following.question, "objection": following.objection, "said": following.said}
        if not following.question:
            break
        solved.append(
            advanced(
                following.question,
                chat=chat,
                index=index,
                k=k,
                principals=principals,
                where=where,
                reranker=reranker,
            )
        )
    return combine(
        run,
        question,
        asked,
        solved,
        chat=chat,
        index=index,
        k=k,
        principals=principals,
        where=where,
        history=history,
        on_text=on_text,
        reranker=reranker,
    )
