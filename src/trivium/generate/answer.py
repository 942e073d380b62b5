"""Answer a question from passages: frame them, have the model speak, check what it says, or quote, or refuse."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from trivium import prompts
from trivium.errors import ContextOverflow
from trivium.generate.cite import Citer, ReadDocument, cite
from trivium.generate.evidence import Evidence, Quotable
from trivium.generate.extract import extract, extractable
from trivium.generate.frame import Framed, fence_code, frame
from trivium.generate.language import language_name, refusal_text
from trivium.generate.manner import Manner, reads
from trivium.generate.quote import passage_from, quoted
from trivium.generate.refuse import says_nothing
from trivium.generate.speak import OnText, speak
from trivium.models.base import Chat, Embedder
from trivium.text.kinds import kind_asked
from trivium.text.markers import without_markers
from trivium.types import Citation, Hit, Message, Span, Step, Usage

class Reads(Protocol):
    """What is asked of a model before it speaks; a `Chat` is one."""

    @property
    def context(self) -> int: ...

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of `text`, without special tokens."""
        ...


Arrange = Callable[[Sequence[Hit]], list[Hit]]
_LEAST_ROOM = 64
"""Tokens that are left for passages however long the rest of the prompt is."""


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
    arrange: Arrange | None = None,
    embedder: Embedder | None = None,
    history: Sequence[Message] = (),
    on_text: OnText | None = None,
) -> Draft:
    """Return an answer to the question with checked citations.

    Args:
        question: one that stands by itself.
        passages: what the model is shown, the most important first, and what its answer is checked against.
        chat: the model.
        manner: how to ask it.
        read: gives a stored document, for the asker; citations are compared with it.
        sentences: single sentences of the passages, the best first, for a manner that extracts.
        arrange: the order in which the passages that fit are shown.
        embedder: lets a paraphrase count as support; None goes by words alone.
        history: the turns before, for a model that can use them.
        on_text: receives the text as it comes.

    Raises:
        ContextOverflow: the question alone is too long for the model.
        ModelError: the model failed.
    """
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
    draft = _spoken(question, [system, *turns, *rest], Evidence(passages), chat, manner, read, embedder, on_text)
    return replace(draft, steps=(step, *draft.steps))


def shown(
    question: str,
    passages: Sequence[Hit],
    chat: Reads,
    manner: Manner,
    *,
    turns: Sequence[Message] = (),
    arrange: Arrange | None = None,
) -> tuple[list[Message], Framed]:
    """Return the prompt that a model gets, without the turns before, and the passages that stand in it.

    Args:
        question: one that stands by itself.
        passages: the most important first.
        chat: the model, or anything that counts its tokens.
        manner: how to ask.
        turns: the turns before, for which room is left.
        arrange: the order in which the passages that fit are shown.

    Raises:
        ContextOverflow: the question alone is too long for the model.
    """
    chosen = passages[: manner.passages]
    framed = _framed(question, chosen, turns, chat, manner, arrange)
    return _filled(question, framed.text, manner, fence_code(question, chosen)), framed


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


def _framed(
    question: str,
    passages: Sequence[Hit],
    turns: Sequence[Message],
    chat: Reads,
    manner: Manner,
    arrange: Arrange | None,
) -> Framed:
    rest = "\n".join(message.content for message in [*_filled(question, "", manner, "00000000"), *turns])
    # The chat template adds some tokens to each message.
    room = chat.context - manner.max_tokens - chat.count_tokens(rest) - 16 * (3 + len(turns))
    if room < _LEAST_ROOM:
        raise ContextOverflow(chat.context - room + _LEAST_ROOM, chat.context)
    return frame(
        passages,
        question=question,
        budget=min(manner.budget, room),
        count=chat.count_tokens,
        plain=manner.plain,
        arrange=arrange,
    )


def _filled(question: str, passages: str, manner: Manner, code: str) -> list[Message]:
    values = {
        "passages": passages,
        "question": question,
        "code": code,
        "refusal": refusal_text(question),
        "language": language_name(question),
    }
    template = prompts.load(manner.prompt)
    return template.fill(**{name: value for name, value in values.items() if name in template.places})


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
