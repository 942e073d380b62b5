"""Retrieve and read: the k nearest passages by vector, put before the model as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.answer import answer, refuse
from trivium.generate.manner import manner_for
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Reader, Run, found
from trivium.retrieve.search import can_read, clean_question, search
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def naive(
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
    """Answer from the k nearest passages (Lewis et al. 2020, arXiv:2005.11401, with a fixed reader).

    No fusion, no reranking (`reranker` is not used), no threshold: the baseline that `advanced` is measured
    against. Citations are checked all the same.

    Raises:
        UsageError: the question is empty.
        ModelError: the model failed.
    """
    run = Run()
    asked = clean_question(question)
    with run.step("search") as detail:
        hits = search(index, asked, k=k, mode="dense", where=where, principals=principals)
        detail |= {"wanted": k, "kept": k, "mode": "dense", **found(hits)}
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
