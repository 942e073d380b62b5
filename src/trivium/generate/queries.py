"""Have a model write what to search for: queries, sub-questions, the question behind the question.

A JSON schema keeps the reply a list, however weak the model; what it says is taken only where it is more than the
question again and, unless told otherwise, shares a telling word with what the model was shown. Where nothing is
left the caller searches with the question itself, and the objection says why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trivium import prompts
from trivium.models.base import Chat
from trivium.text.content import content_terms
from trivium.text.fence import neutralise
from trivium.text.markers import without_markers
from trivium.types import Usage

LONGEST = 160
"""Characters of a query."""
_TOKENS = 60
_MARKS = " \t\"'“”‘’「」"
_ENDS = ".?!。？！"


@dataclass(frozen=True, slots=True)
class Queries:
    """What a model wants searched.

    Attributes:
        texts: the usable queries, at most as many as were asked for.
        objection: why there are none: "form" (no list came) or "nothing usable"; "" where there are some.
        said: the model's whole output.
        usage: tokens.
    """

    texts: tuple[str, ...]
    objection: str
    said: str
    usage: Usage = field(default_factory=Usage)

    @property
    def told(self) -> Mapping[str, object]:
        """What a trace keeps."""
        return {"queries": list(self.texts), "objection": self.objection, "said": self.said}


def ask_queries(prompt: str, question: str, chat: Chat, *, most: int, related: bool = True, **places: str) -> Queries:
    """Return what the model would search for to answer a question.

    Args:
        prompt: a name in `data/prompts/`; it has the place `{question}` and one for each of `places`.
        question: one that stands by itself.
        chat: the model.
        most: how many queries at most.
        related: take only those that share a telling word with the question or with what stands in `places`.
        places: what else the prompt shows.

    Raises:
        ModelError: the model failed.
    """
    schema = {
        "type": "object",
        "properties": {
            "queries": {
                "type": "array",
                "items": {"type": "string", "maxLength": LONGEST},
                "minItems": 1,
                "maxItems": most,
            }
        },
        "required": ["queries"],
        "additionalProperties": False,
    }
    messages = prompts.fill(prompt, question=question, **places)
    said = chat.complete(messages, max_tokens=_TOKENS * (most + 1), schema=schema)
    try:
        texts = [str(text) for text in json.loads(said.text)["queries"]]
    except (ValueError, KeyError, TypeError):
        return Queries((), "form", said.text, said.usage)
    shown = " ".join((question, *places.values())) if related else None
    told = " ".join(message.content for message in prompts.load(prompt).messages)
    kept = tuple(usable(texts, question, shown, told=told))[:most]
    return Queries(kept, "" if kept else "nothing usable", said.text, said.usage)


def usable(texts: Iterable[str], question: str, shown: str | None, *, told: str = "") -> list[str]:
    """Return the texts that can be searched for: on one line, each once, none the question again.

    Args:
        texts: what a model wrote.
        question: what was asked.
        shown: what the model saw, of which a text must share a telling word; None asks for none.
        told: the prompt without its question; a weak model copies from it, and what it copied is not taken.
    """
    known = {_same(question)}
    terms = None if shown is None else frozenset(content_terms(shown))
    kept = []
    for text in (" ".join(text.split()).strip(_MARKS)[:LONGEST] for text in texts):
        own = content_terms(text)
        copied = text.casefold() in told.casefold()
        if not own or copied or _same(text) in known or (terms is not None and terms.isdisjoint(own)):
            continue
        known.add(_same(text))
        kept.append(text)
    return kept


def _same(text: str) -> str:
    """Return what two wordings of one query share: letters, whatever their case, and no marks around them."""
    return text.strip(_MARKS + _ENDS).casefold()


@dataclass(frozen=True, slots=True)
class Next:
    """The next question of a chain. `question` is "" where there is none: the model is done, or said nothing usable."""

    question: str
    objection: str
    said: str
    usage: Usage = field(default_factory=Usage)


def ask_next(question: str, steps: Sequence[tuple[str, str]], chat: Chat) -> Next:
    """Return the next simple question to look up on the way to the answer (Press et al. 2022, arXiv:2210.03350).

    Args:
        question: one that stands by itself.
        steps: the simple questions so far with their answers, which come from documents and are shown as data.
        chat: the model.

    Raises:
        ModelError: the model failed.
    """
    schema = {
        "type": "object",
        "properties": {"done": {"type": "boolean"}, "question": {"type": "string", "maxLength": LONGEST}},
        "required": ["done", "question"],
        "additionalProperties": False,
    }
    lines = [f"{number}. {asked} {one_line(found)}" for number, (asked, found) in enumerate(steps, 1)]
    told = "\n".join(lines) or "(none)"
    said = chat.complete(
        prompts.fill("next_question", question=question, steps=told), max_tokens=2 * _TOKENS, schema=schema
    )
    try:
        reply = json.loads(said.text)
        done, text = bool(reply["done"]), str(reply["question"])
    except (ValueError, KeyError, TypeError):
        return Next("", "form", said.text, said.usage)
    if done:
        return Next("", "done", said.text, said.usage)
    known = {_same(asked) for asked, _ in steps}
    words = " ".join(message.content for message in prompts.load("next_question").messages)
    new = [one for one in usable([text], question, f"{question} {told}", told=words) if _same(one) not in known]
    return Next(new[0] if new else "", "" if new else "nothing usable", said.text, said.usage)


def one_line(text: str) -> str:
    """Return what documents brought about, an answer of an earlier step, as one line that poses as nothing else."""
    return " ".join(neutralise(without_markers(text)).split())
