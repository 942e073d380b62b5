"""The end of the patterns that split a question: join what the parts found, and answer with their answers in view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.manner import Manner
from trivium.generate.queries import one_line
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, cited, read, resting_on
from trivium.retrieve.many import fuse_queries, scored_for
from trivium.retrieve.search import search
from trivium.types import Answer, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def combine(
    run: Run,
    question: str,
    asked: str,
    solved: Sequence[Answer],
    *,
    chat: Chat,
    index: Index,
    k: int,
    principals: Sequence[str] | None,
    where: str | Where | None,
    history: Sequence[Message],
    on_text: OnText | None,
    reranker: Reranker | None,
    manner: Manner | None = None,
) -> Answer:
    """Return the answer to a question from its own passages and from those of sub-questions, as steps of the run.

    The answers to the sub-questions stand before the question as turns of the conversation; refusals do not. A model
    that extracts (`generate/manner.py`) sees no turns: from the parts it gets their passages alone.

    Args:
        run: takes the steps, and the tokens that the sub-questions took.
        question: as it was put.
        asked: as it stands by itself.
        solved: the answers to the sub-questions.
        chat, index, k, principals, where, history, on_text, reranker: those of every pattern.
        manner: how to ask for the answer; None goes by the model's size.

    Raises:
        ModelError: a model failed.
    """
    turns: list[Message] = []
    for one in solved:
        run.usage += one.usage
        detail = {"question": one.question, "answer": one.text, "refused": one.refused, **found(one.hits)}
        run.steps.append(Step("sub-question", detail, one.seconds.total))
        if not one.refused:
            turns += [Message("user", one.question), Message("assistant", one_line(one.text))]
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        own = search(index, asked, k=wanted, where=where, principals=principals)
        joined = fuse_queries([own, *(one.hits for one in solved)])[:wanted]
        hits = scored_for(index, asked, joined, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    answer = read(
        run,
        question,
        asked,
        choose(run, asked, hits, k, reranker),
        chat=chat,
        index=index,
        principals=principals,
        history=[*history, *turns],
        on_text=on_text,
        manner=manner,
    )
    return resting_on(answer, (hit for one in solved for hit in cited(one)))
