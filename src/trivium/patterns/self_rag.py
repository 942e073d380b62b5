"""Self-RAG: answer from each passage by itself, reflect on each answer, and give the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trivium import prompts
from trivium.generate.answer import Draft, answer, refuse
from trivium.generate.choose import choose_one
from trivium.generate.manner import manner_for
from trivium.generate.queries import one_line
from trivium.generate.shown_with import with_passages
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.run import Reader, Run, found
from trivium.patterns.steps import candidates, choose, from_memory, understand, weigh_alone
from trivium.retrieve.expand import small_to_big
from trivium.retrieve.search import can_read, search
from trivium.text.markers import without_markers
from trivium.types import Answer, Hit, Message, Usage

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

YES_NO = ("yes", "no")
SUPPORT: Mapping[str, float] = {"fully": 1.0, "partially": 0.5, "no": 0.0}
USE: Mapping[str, float] = {"5": 1.0, "4": 0.5, "3": 0.0, "2": -0.5, "1": -1.0}
_USE_WEIGHT = 0.5
"""What usefulness counts beside support and relevance, as in the paper."""
_CHOICE_TOKENS = 48


def self_rag(
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
    segments: int = 3,
) -> Answer:
    """Answer from the passage whose answer passes the model's own reflection best (Asai et al. 2023, arXiv:2310.11511).

    The paper trains a model to write reflection tokens; here an untrained one makes the same four choices under a
    schema: whether to retrieve, whether a passage is relevant, whether it supports the answer drawn from it, how useful
    that answer is. Answers are ranked by the paper's weights. A model too small to reflect is not asked: it retrieves,
    and its answers are ranked by the judgement of the evidence on each passage alone. One segment, the answer, is
    written, and no passage that is irrelevant or supports nothing is answered from.

    Raises:
        UsageError: the question is empty.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    with run.step("reflect") as detail:
        small = manner_for(chat).extracts
        needed = "yes" if small else _reflect(run, chat, YES_NO, prompts.fill("reflect_need", question=asked))
        detail |= {"retrieve": needed, "by": "rule" if small else chat.name}
    if needed == "no":
        return from_memory(run, question, asked, chat, history, on_text)
    with run.step("search") as detail:
        wanted = candidates(k, reranker)
        hits = search(index, asked, k=wanted, where=where, principals=principals)
        detail |= {"wanted": wanted, "kept": k, **found(hits)}
    hits = choose(run, asked, hits, k, reranker)
    run.generate()
    reader, best, top = Reader(index, principals), None, 0.0
    for hit in small_to_big(hits, reader.text)[:segments]:
        with run.step("segment") as detail:
            draft, score, marks = _segment(run, asked, hit, chat, index, reader, history)
            detail |= {"chunk": hit.chunk.id, "score": round(score, 4), **marks}
        if draft is not None and (best is None or score > top):
            best, top = draft, score
    if best is None:
        why = "no passage passed the reflection" if hits else "nothing was found"
        return run.finish(question, refuse(asked, why, on_text), hits)
    if on_text is not None:
        on_text(without_markers(best.text))
    return run.finish(question, best, hits)


def _segment(
    run: Run, question: str, hit: Hit, chat: Chat, index: Index, reader: Reader, history: Sequence[Message]
) -> tuple[Draft | None, float, dict[str, object]]:
    """Return the answer from one passage, its score, and what the reflection said; None where it is not to be used."""
    manner = manner_for(chat)
    embedder = index.embedder if can_read(index, question) else None
    verdict, sentences = weigh_alone(question, hit, embedder, index.size())
    if manner.extracts:
        relevant = "yes" if verdict.enough else "no"
    else:
        relevant = _reflect(run, chat, YES_NO, _shown("reflect_relevant", question, hit, chat))
    if relevant == "no":
        return None, 0.0, {"relevant": relevant}
    draft = answer(
        question,
        [hit],
        chat=chat,
        manner=manner,
        read=reader.document,
        sentences=sentences,
        embedder=embedder,
        history=history,
    )
    run.usage += draft.usage
    draft = replace(draft, usage=Usage())
    marks: dict[str, object] = {"relevant": relevant, "answer": draft.text, "refused": draft.refused}
    if draft.refused:
        return None, 0.0, marks
    if manner.extracts:
        return draft, verdict.probability, marks
    said = one_line(draft.text)
    supported = _reflect(run, chat, tuple(SUPPORT), _shown("reflect_supported", question, hit, chat, answer=said))
    useful = _reflect(run, chat, tuple(USE), prompts.fill("reflect_useful", question=question, answer=said))
    score = 1.0 + SUPPORT.get(supported, 0.0) + _USE_WEIGHT * USE.get(useful, 0.0)
    marks |= {"supported": supported, "useful": useful}
    return (None if supported == "no" else draft), score, marks


def _reflect(run: Run, chat: Chat, choices: Sequence[str], messages: Sequence[Message]) -> str:
    choice = choose_one(messages, choices, chat)
    run.usage += choice.usage
    return choice.first


def _shown(prompt: str, question: str, hit: Hit, chat: Chat, **places: str) -> list[Message]:
    messages, _ = with_passages(prompt, question, [hit], chat, max_tokens=_CHOICE_TOKENS, **places)
    return messages
