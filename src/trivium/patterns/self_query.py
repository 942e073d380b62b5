"""Self-query: filters on metadata drawn from the question, as a choice among those that there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium import prompts
from trivium.generate.choose import choose_some
from trivium.generate.manner import manner_for
from trivium.generate.speak import OnText
from trivium.index.where import Where, every
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, read, understand
from trivium.retrieve.metadata import Filter, expression, filters_for, named
from trivium.retrieve.search import search
from trivium.types import Answer, Hit, Message, Usage

if TYPE_CHECKING:
    from trivium.index import Index


_MOST = 3
"""Filters chosen at most."""


def self_query(
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
    """Answer from the documents that the question asks for by year, author, kind … (Poliakov and Shvai 2024,
    Multi-Meta-RAG, arXiv:2406.13213, with the choice constrained).

    A model chooses among the names and values of the documents that the asker may read; a small one is not asked, and
    the values that stand in the question word for word are taken. Filters that leave nothing are dropped. They narrow
    `where` and never widen it.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("filters") as detail:
        offered = filters_for(asked, index.metadata(principals=principals))
        chosen, how, usage = _chosen(asked, offered, chat)
        run.usage += usage
        detail |= {"offered": len(offered), "chosen": [one.text for one in chosen], "how": how}
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        hits: list[Hit] = []
        if chosen:
            narrow = [index.condition(one, principals=principals) for one in (where, expression(chosen))]
            hits = search(index, asked, k=wanted, where=every(narrow), principals=principals)
        dropped = bool(chosen) and not hits
        if not hits:
            hits = search(index, asked, k=wanted, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, "filters_dropped": dropped, **found(hits)}
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


def _chosen(question: str, offered: Sequence[Filter], chat: Chat) -> tuple[list[Filter], str, Usage]:
    """Return the filters that the question asks for, how they were chosen, and the tokens that it took."""
    if not offered or manner_for(chat).extracts:
        return [one for one in offered if named(one, question)][:_MOST], "rule", Usage()
    by_text = {one.text: one for one in offered}
    messages = prompts.fill("self_query", question=question, filters="\n".join(by_text))
    choice = choose_some(messages, list(by_text), chat, most=_MOST)
    return [by_text[text] for text in choice.chosen], "model", choice.usage
