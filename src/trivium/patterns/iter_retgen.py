"""ITER-RETGEN: search again with the answer so far, which says what the question leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.queries import one_line
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, cited, read, resting_on, understand
from trivium.retrieve.many import scored_for
from trivium.retrieve.search import search
from trivium.types import Answer, Hit, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def iter_retgen(
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
    rounds: int = 2,
) -> Answer:
    """Answer in rounds, each from what the question with the answer before finds (Shao et al. 2023, arXiv:2305.15294).

    The answer of the last round is the answer. A round that refuses ends the search: there is nothing to search with.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        hits = search(index, asked, k=wanted, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    hits = choose(run, asked, hits, k, reranker)
    earlier: list[Hit] = []
    for _ in range(rounds - 1):
        with run.step("draft") as detail:
            draft = read(Run(), question, asked, hits, chat=chat, index=index, principals=principals, history=history)
            run.usage += draft.usage
            detail |= {"answer": draft.text, "refused": draft.refused}
        if draft.refused:
            break
        earlier += cited(draft)
        with run.step("search") as detail:
            hits = search(index, f"{asked} {one_line(draft.text)}", k=wanted, where=where, principals=principals)
            hits = scored_for(index, asked, hits, where=where, principals=principals)
            detail |= {"wanted": wanted, "kept": k, **found(hits)}
        hits = choose(run, asked, hits, k, reranker)
    answer = read(
        run,
        question,
        asked,
        hits,
        chat=chat,
        index=index,
        principals=principals,
        history=history,
        on_text=on_text,
    )
    return resting_on(answer, earlier)
