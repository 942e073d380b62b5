"""Routing: to no retrieval at all, or to the knowledge base that the question is about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from trivium import prompts
from trivium.errors import UnknownName
from trivium.generate.choose import choose_one
from trivium.generate.manner import manner_for
from trivium.generate.speak import OnText
from trivium.models.base import Chat, Reranker
from trivium.patterns.advanced import advanced
from trivium.patterns.run import Run
from trivium.patterns.steps import from_memory, understand
from trivium.retrieve.difficulty import difficulty
from trivium.retrieve.search import can_read
from trivium.types import Answer, Message, Step

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.index.where import Where

WAYS = ("rules", "embedding", "model")
NOWHERE = "none"
DEFAULT = "documents"
MARGIN = 0.05
"""Cosine by which the nearest passage of one knowledge base must be nearer than that of the next."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A knowledge base to ask, and what it is about in a line."""

    index: Index
    about: str = ""


def routed(
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
    others: Mapping[str, Destination] = MappingProxyType({}),
    about: str = "",
    by: Sequence[str] = ("rules", "embedding", "model"),
) -> Answer:
    """Answer from memory, or from one of several knowledge bases (whether to retrieve at all: Wang et al. 2023, SKR,
    arXiv:2310.05002).

    The ways of `by` are tried in turn until one tells; where none does, `index` is asked. `rules`: a greeting or a sum
    needs no document (`retrieve/difficulty.py`), and a question that says the name of a destination means it.
    `embedding`: the knowledge base whose nearest passage that the asker may read is nearest by a clear margin, where
    all have the same embedder. `model`: a choice among the destinations by what they are about; a small model is not
    asked. Then as `advanced`.

    Args:
        others: more knowledge bases by name; `index` is "documents", and no retrieval is "none".
        about: what `index` holds, in a line, for the model.
        by: the ways, in order.

    Raises:
        UsageError: the question is empty.
        UnknownName: `by` names no way of routing.
        FilterError: `where` does not parse.
        ModelError: a model failed.
    """
    run = Run()
    asked = understand(run, question, history, chat)
    if unknown := [way for way in by if way not in WAYS]:
        raise UnknownName("way of routing", unknown[0], WAYS)
    places = {DEFAULT: Destination(index, about), **others}
    name, how = "", "default"
    for way in by:
        with run.step("route") as detail:
            if way == "rules":
                name = _by_rules(asked, others)
            elif way == "embedding":
                name = _by_embedding(asked, places, where, principals, detail)
            else:
                name = _by_model(run, asked, places, chat)
            detail |= {"by": way, "to": name}
        if name:
            how = way
            break
    name = name or DEFAULT
    if name == NOWHERE:
        return from_memory(run, question, asked, chat, history, on_text)
    said = advanced(
        asked,
        chat=chat,
        index=places[name].index,
        k=k,
        principals=principals,
        where=where,
        history=history,
        on_text=on_text,
        reranker=reranker,
    )
    run.steps.append(Step("routed", {"to": name, "by": how}))
    return run.hand_on(question, said)


def _by_rules(question: str, others: Mapping[str, Destination]) -> str:
    if difficulty(question) == "none":
        return NOWHERE
    named = [name for name in others if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", question, re.IGNORECASE)]
    return named[0] if len(named) == 1 else ""


def _by_embedding(
    question: str,
    places: Mapping[str, Destination],
    where: str | Where | None,
    principals: Sequence[str] | None,
    detail: dict[str, object],
) -> str:
    indexes = {name: place.index for name, place in places.items()}
    first = indexes[DEFAULT]
    alike = len({index.embedder.name for index in indexes.values()}) == 1
    if len(indexes) < 2 or not alike or not can_read(first, question):
        return ""
    vector = first.embedder.embed_query(question)
    nearest: dict[str, float] = {}
    for name, index in indexes.items():
        hits = index.dense(vector, n=1, where=where, principals=principals)
        nearest[name] = hits[0].score if hits else 0.0
    detail["nearest"] = {name: round(score, 4) for name, score in nearest.items()}
    best, second = sorted(nearest, key=lambda name: -nearest[name])[:2]
    return best if nearest[best] - nearest[second] >= MARGIN else ""


def _by_model(run: Run, question: str, places: Mapping[str, Destination], chat: Chat) -> str:
    if manner_for(chat).extracts:
        return ""
    lines = [f"{name}: {place.about or 'the documents'}" for name, place in places.items()]
    lines.append(f"{NOWHERE}: no document is needed: a greeting, a sum, what everybody knows")
    messages = prompts.fill("route", question=question, destinations="\n".join(lines))
    choice = choose_one(messages, (*places, NOWHERE), chat)
    run.usage += choice.usage
    return choice.first
