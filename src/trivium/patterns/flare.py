"""FLARE: write on while the model is sure of itself; where it is not, search for what it was about to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.generate.answer import Draft, refuse
from trivium.generate.cite import cite
from trivium.generate.evidence import Evidence
from trivium.generate.language import refusal_text
from trivium.generate.manner import manner_for
from trivium.generate.refuse import says_nothing
from trivium.generate.speak import OnText
from trivium.generate.write_on import Sentence, sentences_of, sure_of, unheard, write_on
from trivium.models.base import Chat, Embedder, Reranker
from trivium.patterns.run import Reader, Run, found
from trivium.patterns.steps import candidates, choose, judged, read, understand
from trivium.retrieve.many import fuse_queries, scored_for
from trivium.retrieve.search import can_read, search
from trivium.text.markers import without_markers
from trivium.types import Answer, Hit, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def flare(
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
    searches: int = 3,
    threshold: float = 0.4,
) -> Answer:
    """Answer sentence by sentence, searching wherever the next one is unsure (Jiang et al. 2023, arXiv:2305.06983).

    The model writes on from the answer so far; the sentences before the first in which a token's probability is below
    `threshold` are kept. That sentence, without its unsure tokens, is searched for, and the model writes on again from
    what is found with it; what it writes then is kept to the end of one sentence, sure or not. A model that reports no
    probabilities counts as sure, and the trace says so. The first search is for the question. Where no passage supports
    what a small model wrote, what was found is read as `advanced` reads it.

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
    hits = choose(run, asked, hits, k, reranker)
    seen = {hit.chunk.id: hit for hit in hits}
    embedder = index.embedder if can_read(index, asked) else None
    verdict, _ = judged(run, asked, hits, embedder, index.size())
    run.generate()
    if not verdict.enough:
        why = "the evidence is weak" if hits else "nothing was found"
        return run.finish(question, refuse(asked, why, on_text), hits)
    small = manner_for(chat).extracts
    tell = None if small else on_text
    written: list[str] = []
    for left in range(searches, -1, -1):
        new = unheard(_go_on(run, asked, hits, written, chat), written)
        sure = sure_of(new, threshold) if left else len(new)
        _say(new[:sure], written, tell)
        if sure == len(new):
            break
        query = new[sure].surely(threshold) or asked
        with run.step("search") as detail:
            more = search(index, query, k=wanted, where=where, principals=principals)
            hits = fuse_queries([more, hits])[:k]
            seen |= {hit.chunk.id: hit for hit in hits}
            detail |= {"query": query, "wanted": wanted, "kept": k, **found(more)}
        again = unheard(_go_on(run, asked, hits, written, chat), written)
        if not again:
            break
        _say(again[:1], written, tell)
    passages = scored_for(index, asked, list(seen.values()), where=where, principals=principals)
    draft = _draft(asked, " ".join(written), passages, index, principals, embedder)
    if draft.citations and small and on_text is not None:
        on_text(without_markers(draft.text))
    if draft.citations or not small:
        return run.finish(question, draft, passages)
    run.steps.append(Step("give up", {"reason": "no passage supports what the model wrote", "said": " ".join(written)}))
    return read(
        run,
        question,
        asked,
        passages[:k],
        chat=chat,
        index=index,
        principals=principals,
        history=history,
        on_text=on_text,
    )


def _go_on(run: Run, question: str, hits: Sequence[Hit], written: Sequence[str], chat: Chat) -> list[Sentence]:
    with run.step("generate") as detail:
        said = write_on(question, hits, " ".join(written), chat)
        run.usage += said.usage
        sentences = sentences_of(said)
        detail |= {"model": chat.name, "said": said.text, "finish": said.finish_reason}
        detail["doubts"] = [None if one.least is None else round(one.least, 4) for one in sentences]
    return sentences


def _say(sentences: Sequence[Sentence], written: list[str], on_text: OnText | None) -> None:
    for one in sentences:
        if on_text is not None:
            on_text(f" {one.text}" if written else one.text)
        written.append(one.text)


def _draft(
    question: str,
    text: str,
    passages: Sequence[Hit],
    index: Index,
    principals: Sequence[str] | None,
    embedder: Embedder | None,
) -> Draft:
    """Return what was written as an answer, each sentence checked against all that was found on the way."""
    if says_nothing(text):
        return Draft(refusal_text(question), True, steps=(Step("refuse", {"reason": "the model found no answer"}),))
    cited = cite(text, question, Evidence(passages), Reader(index, principals).document, embedder)
    step = Step("cite", {"objections": [each.objection for each in cited.judgements if each.objection]})
    return Draft(cited.text, False, cited.citations, cited.unsupported, steps=(step,))
