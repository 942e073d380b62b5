"""Sub-questions in parallel: split the question, answer each part by itself, combine."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from trivium.generate.queries import ask_queries
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


def decompose(
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
    """Answer from the answers of simpler questions and their passages (Perez et al. 2020, arXiv:2002.09758).

    Each sub-question is answered as `advanced` answers, all at the same time; the answers stand before the question
    as turns of the conversation, and the passages of all are joined with its own by reciprocal rank. Where the model
    writes nothing usable, the question is answered as one.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("decompose") as detail:
        written = ask_queries("decompose", asked, chat, most=parts)
        run.usage += written.usage
        detail |= written.told

    def solve(part: str) -> Answer:
        return advanced(part, chat=chat, index=index, k=k, principals=principals, where=where, reranker=reranker)

    solved: list[Answer] = []
    if written.texts:
        with ThreadPoolExecutor(len(written.texts)) as pool:
            solved = list(pool.map(solve, written.texts))
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
