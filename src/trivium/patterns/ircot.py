"""IRCoT: reason sentence by sentence, and search with each sentence for what the next one needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.speak import OnText
from trivium.generate.think import concludes, first_sentence, think
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, read, resting_on, understand
from trivium.retrieve.many import fuse_queries, scored_for
from trivium.retrieve.search import search
from trivium.text.content import content_terms
from trivium.types import Answer, Hit, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def ircot(
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
    thoughts: int = 3,
) -> Answer:
    """Answer from what the question and each step of the reasoning find (Trivedi et al. 2022, arXiv:2212.10509).

    The model writes one sentence of reasoning from the passages so far; it is searched for, and so on until a sentence
    gives the answer, nothing new comes, or there are `thoughts` of them. The lists are joined by reciprocal rank and
    read once more for the answer; the reasoning is in the trace.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    wanted = candidates(k, reranker)
    with run.step("search") as detail:
        hits = search(index, asked, k=wanted, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    lists, reasoning = [hits], list[str]()
    shown: list[Hit] = []
    while hits and len(reasoning) < thoughts:
        with run.step("think") as detail:
            shown += hits[:k]
            said = think(asked, hits[:k], reasoning, chat)
            run.usage += said.usage
            thought = first_sentence(said.text)
            detail["thought"] = thought
        if not content_terms(thought) or thought in reasoning or concludes(thought):
            break
        reasoning.append(thought)
        with run.step("search") as detail:
            lists.append(search(index, thought, k=wanted, where=where, principals=principals))
            hits = fuse_queries(lists)[:wanted]
            detail |= {"wanted": wanted, "kept": k, **found(lists[-1])}
    hits = scored_for(index, asked, hits, where=where, principals=principals)
    answer = read(
        run,
        question,
        asked,
        choose(run, asked, hits, k, reranker),
        chat=chat,
        index=index,
        principals=principals,
        history=history,
        on_text=on_text,
    )
    return resting_on(answer, shown if reasoning else ())
