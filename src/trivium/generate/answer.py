"""Answer a question from passages: frame them, have the model speak, check what it says, or quote, or refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from trivium import prompts
from trivium.errors import ContextOverflow
from trivium.generate.cite import Citer, ReadDocument, cite
from trivium.generate.evidence import Evidence, Quotable
from trivium.generate.extract import extract, extractable
from trivium.generate.frame import Framed, fence_code, frame
from trivium.generate.language import language_name, refusal_text
from trivium.generate.manner import Manner, reads
from trivium.generate.markers import without_markers
from trivium.generate.quote import passage_from, quoted
from trivium.generate.refuse import says_nothing
from trivium.generate.speak import OnText, speak
from trivium.models.base import Chat
from trivium.text.kinds import kind_asked
from trivium.types import Citation, Hit, Message, Span, Step, Usage

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
        history: the turns before, for a model that can use them.
        on_text: receives the text as it comes.

    Raises:
        ContextOverflow: the question alone is too long for the model.
        ModelError: the model failed.
    """
    if manner.extracts:
        return _extracted(question, passages, sentences, chat, read, on_text)
    framed = _framed(question, passages, chat, manner, arrange)
    messages = _messages(question, framed, manner, passages, history)
    draft = _spoken(question, messages, Evidence(passages), chat, manner, read, on_text)
    return replace(draft, steps=(Step("prompt", _told(framed, manner)), *draft.steps))


def _framed(question: str, passages: Sequence[Hit], chat: Chat, manner: Manner, arrange: Arrange | None) -> Framed:
    rest = "\n".join(message.content for message in _filled(question, "", manner, "00000000"))
    room = chat.context - manner.max_tokens - chat.count_tokens(rest) - 48  # 48: the chat template's own tokens
    if room < _LEAST_ROOM:
        raise ContextOverflow(chat.context - room + _LEAST_ROOM, chat.context)
    return frame(
        passages[: manner.passages],
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


def _messages(
    question: str, framed: Framed, manner: Manner, passages: Sequence[Hit], history: Sequence[Message]
) -> list[Message]:
    code = fence_code(question, passages[: manner.passages])
    system, *rest = _filled(question, framed.text, manner, code)
    return [system, *([] if manner.plain else history), *rest]


def _told(framed: Framed, manner: Manner) -> dict[str, object]:
    return {
        "prompt": manner.prompt,
        "passages": len(framed.hits),
        "tokens": framed.tokens,
        "left_out": list(framed.left_out),
        "cut": list(framed.cut),
    }


def _spoken(
    question: str,
    messages: Sequence[Message],
    proof: Evidence,
    chat: Chat,
    manner: Manner,
    read: ReadDocument,
    on_text: OnText | None,
) -> Draft:
    """A larger model: it has the last word, and what it says is marked with what supports it."""
    said = speak(chat, messages, manner, on_text)
    step = Step("generate", {"model": chat.name, "finish": said.finish_reason})
    if says_nothing(without_markers(said.text)):
        why = Step("refuse", {"reason": "the model found no answer", "said": said.text})
        return Draft(refusal_text(question), True, usage=said.usage, steps=(step, why))
    cited = cite(said.text, question, proof, read)
    detail = {"sentences": len(cited.judgements), "objections": [j.objection for j in cited.judgements if j.objection]}
    return Draft(cited.text, False, cited.citations, cited.unsupported, said.usage, (step, Step("cite", detail)))


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
    step = Step("extract" if said else "quote", {"model": chat.name, "objection": why, "chunk": best.chunk.id})
    return Draft(text, False, tuple(citer.citations), (), usage, (step,))
