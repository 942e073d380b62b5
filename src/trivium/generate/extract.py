"""Answers of small models: words copied from the sentence that most likely holds them, or the sentence itself.

Extractive question answering (Rajpurkar et al. 2016, SQuAD, arXiv:1606.05250) by a generative model: a few turns
show how to copy, a JSON schema keeps the answer short, and what it says is taken only if it stands in the sentence
word for word, adds something to the question, is of the kind asked for, and was said with confidence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from trivium import prompts
from trivium.models.base import Chat, ReadsAhead
from trivium.text.content import content_terms
from trivium.text.facts import numbers
from trivium.text.fence import neutralise
from trivium.text.kinds import Kind
from trivium.text.normalise import normalise
from trivium.types import Completion, TokenLogprob

LONGEST = 60
"""Characters of an answer: one that reaches this is cut off, and not taken."""
CONFIDENCE = -0.5
"""The least mean log-probability of the tokens."""
_MAX_TOKENS = 40
_SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "maxLength": LONGEST}},
    "required": ["answer"],
    "additionalProperties": False,
}
_OPEN = re.compile(
    r"^\W*(?:how (?:do|does|did|can|could|should|to|is|are|was|were)|why|what (?:is|are|does|do|happens?|if) |explain|"
    r"describe|list|tell|is|are|was|were|can|could|does|do|did|has|have|had|will|would|may|must|should)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Extract:
    """What came of an extraction.

    Attributes:
        text: the words, as they stand in the sentence; "" where none were taken.
        objection: why not: "form", "words", "question", "kind", "confidence"; "" where taken.
        said: the model's whole output.
    """

    text: str
    objection: str
    said: Completion


def extractable(question: str) -> bool:
    """Whether the question asks for a few words rather than for an explanation: not "how do I", "why", "is it"."""
    return _OPEN.match(question) is None


def read_ahead(chat: Chat) -> None:
    """Have the model read the turns that show how to copy, where it can do so before there is a question.

    Raises:
        ModelError: the model failed.
    """
    if isinstance(chat, ReadsAhead):
        chat.read_ahead(prompts.fill("extract", passage="", question=""))


def extract(question: str, sentence: str, chat: Chat, kind: Kind | None = None) -> Extract:
    """Have the model copy the answer from a sentence.

    Args:
        question: one that asks for a few words.
        sentence: the sentence that most likely answers it.
        chat: the model.
        kind: the kind of thing asked for, where that is known.

    Raises:
        ModelError: the model failed.
    """
    passage = " ".join(neutralise(sentence).split())
    messages = prompts.fill("extract", passage=passage, question=question)
    said = chat.complete(messages, max_tokens=_MAX_TOKENS, schema=_SCHEMA, logprobs=1)
    try:
        words = str(json.loads(said.text)["answer"]).strip(" .,;:")
    except (ValueError, KeyError, TypeError):
        return Extract("", "form", said)
    span = as_written(words, sentence)
    found = " ".join(sentence[slice(*span)].split()) if span else ""
    objection = _objection(question, words, found, kind, said.logprobs)
    return Extract("" if objection else found, objection, said)


def _objection(question: str, words: str, found: str, kind: Kind | None, logprobs: Sequence[TokenLogprob]) -> str:
    if not words or len(words) >= LONGEST - 1:
        return "form"
    if not found:
        return "words"
    asked = frozenset(content_terms(question))
    said = numbers(words)
    if asked.issuperset(content_terms(words)) or (said and said <= numbers(question)):
        return "question"
    if kind is not None and kind.alone.search(found) is None:
        return "kind"
    if logprobs and sum(token.logprob for token in logprobs) / len(logprobs) < CONFIDENCE:
        return "confidence"
    return ""


def as_written(words: str, text: str) -> tuple[int, int] | None:
    """Return the span of `text` that holds `words` as whole words, in any case of letters; None where there is none."""
    parts = [re.escape(part) for part in words.split()]
    if not parts:
        return None
    match = re.search(r"(?<!\w)" + r"\s+".join(parts) + r"(?!\w)", text, re.IGNORECASE)
    return match.span() if match is not None and normalise(match.group()) else None
