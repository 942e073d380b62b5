"""Chain of verification: draft, ask what would prove it, look each up, and write the answer again."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from trivium.generate.answer import Draft
from trivium.generate.manner import manner_for
from trivium.generate.queries import Queries, ask_queries, one_line
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.advanced import advanced
from trivium.patterns.combine import combine
from trivium.patterns.run import Run, found
from trivium.patterns.steps import candidates, choose, cited, read, resting_on, understand
from trivium.retrieve.search import search
from trivium.text.markers import without_markers
from trivium.types import Answer, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def chain_of_verification(
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
    checks: int = 3,
) -> Answer:
    """Answer, check the answer by questions that are looked up by themselves, and answer again (Dhuliawala et al. 2023,
    arXiv:2309.11495, the factored form with retrieval).

    Each question is answered as `advanced` answers, without the draft in view; draft and checks stand before the last
    answer as turns of the conversation. A model that extracts copies from a passage and has nothing to revise: its
    draft is the answer, and so is one that is a refusal or to which no question comes.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        hits = search(index, asked, k=wanted, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    hits = choose(run, asked, hits, k, reranker)
    with run.step("draft") as detail:
        draft = read(Run(), question, asked, hits, chat=chat, index=index, principals=principals, history=history)
        run.usage += draft.usage
        detail |= {"answer": draft.text, "refused": draft.refused}
    written = Queries((), "the draft is a refusal" if draft.refused else "the model extracts", "")
    if not draft.refused and not manner_for(chat).extracts:
        written = ask_queries("verify", asked, chat, most=checks, answer=one_line(draft.text))
        run.usage += written.usage
    run.steps.append(Step("verify", written.told))
    if not written.texts:
        run.generate()
        if on_text is not None:
            on_text(without_markers(draft.text))
        stands = Draft(draft.text, draft.refused, draft.citations, draft.unsupported, steps=draft.trace)
        return run.finish(question, stands, hits)

    def check(each: str) -> Answer:
        return advanced(each, chat=chat, index=index, k=k, principals=principals, where=where, reranker=reranker)

    with ThreadPoolExecutor(len(written.texts)) as pool:
        checked = list(pool.map(check, written.texts))
    answer = combine(
        run,
        question,
        asked,
        checked,
        chat=chat,
        index=index,
        k=k,
        principals=principals,
        where=where,
        history=[*history, Message("user", asked), Message("assistant", one_line(draft.text))],
        on_text=on_text,
        reranker=reranker,
        manner=replace(manner_for(chat), prompt="revise"),
    )
    return resting_on(answer, cited(draft))
