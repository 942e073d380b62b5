"""Answer a question from passages: frame them, have the model speak, check what it says, or quote, or refuse."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from trivium.generate.answer_prompt import Arrange, shown
from trivium.generate.cite import Citer, ReadDocument, cite
from trivium.generate.evidence import Evidence, Quotable
from trivium.generate.extract import extract, extractable
from trivium.generate.language import refusal_text
from trivium.generate.manner import Manner, reads
from trivium.generate.quote import passage_from, quoted
from trivium.generate.refuse import says_nothing
from trivium.generate.speak import OnText, speak
from trivium.generate.tuned import read_out
from trivium.models.base import Chat, Embedder
from trivium.text.kinds import kind_asked
from trivium.text.markers import without_markers
from trivium.types import Citation, Hit, Message, Span, Step, Usage


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer before its timing and its hits are put to it. `steps` tells what was done."""

    text: str
    refused: bool = False
    citations: tuple[Citation, ...] = ()
    unsupported: tuple[Span, ...] = ()
    usage: Usage = field(default_factory=Usage)
    steps: tuple[Step, ...] = ()


def refuse(question: str, why: str, on_text: OnText | None = None, usage: Usage | None = None) -> Draft:
    """Return a refusal in the question's language, with its reason in the trace."""
    text = refusal_text(question)
    if on_text is not None:
        on_text(text)
    return Draft(text, refused=True, usage=usage or Usage(), steps=(Step("refuse", {"reason": why}),))


def answer(
    question: str,
    passages: Sequence[Hit],
    *,
    chat: Chat,
    manner: Manner,
    read: ReadDocument,
    sentences: Sequence[Hit] = (),
    proof: Sequence[Hit] | None = None,
    arrange: Arrange | None = None,
    embedder: Embedder | None = None,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
) -> Draft:
    """Return an answer to the question with checked citations.

    Args:
        question: one that stands by itself.
        passages: what the model is shown, the most important first.
        chat: the model.
        manner: how to ask it.
        read: gives a stored document, for the asker; citations are compared with it.
        sentences: single sentences of the passages, the best first, for a manner that extracts.
        proof: what the answer is checked against, where the passages are not the documents' own words; None is the
            passages.
        arrange: the order in which the passages that fit are shown.
        embedder: lets a paraphrase count as support; None goes by words alone.
        history: the turns before, for a model that can use them.
        on_text: receives the text as it comes.

    Raises:
        ContextOverflow: the question alone is too long for the model.
        ModelError: the model failed.
    """
    if manner.adapter is not None and extractable(question) and reads(chat, question):
        return _read_out(question, passages, sentences, chat, manner, read, on_text)
    if manner.extracts:
        return _extracted(question, passages, sentences, chat, read, on_text)
    start = time.perf_counter()
    turns = [] if manner.plain else _recent(history, chat)
    (system, *rest), framed = shown(question, passages, chat, manner, turns=turns, arrange=arrange)
    detail = {
        "prompt": manner.prompt,
        "passages": len(framed.hits),
        "shown": [_place(hit) for hit in framed.hits],
        "tokens": framed.tokens,
        "left_out": [*framed.left_out, *(hit.chunk.id for hit in passages[manner.passages :])],
        "over": [hit.chunk.id for hit in passages[manner.passages :]],
        "cut": list(framed.cut),
        "turns_left_out": len(history) - len(turns),
    }
    step = Step("prompt", detail, time.perf_counter() - start)
    evidence = Evidence(passages if proof is None else proof)
    draft = _spoken(question, [system, *turns, *rest], evidence, chat, manner, read, embedder, on_text)
    return replace(draft, steps=(step, *draft.steps))


def _place(hit: Hit) -> tuple[str, int, int]:
    """Return what a trace keeps of a text that a model was shown: its chunk's id, and its span of the document."""
    return hit.chunk.id, hit.chunk.start, hit.chunk.end


def _recent(history: Sequence[Message], chat: Chat) -> list[Message]:
    """Return the last turns, as many as fit in a quarter of the context."""
    room = chat.context // 4
    kept: list[Message] = []
    for turn in reversed(history):
        room -= chat.count_tokens(turn.content) + 4
        if room < 0:
            break
        kept.insert(0, turn)
    return kept


def _spoken(
    question: str,
    messages: Sequence[Message],
    proof: Evidence,
    chat: Chat,
    manner: Manner,
    read: ReadDocument,
    embedder: Embedder | None,
    on_text: OnText | None,
) -> Draft:
    """A larger model: it has the last word, and what it says is marked with what supports it."""
    start = time.perf_counter()
    said = speak(chat, messages, manner, on_text)
    middle = time.perf_counter()
    step = Step("generate", {"model": chat.name, "finish": said.finish_reason}, middle - start)
    if says_nothing(without_markers(said.text)):
        why = Step("refuse", {"reason": "the model found no answer", "said": said.text})
        return Draft(refusal_text(question), True, usage=said.usage, steps=(step, why))
    cited = cite(said.text, question, proof, read, embedder)
    detail = {"sentences": len(cited.judgements), "objections": [j.objection for j in cited.judgements if j.objection]}
    checked = Step("cite", detail, time.perf_counter() - middle)
    return Draft(cited.text, False, cited.citations, cited.unsupported, said.usage, (step, checked))


def _read_out(
    question: str,
    passages: Sequence[Hit],
    sentences: Sequence[Hit],
    chat: Chat,
    manner: Manner,
    read: ReadDocument,
    on_text: OnText | None,
) -> Draft:
    """A small model tuned for it: words of the passages that it reads, a refusal, or the best sentence quoted."""
    start = time.perf_counter()
    found = read_out(question, passages, chat, manner)
    detail = {
        "model": chat.name,
        "adapter": manner.adapter,
        "said": found.said.text,
        "objection": found.objection,
        "doubt": found.doubt,
        "shown": [_place(hit) for hit in found.framed.hits],
        "left_out": list(found.framed.left_out),
        "cut": list(found.framed.cut),
    }
    step = Step("read", detail, time.perf_counter() - start)
    usage = found.said.usage
    if found.objection == "refused":
        draft = refuse(question, "the model found no answer", on_text, usage)
        return replace(draft, steps=(step, *draft.steps))
    if found.proof is None:  # it was unsure, or said what no passage says
        draft = _extracted(question, passages, sentences, chat, read, on_text)
        return replace(draft, usage=usage + draft.usage, steps=(step, *draft.steps))
    citer = Citer(read)
    number = citer.number(found.proof)
    if number is None:
        draft = refuse(question, "the document has changed since the search", on_text, usage)
        return replace(draft, steps=(step, *draft.steps))
    text = f"{found.text} [{number}]"
    if on_text is not None:
        on_text(text)
    return Draft(text, False, tuple(citer.citations), (), usage, (step,))


def _extracted(
    question: str,
    passages: Sequence[Hit],
    sentences: Sequence[Hit],
    chat: Chat,
    read: ReadDocument,
    on_text: OnText | None,
) -> Draft:
    """A small model: words that it copies from the best sentence, or else that sentence as a quotation."""
    if not sentences:
        return refuse(question, "no sentence to quote", on_text)
    start = time.perf_counter()
    best, why, said, usage = sentences[0], "", "", Usage()
    if not extractable(question):
        best, why = passage_from(best, passages), "the question asks for more than a few words"
    elif not reads(chat, question):
        why = "the model's vocabulary does not cover the question's script"
    else:
        found = extract(question, best.chunk.text, chat, kind_asked(question))
        said, usage, why = found.text, found.said.usage, found.objection
    citer = Citer(read)
    number = citer.number(Quotable(best, best.chunk.start, best.chunk.end))
    if number is None:
        return refuse(question, "the document has changed since the search", on_text, usage)
    text = f"{said} [{number}]" if said else quoted(best.chunk.text, number)
    if on_text is not None:
        on_text(text)
    detail = {"model": chat.name, "objection": why, "chunk": best.chunk.id, "shown": [_place(best)]}
    step = Step("extract" if said else "quote", detail, time.perf_counter() - start)
    return Draft(text, False, tuple(citer.citations), (), usage, (step,))
