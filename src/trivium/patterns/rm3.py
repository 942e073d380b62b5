"""RM3: search again with the telling words of the passages found first. No model is asked before the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, read, understand
from trivium.retrieve.feedback import rm3 as expanded
from trivium.retrieve.many import scored_for
from trivium.retrieve.search import search
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def rm3(
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
    feedback: int = 10,
    terms: int = 10,
) -> Answer:
    """Answer from what the question finds with the words of its first passages (Lavrenko and Croft 2001; Abdul-Jaleel
    et al. 2004).

    The lexical arm searches for the question's tokens and the `terms` best words of its first `feedback` hits, by
    weight; the dense arm for the question. No chat model takes part in the search.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("feedback") as detail:
        first = search(index, asked, k=feedback, mode="lexical", where=where, principals=principals)
        weights = expanded(asked, first, terms=terms)
        detail |= {"terms": {term: round(weight, 4) for term, weight in weights.items()}, **found(first)}
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        hits = search(index, asked, k=wanted, where=where, principals=principals, terms=weights or None)
        hits = scored_for(index, asked, hits, where=where, principals=principals)
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
