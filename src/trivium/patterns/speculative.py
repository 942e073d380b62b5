"""Retrieve and read, with the passages as drafts of the answer: the same words in fewer runs of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trivium.generate.answer import answer, refuse
from trivium.generate.manner import manner_for
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.models.decode import Lends
from trivium.models.decode.drafts import Drafting
from trivium.patterns.run import Reader, Run, found
from trivium.patterns.steps import candidates, choose
from trivium.retrieve.search import can_read, clean_question, search
from trivium.types import Answer, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def speculative(
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
    """Answer from the k best passages, drafting from them (REST, He et al. 2023, arXiv:2311.08252).

    What the model says is what it says without drafts (`trivium.models.decode.drafts`); the step "drafts" counts the
    runs it took and the tokens that were guessed and accepted. With a model that does not lend its weights (all but
    `transformers:MODEL`) nothing is drafted, and the step says so.

    Raises:
        UsageError: the question is empty.
        ModelError: the model failed.
    """
    run = Run()
    asked = clean_question(question)
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        hits = search(index, asked, k=wanted, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    hits = choose(run, asked, hits, k, reranker)
    run.generate()
    if not hits:
        return run.finish(question, refuse(asked, "nothing was found", on_text))
    drafting = Drafting(chat, [hit.chunk.text for hit in hits]) if isinstance(chat, Lends) else None
    draft = answer(
        asked,
        hits,
        chat=chat if drafting is None else drafting,
        manner=manner_for(chat).freely(),
        read=Reader(index, principals).document,
        embedder=index.embedder if can_read(index, asked) else None,
        history=history,
        on_text=on_text,
    )
    return run.finish(question, replace(draft, steps=(*draft.steps, _told(drafting))), hits)


def _told(drafting: Drafting | None) -> Step:
    if drafting is None:
        why = "the chat model does not lend its weights, as one opened with transformers:MODEL does"
        return Step("drafts", {"done": False, "note": why})
    return Step(
        "drafts",
        {
            "done": True,
            "runs": sum(one.calls for one in drafting.spent),
            "tokens": sum(len(one.ids) for one in drafting.spent),
            "drafted": sum(one.drafted for one in drafting.spent),
            "accepted": sum(one.accepted for one in drafting.spent),
        },
    )
