"""Answers of a small model that was tuned to answer from passages: words of one with its number, or a refusal.

What it says is taken only if it stands in a passage it was shown, word for word. A refusal counts only where it was
nearly sure of it: the probability of its first token tells.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from trivium.generate.answer_prompt import shown
from trivium.generate.evidence import Quotable
from trivium.generate.extract import as_written
from trivium.generate.frame import Framed
from trivium.generate.manner import Manner
from trivium.generate.refuse import says_nothing
from trivium.models.base import Chat
from trivium.text.sentences import sentence_spans
from trivium.types import Completion, Hit

REFUSAL = "I don't know"
"""What the model was taught to say where no passage answers."""
DOUBT = 0.9
"""The probability of a refusal from which on it is one. Below it the model is unsure, which on SQuAD's adversarial
questions says little: of 100 answerable and 100 unanswerable validation questions it began a refusal for 12 and 7."""
_SAID = re.compile(r"^(?P<words>.*?)\s*(?:\[(?P<number>\d+)\]\s*)*$", re.DOTALL)
_ALTERNATIVES = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of it.

    Attributes:
        text: the words, as they stand in the passage; "" where none were taken.
        proof: the sentences that hold them.
        objection: why none were taken: "refused", "unsure", "words" (not in the passages); "" where they were.
        doubt: the probability, 0 to 1, of beginning a refusal.
        framed: the passages that were shown.
        said: the model's whole output.
    """

    text: str
    proof: Quotable | None
    objection: str
    doubt: float
    framed: Framed
    said: Completion


def read_out(question: str, passages: Sequence[Hit], chat: Chat, manner: Manner) -> Reading:
    """Have the model answer with words of the passages.

    Raises:
        ContextOverflow: the question alone is too long for the model.
        ModelError: the model failed.
    """
    messages, framed = shown(question, passages, chat, manner)
    said = chat.complete(
        messages, max_tokens=manner.max_tokens, stop=manner.stop, logprobs=_ALTERNATIVES, adapter=manner.adapter
    )
    doubt = _doubt(said)
    match = _SAID.match(said.text.strip())
    words = (match["words"] if match else said.text).strip(" .,;:")
    if doubt >= DOUBT or says_nothing(words):
        return Reading("", None, "refused" if doubt >= DOUBT else "unsure", doubt, framed, said)
    number = int(match["number"] or 0) if match else 0
    ordered = [hit for place, hit in enumerate(framed.hits, 1) if place == number] or list(framed.hits)
    ordered += [hit for hit in framed.hits if hit not in ordered]
    for hit in ordered:
        span = as_written(words, hit.chunk.text)
        if span is not None:
            text = " ".join(hit.chunk.text[slice(*span)].split())
            return Reading(text, _sentences(hit, span), "", doubt, framed, said)
    return Reading("", None, "words", doubt, framed, said)


def _doubt(said: Completion) -> float:
    """Return the probability of the tokens that begin a refusal, where the model's first token was chosen."""
    if not said.logprobs:
        return 0.0
    top = {said.logprobs[0].token: said.logprobs[0].logprob, **said.logprobs[0].top}
    first = {token for token in top if token.strip() and REFUSAL.startswith(token.strip())}
    return min(1.0, sum(math.exp(top[token]) for token in first))


def _sentences(hit: Hit, span: tuple[int, int]) -> Quotable:
    """Return the sentences of the passage that hold a span of it."""
    inside = [(start, end) for start, end in sentence_spans(hit.chunk.text) if start < span[1] and end > span[0]]
    start, end = (inside[0][0], inside[-1][1]) if inside else span
    return Quotable(hit, hit.chunk.start + start, hit.chunk.start + end)
