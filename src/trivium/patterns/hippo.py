"""HippoRAG: walk the graph of entities from those of the question, and read the passages where the walk ends up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, read, understand
from trivium.retrieve.many import scored_for
from trivium.retrieve.walk import walk
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def hippo(
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
    """Answer from the passages that personalised PageRank reaches (Gutierrez et al. 2024, arXiv:2405.14831).

    The graph is the knowledge base's own (`trivium graph build`), which needs no model. Its walk restarts at the
    question's entities and, less often, at what the search finds (`retrieve/walk.py`). Without a graph, or with a
    question that names nothing in it, this is a plain search, and the trace says so.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("walk") as detail:
        wanted = candidates(k, reranker)
        walked = walk(index, asked, k=wanted, where=where, principals=principals)
        hits = scored_for(index, asked, walked.hits, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, "entities": list(walked.entities), "nodes": walked.nodes, **found(hits)}
        if not walked.nodes:
            detail["fallback"] = "there is no graph to walk: make one with `trivium graph build`"
        elif not walked.entities:
            detail["fallback"] = "the question names nothing in the graph"
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
