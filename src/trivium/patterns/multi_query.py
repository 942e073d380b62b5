"""RAG-Fusion: put the question in several ways, search for each, and join the lists by rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.queries import ask_queries
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, read, understand
from trivium.retrieve.many import search_all
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def multi_query(
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
    queries: int = 4,
) -> Answer:
    """Answer from what the question and several wordings of it find (Rackauckas 2024, RAG-Fusion, arXiv:2402.03367).

    The lists are joined by reciprocal rank fusion. Where the model writes nothing usable, the question is searched for.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("queries") as detail:
        written = ask_queries("multi_query", asked, chat, most=queries)
        run.usage += written.usage
        detail |= written.told
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        hits = search_all(index, asked, [asked, *written.texts], k=wanted, where=where, principals=principals)
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
