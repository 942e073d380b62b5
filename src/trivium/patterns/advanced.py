"""The default: search both ways, drop repeats, rerank, widen, judge the evidence, answer, and prove each sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trivium.generate.answer import answer, refuse
from trivium.generate.condense import condense
from trivium.generate.evidence import Evidence
from trivium.generate.manner import manner_for
from trivium.generate.refuse import Verdict, judge
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Embedder, Reranker
from trivium.patterns.run import Reader, Run, found
from trivium.retrieve.dedupe import dedupe
from trivium.retrieve.expand import small_to_big
from trivium.retrieve.order import lost_in_the_middle
from trivium.retrieve.rerank import rerank
from trivium.retrieve.search import can_read, clean_question, search
from trivium.retrieve.sentences import best_sentences
from trivium.types import Answer, Hit, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

_CANDIDATES = 3
"""Hits searched for each one wanted, where a reranker chooses among them."""

JUDGED = 5
"""Passages whose sentences are weighed one by one."""


def advanced(
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
    weights: Mapping[str, float] | None = None,
) -> Answer:
    """Answer from what both arms of the search find, with checked citations, or refuse.

    The steps, each in the answer's trace: condense a follow-up question with the history; search (`retrieve/
    search.py`); drop near-duplicates; rerank where there is a reranker; widen small chunks to their parents; judge
    whether the evidence is enough (`generate/refuse.py`); show the passages with the best at both ends; generate;
    cite sentence by sentence (`generate/cite.py`).

    Args:
        question: plain text, any language.
        chat: the model that answers.
        index: the knowledge base.
        k: how many hits are kept.
        principals: who asks; None is an unknown asker, who is answered from what everyone may read.
        where: a filter expression or a condition on metadata.
        history: the turns before, oldest first.
        on_text: receives the text as it comes, before its citations are numbered. From a small model, whose text is
            checked first, it receives the final text.
        reranker: a cross-encoder, if there is one.
        weights: of the arms of the search; None is its own (`retrieve/search.py`).

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    with run.step("question") as detail:
        condensed = condense(clean_question(question), history, chat)
        asked = clean_question(condensed.question)
        run.usage += condensed.usage
        detail |= {"searched": asked, "how": condensed.how, "cut": len(asked) < len(question.strip())}
    with run.step("search") as detail:
        wanted = k * _CANDIDATES if reranker is not None else k + k // 2
        hits = search(index, asked, k=wanted, where=where, principals=principals, weights=weights)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    hits = _chosen(run, asked, hits, k, reranker)
    reader = Reader(index, principals)
    with run.step("widen") as detail:
        passages = [hit for hit in small_to_big(hits, reader.text) if hit.chunk.text]
        detail["passages"] = len(passages)
    embedder = index.embedder if can_read(index, asked) else None
    verdict, sentences = judged(run, asked, passages, embedder, index.size())
    run.generate()
    if not verdict.enough:
        why = "nothing was found" if not hits else "the evidence is weak"
        return run.finish(question, refuse(asked, why, on_text), hits)
    draft = answer(
        asked,
        passages,
        chat=chat,
        manner=manner_for(chat),
        read=reader.document,
        sentences=sentences,
        embedder=embedder,
        arrange=lost_in_the_middle,
        history=history,
        on_text=on_text,
    )
    return run.finish(question, draft, hits)


def judged(
    run: Run, question: str, passages: Sequence[Hit], embedder: Embedder | None, chunks: int
) -> tuple[Verdict, list[Hit]]:
    """Weigh whether passages answer, as a step of the run.

    Args:
        run: takes the step.
        question: plain text.
        passages: best first.
        embedder: one that reads the question; None goes by words alone.
        chunks: how many the knowledge base has.

    Returns:
        The verdict, and the best sentences of the first passages.
    """
    with run.step("judge") as detail:
        sentences = best_sentences(question, passages[:JUDGED], embedder=embedder)
        verdict = judge(question, Evidence(passages), sentences[0] if sentences else None, chunks)
        detail |= {"probability": verdict.probability, "needed": verdict.threshold, **verdict.features}
    return verdict, sentences


def _chosen(run: Run, question: str, hits: Sequence[Hit], k: int, reranker: Reranker | None) -> list[Hit]:
    with run.step("dedupe") as detail:
        kept = dedupe(hits)
        left = {hit.chunk.id for hit in kept}
        detail["dropped"] = [hit.chunk.id for hit in hits if hit.chunk.id not in left]
    if reranker is not None:
        with run.step("rerank") as detail:
            kept = rerank(question, kept, reranker)
            detail |= {"model": reranker.name, **found(kept)}
    return kept[:k]
