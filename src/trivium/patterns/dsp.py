"""Demonstrate, search, predict: solved examples first, then hops of search, then an answer from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.queries import ask_next
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.few_shot import Shot, Shots, fixed
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, read, understand
from trivium.retrieve.many import search_all
from trivium.retrieve.search import can_read, search
from trivium.retrieve.sentences import best_sentences
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

_READ = 3
"""Passages of a hop whose best sentence the next query is written with."""


def dsp(
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
    shots: Shots | None = None,
    hops: int = 2,
) -> Answer:
    """Answer from what several hops of search find together (Khattab et al. 2022, demonstrate-search-predict,
    arXiv:2212.14024).

    Demonstrate: solved examples, where `shots` gives any, stand before the question as turns. Search: at each hop the
    model writes the next query with the best sentence that the hops before found; the lists of all queries and of the
    question are joined by rank. Predict: the passages are judged, read and cited as `advanced` does it. A model that
    writes no usable query leaves the search of the question alone; the trace says so.

    Args:
        shots: chooses solved examples for a question (`trivium.patterns.few_shot`).
        hops: queries that the model may write, at most.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("demonstrate") as detail:
        demonstrations = (shots or fixed(()))(asked)
        turns = [turn for shot in demonstrations for turn in _turns(shot)]
        detail["demonstrations"] = len(demonstrations)
    embedder = index.embedder if can_read(index, asked) else None
    learnt: list[tuple[str, str]] = []
    for _ in range(hops):
        with run.step("query") as detail:
            following = ask_next(asked, learnt, chat)
            run.usage += following.usage
            detail |= {"question": following.question, "objection": following.objection, "said": following.said}
        if not following.question:
            break
        with run.step("hop") as detail:
            hits = search(index, following.question, k=_READ, where=where, principals=principals)
            sentences = best_sentences(following.question, hits, embedder=embedder)
            learnt.append((following.question, sentences[0].chunk.text if sentences else ""))
            detail |= found(hits)
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        queries = [asked, *(query for query, _ in learnt)]
        hits = search_all(index, asked, queries, k=wanted, where=where, principals=principals)
        detail |= {"queries": queries, "wanted": wanted, "kept": k, **found(hits)}
    hits = choose(run, asked, hits, k, reranker)
    return read(
        run,
        question,
        asked,
        hits,
        chat=chat,
        index=index,
        principals=principals,
        history=[*turns, *history],
        on_text=on_text,
    )


def _turns(shot: Shot) -> tuple[Message, Message]:
    return Message("user", shot.question), Message("assistant", shot.answer)
