"""Whole documents in the prompt, as many as fit: what chunks and ranks are to be measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trivium.generate.answer import answer, refuse
from trivium.generate.manner import manner_for
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Reader, Run, found
from trivium.retrieve.search import can_read, clean_question, search
from trivium.types import Answer, Hit, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def long_context(
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
    """Answer from the whole documents that the k best hits come from, the best first, up to the model's context.

    Long context against retrieval: Li et al. 2024, "Retrieval Augmented Generation or Long-Context LLMs?",
    arXiv:2407.16833. A document that does not fit is cut at the end of a sentence; the trace names what was left out.

    Raises:
        UsageError: the question is empty.
        ModelError: the model failed.
    """
    run = Run()
    asked = clean_question(question)
    with run.step("search") as detail:
        hits = search(index, asked, k=k, where=where, principals=principals)
        detail |= {"wanted": k, "kept": k, **found(hits)}
    reader = Reader(index, principals)
    with run.step("documents") as detail:
        whole = _whole(hits, reader)
        detail["documents"] = [hit.chunk.source for hit in whole]
    run.generate()
    if not whole:
        return run.finish(question, refuse(asked, "nothing was found", on_text))
    draft = answer(
        asked,
        whole,
        chat=chat,
        manner=replace(manner_for(chat).freely(), budget=chat.context, passages=len(whole)),
        read=reader.document,
        embedder=index.embedder if can_read(index, asked) else None,
        history=history,
        on_text=on_text,
    )
    return run.finish(question, draft, hits)


def _whole(hits: Sequence[Hit], reader: Reader) -> list[Hit]:
    """Return each document of the hits once, as a hit whose chunk is all of it."""
    best = {hit.chunk.document_id: hit for hit in reversed(hits)}
    found: list[Hit] = []
    for hit in hits:
        document = reader.document(hit.chunk.document_id)
        if best[hit.chunk.document_id] is hit and document is not None:
            chunk = replace(hit.chunk, text=document.text, start=0, end=len(document.text), parent=None)
            found.append(replace(hit, chunk=chunk))
    return found
