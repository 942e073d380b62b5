"""The default: search both ways, drop repeats, rerank, widen, judge the evidence, answer, and prove each sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, read, understand
from trivium.retrieve.search import search
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def advanced(
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
    weights: Mapping[str, float] | None = None,
) -> Answer:
    """Answer from what both arms of the search find, with checked citations, or refuse.

    The steps, each in the answer's trace: condense a follow-up question with the history; search (`retrieve/
    search.py`); drop near-duplicates; rerank where there is a reranker; widen small chunks to their parents; judge
    whether the evidence is enough (`generate/refuse.py`); show the passages with the best at both ends; generate;
    cite sentence by sentence (`generate/cite.py`).

    Args:
        question: plain text, any language.
        chat: the model that answers.
        index: the knowledge base.
        k: how many hits are kept.
        principals: who asks; None is an unknown asker, who is answered from what everyone may read.
        where: a filter expression or a condition on metadata.
        history: the turns before, oldest first.
        on_text: receives the text as it comes, before its citations are numbered. From a small model, whose text is
            checked first, it receives the final text.
        reranker: a cross-encoder, if there is one.
        weights: of the arms of the search; None is its own (`retrieve/search.py`).

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        hits = search(index, asked, k=wanted, where=where, principals=principals, weights=weights)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    hits = choose(run, asked, hits, k, reranker)
    return read(
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
