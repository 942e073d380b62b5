"""Make a follow-up question stand by itself, so that it can be searched for.

The model rewrites the question with the conversation before it (as in Vakulenko et al. 2021, "Question rewriting for
conversational question answering", arXiv:2004.14652). Its rewriting is taken only if its words come from the
conversation and it keeps those of the question; a small model mostly fails that, and then the question before is
put in front of this one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from trivium import prompts
from trivium.generate.manner import manner_for
from trivium.models.base import Chat
from trivium.text.content import content_terms
from trivium.text.facts import names
from trivium.text.markers import without_markers
from trivium.text.sentences import sentence_spans
from trivium.types import Message, Usage

_REFERS = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|there|one|ones|former|latter|"
    r"same|such|else|instead)\b|^\W*(?:and|but|or|so|then|what about|how about|why|why not|how so|also)\b|"
    r"[它他她]们?|这[个些里样种]?|那[个些里样么种]?|该|其[中他]?|呢[？?]?$|^(?:还有|那么|为什么|怎么)",
    re.IGNORECASE,
)
_SELF_CONTAINED = 2
"""Content terms that a question without any word of reference needs, to be left as it is."""
_TURNS = 6
_TURN_CHARACTERS = 600
_LONGEST = 400
_SHORT = 40


@dataclass(frozen=True, slots=True)
class Condensed:
    """The question to search with, and whether it is as asked, rewritten by the model, or joined by rule."""

    question: str
    how: Literal["as asked", "model", "rule"]
    usage: Usage = field(default_factory=Usage)


def condense(question: str, history: Sequence[Message], chat: Chat) -> Condensed:
    """Return a question that can be understood without the conversation.

    Args:
        question: the last one.
        history: the turns before it, oldest first.
        chat: the model that rewrites it; a small one is not asked.

    Raises:
        ModelError: the model failed.
    """
    if not any(turn.role == "user" for turn in history) or not refers(question):
        return Condensed(question, "as asked")
    if manner_for(chat).extracts:
        return Condensed(by_rule(question, history), "rule")
    turns = [turn for turn in history if turn.role != "system"][-_TURNS:]
    told = "\n".join(f"{turn.role}: {' '.join(turn.content.split())[:_TURN_CHARACTERS]}" for turn in turns)
    said = chat.complete(prompts.fill("condense", history=told, question=question), max_tokens=128)
    rewritten = said.text.strip().split("\n")[0].strip().strip("\"“”'")
    if sensible(rewritten, question, told):
        return Condensed(rewritten, "model", said.usage)
    return Condensed(by_rule(question, history), "rule", said.usage)


def refers(question: str) -> bool:
    """Whether a question leans on what was said before: by a pronoun, an opening "and", or by its brevity."""
    return _REFERS.search(question) is not None or len(content_terms(question)) < _SELF_CONTAINED


def sensible(rewritten: str, question: str, conversation: str) -> bool:
    """Whether a rewriting is one: short, of the conversation's words, and with those of the question."""
    terms = frozenset(content_terms(rewritten))
    asked = frozenset(content_terms(question))
    known = asked | frozenset(content_terms(conversation))
    if not rewritten or len(rewritten) > _LONGEST + len(question) or not terms:
        return False
    return len(terms & known) >= 0.8 * len(terms) and len(terms & asked) >= 0.5 * len(asked)


def by_rule(question: str, history: Sequence[Message]) -> str:
    """Return the question before, the names of the answer to it, and the question, as one text to search for."""
    earlier = next((turn.content for turn in reversed(history) if turn.role == "user"), "")
    answers = [turn.content for turn in history if turn.role == "assistant"]
    said = without_markers(answers[-1]) if answers else ""
    known = frozenset(content_terms(f"{earlier} {question}"))
    spans = sentence_spans(said)[:2]
    # An answer of a few words is a name even where it has no capitals.
    short = len(said) <= _SHORT
    mentioned = [said.strip()] if short else [name for s, e in spans for name in sorted(names(said[s:e]))]
    found = [name for name in mentioned if not known.issuperset(content_terms(name))]
    parts = (earlier.strip()[:_TURN_CHARACTERS], " ".join(found[:5]), question)
    return " ".join(part for part in parts if part)
