"""Retrieval without a reader: the best sentence of the best passage is the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.answer import Draft, refuse
from trivium.generate.cite import Citer
from trivium.generate.evidence import Quotable
from trivium.generate.quote import quoted
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Reader, Run, found
from trivium.retrieve.rerank import rerank
from trivium.retrieve.search import can_read, clean_question, search
from trivium.retrieve.sentences import best_sentences
from trivium.types import Answer, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def retrieve_only(
    question: str,
    *,
    index: Index,
    chat: Chat | None = None,
    k: int = 5,
    principals: Sequence[str] | None = None,
    where: str | Where | None = None,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
    reranker: Reranker | None = None,
) -> Answer:
    """Quote the sentence of the best passage that most likely answers: no model speaks, nothing is refused.

    What a reader must add to be worth its time (Chen et al. 2017, arXiv:1704.00051, compare retrieval and reading
    in this way). `chat` and `history` are not used.

    Raises:
        UsageError: the question is empty.
    """
    run = Run()
    asked = clean_question(question)
    with run.step("search") as detail:
        hits = search(index, asked, k=k, where=where, principals=principals)
        detail |= {"wanted": k, "kept": k, **found(hits)}
    if reranker is not None:
        with run.step("rerank") as detail:
            hits = rerank(asked, hits, reranker)
            detail |= {"model": reranker.name, **found(hits)}
    sentences = best_sentences(asked, hits[:1], embedder=index.embedder if can_read(index, asked) else None)
    run.generate()
    citer = Citer(Reader(index, principals).document)
    best = sentences[0] if sentences else None
    number = citer.number(Quotable(best, best.chunk.start, best.chunk.end)) if best is not None else None
    if best is None or number is None:
        return run.finish(question, refuse(asked, "nothing was found", on_text), hits)
    text = quoted(best.chunk.text, number)
    if on_text is not None:
        on_text(text)
    step = Step("quote", {"chunk": best.chunk.id})
    return run.finish(question, Draft(text, False, tuple(citer.citations), (), steps=(step,)), hits)
