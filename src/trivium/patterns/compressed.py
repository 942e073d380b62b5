"""Retrieve, shorten what was found, and read what is left of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trivium.generate.answer import Draft, answer, refuse
from trivium.generate.manner import manner_for
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Reader, Run, found
from trivium.patterns.steps import candidates, choose
from trivium.retrieve.compress import compress
from trivium.retrieve.compress.values import Compressed, Tools
from trivium.retrieve.search import can_read, clean_question, search
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where


def compressed(
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
    method: str = "extractive",
    ratio: float = 0.5,
) -> Answer:
    """Answer from passages of which only a part is shown (RECOMP, Xu et al. 2023, arXiv:2310.04408, by default).

    The answer is checked against the whole passages, and its citations quote the documents. The step "compress" tells
    what share was kept of each passage, and what was done in place of a method that the model could not do; the step
    "prompt" names the sentences that the model was shown at least half of.

    Args:
        method: of `trivium.retrieve.compress.METHODS`.
        ratio: the share of the characters to keep, above 0.

    Raises:
        UsageError: the question is empty, or `ratio` is out of range.
        UnknownName: there is no such method.
        ModelError: the model failed.
    """
    run = Run()
    asked = clean_question(question)
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        hits = search(index, asked, k=wanted, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    hits = choose(run, asked, hits, k, reranker)
    embedder = index.embedder if can_read(index, asked) else None
    with run.step("compress") as detail:
        done = compress(asked, hits, Tools(chat, embedder), method=method, ratio=ratio)
        run.usage += done.usage
        before = sum(len(hit.chunk.text) for hit in hits)
        after = sum(len(passage.text) for passage in done.passages)
        left = {passage.hit.chunk.id: len(passage.text) for passage in done.passages}
        detail |= {"asked": method, "method": done.method, "note": done.note, "ratio": ratio, "left": left}
        detail |= {"characters": [before, after]}
    run.generate()
    if not done.passages:
        return run.finish(question, refuse(asked, "nothing was found", on_text), hits)
    draft = answer(
        asked,
        [passage.shown() for passage in done.passages],
        chat=chat,
        manner=manner_for(chat).freely(),
        read=Reader(index, principals).document,
        proof=hits,
        embedder=embedder,
        history=history,
        on_text=on_text,
    )
    return run.finish(question, _told(draft, done.passages), hits)


def _told(draft: Draft, passages: Sequence[Compressed]) -> Draft:
    """Return the draft with the trace of its prompt naming the sentences that were shown, not the whole passages."""
    return replace(
        draft,
        steps=tuple(
            replace(step, detail=_sentences(step.detail, passages)) if step.name == "prompt" else step
            for step in draft.steps
        ),
    )


def _sentences(detail: Mapping[str, object], passages: Sequence[Compressed]) -> Mapping[str, object]:
    if any(passage.summary for passage in passages):  # of which sentences it was made is not known
        return {name: value for name, value in detail.items() if name != "shown"}
    own = {passage.hit.chunk.id: passage for passage in passages}
    rows = []
    for id, start, end in detail["shown"]:  # type: ignore[attr-defined]
        length = end - start if id in detail["cut"] else None  # type: ignore[operator]
        rows += [(id, *span) for span in own[id].sentences(length)]
    return {**detail, "shown": rows}
