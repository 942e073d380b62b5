"""Retrieve, have the chat model order what was found, and read the best of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.answer import answer, refuse
from trivium.generate.manner import manner_for
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Reader, Run, found
from trivium.patterns.steps import choose
from trivium.retrieve.listwise import listwise as ordered
from trivium.retrieve.search import can_read, clean_question, search
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

_CANDIDATES = 3
"""Hits searched for each one kept."""


def listwise(
    question: str,
    *,
    chat: Chat,
    index: Index,
    k: int = 5,
    principals: Sequence[str] | None = None,
    where: str | Where | None = None,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
    reranker: Reranker | None = None,
) -> Answer:
    """Answer from the k passages that the chat model puts first (RankGPT, Sun et al. 2023, arXiv:2304.09542).

    The step "listwise" tells how many windows the model was shown and in how many it named no order; those keep the
    order that search and reranker gave.

    Raises:
        UsageError: the question is empty, or the model cannot be held to a JSON schema.
        ModelError: the model failed.
    """
    run = Run()
    asked = clean_question(question)
    with run.step("search") as detail:
        wanted = k * _CANDIDATES
        hits = search(index, asked, k=wanted, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    hits = choose(run, asked, hits, wanted, reranker)
    with run.step("listwise") as detail:
        ranked = ordered(asked, hits, chat)
        run.usage += ranked.usage
        detail |= {"model": chat.name, "windows": ranked.windows, "left_as_they_were": ranked.kept}
        detail |= found(ranked.hits)
    hits = list(ranked.hits[:k])
    run.generate()
    if not hits:
        return run.finish(question, refuse(asked, "nothing was found", on_text))
    draft = answer(
        asked,
        hits,
        chat=chat,
        manner=manner_for(chat).freely(),
        read=Reader(index, principals).document,
        embedder=index.embedder if can_read(index, asked) else None,
        history=history,
        on_text=on_text,
    )
    return run.finish(question, draft, hits)
