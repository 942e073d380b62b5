"""The steps that most patterns share: understand the question, choose among the hits, judge them, read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trivium.generate.answer import Draft, answer, refuse
from trivium.generate.condense import condense
from trivium.generate.evidence import Evidence
from trivium.generate.manner import Manner, manner_for
from trivium.generate.refuse import Verdict, judge
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Embedder, Reranker
from trivium.patterns.closed_book import closed_book
from trivium.patterns.run import Reader, Run, found
from trivium.retrieve.dedupe import dedupe
from trivium.retrieve.expand import small_to_big
from trivium.retrieve.order import lost_in_the_middle
from trivium.retrieve.rerank import rerank
from trivium.retrieve.search import can_read, clean_question
from trivium.retrieve.sentences import best_sentences
from trivium.types import Answer, Hit, Message

if TYPE_CHECKING:
    from trivium.index import Index

JUDGED = 5
"""Passages whose sentences are weighed one by one."""
_CANDIDATES = 3
"""Hits searched for each one wanted, where a reranker chooses among them."""


def understand(run: Run, question: str, history: Sequence[Message], chat: Chat) -> str:
    """Return the question in a form that stands by itself (`generate/condense.py`), as a step of the run.

    Raises:
        UsageError: the question is empty.
        ModelError: the model failed.
    """
    with run.step("question") as detail:
        condensed = condense(clean_question(question), history, chat)
        asked = clean_question(condensed.question)
        run.usage += condensed.usage
        detail |= {"searched": asked, "how": condensed.how, "cut": len(asked) < len(question.strip())}
    return asked


def candidates(k: int, reranker: Reranker | None) -> int:
    """Return how many hits to search for so that `k` are left: repeats go, and a reranker wants a choice."""
    return k * _CANDIDATES if reranker is not None else k + k // 2


def choose(run: Run, question: str, hits: Sequence[Hit], k: int, reranker: Reranker | None) -> list[Hit]:
    """Return the `k` best hits without near-duplicates, reranked where there is a reranker, as steps of the run."""
    with run.step("dedupe") as detail:
        kept = dedupe(hits)
        left = {hit.chunk.id for hit in kept}
        detail["dropped"] = [hit.chunk.id for hit in hits if hit.chunk.id not in left]
    if reranker is not None:
        with run.step("rerank") as detail:
            kept = rerank(question, kept, reranker)
            detail |= {"model": reranker.name, **found(kept)}
    return kept[:k]


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


def read(
    run: Run,
    question: str,
    asked: str,
    hits: Sequence[Hit],
    *,
    chat: Chat,
    index: Index,
    principals: Sequence[str] | None,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
    manner: Manner | None = None,
) -> Answer:
    """Return the answer of a run from its hits, or a refusal: widen them, judge them, have the model speak, cite.

    Args:
        run: what was done so far.
        question: as it was put.
        asked: as it stands by itself.
        hits: best first, with the scores that they have for `asked`.
        chat, index, principals, history, on_text: those of every pattern.
        manner: how to ask; None goes by the model's size.

    Raises:
        ModelError: the model failed.
    """
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
        manner=manner if manner is not None else manner_for(chat),
        read=reader.document,
        sentences=sentences,
        embedder=embedder,
        arrange=lost_in_the_middle,
        history=history,
        on_text=on_text,
    )
    return run.finish(question, draft, hits)


def resting_on(answer: Answer, earlier: Iterable[Hit]) -> Answer:
    """Return an answer whose hits name, after its own, those that its earlier stages rest on.

    An answer that is kept must go when any document behind it does, also one that only an intermediate step has read.
    """
    known = {hit.chunk.id for hit in answer.hits}
    more = {hit.chunk.id: hit for hit in earlier if hit.chunk.id not in known}
    return replace(answer, hits=(*answer.hits, *more.values()))


def cited(answer: Answer) -> list[Hit]:
    """Return the hits that an answer cites."""
    chunks = {citation.chunk_id for citation in answer.citations}
    return [hit for hit in answer.hits if hit.chunk.id in chunks]


def from_memory(
    run: Run, question: str, asked: str, chat: Chat, history: Sequence[Message], on_text: OnText | None
) -> Answer:
    """Return the model's answer without passages, as the end of a run that found them needless (`closed_book`)."""
    said = closed_book(asked, chat=chat, history=history, on_text=on_text)
    run.generate()
    return run.finish(question, Draft(said.text, said.refused, usage=said.usage, steps=said.trace))


def weigh_alone(question: str, hit: Hit, embedder: Embedder | None, chunks: int) -> tuple[Verdict, list[Hit]]:
    """Return the judgement of one passage as if it were all that was found, and its sentences, the best first."""
    sentences = best_sentences(question, [hit], embedder=embedder)
    return judge(question, Evidence([hit]), sentences[0] if sentences else None, chunks), sentences
