"""Write on from an answer begun, and say how sure the model is of each sentence.

The confidence of FLARE (Jiang et al. 2023, arXiv:2305.06983): a sentence is as sure as its least probable token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trivium.generate.queries import one_line
from trivium.generate.shown_with import with_passages
from trivium.models.base import Chat
from trivium.text.markers import without_markers
from trivium.text.sentences import sentence_spans
from trivium.types import Completion, Hit

_MAX_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with the probability of each of its tokens, in order; no tokens where the model reports none."""

    text: str
    tokens: tuple[tuple[str, float], ...] = ()

    @property
    def least(self) -> float | None:
        """The probability of its least probable token that is more than a mark, None where none is known."""
        return min((chance for token, chance in self.tokens if any(map(str.isalnum, token))), default=None)

    def surely(self, threshold: float) -> str:
        """Return the sentence without the tokens that are less probable than `threshold`."""
        return " ".join("".join(token for token, chance in self.tokens if chance >= threshold).split())


def write_on(question: str, passages: Sequence[Hit], so_far: str, chat: Chat) -> Completion:
    """Return how the model goes on with an answer, with the log-probability of each token where it reports them.

    Args:
        question: one that stands by itself.
        passages: the most important first; they are shown fenced.
        so_far: the answer begun; "" at its beginning.
        chat: the model.

    Raises:
        ContextOverflow: question and answer alone are too long for the model.
        ModelError: the model failed.
    """
    begun = one_line(so_far) or "(nothing yet)"
    messages, _ = with_passages("write_on", question, passages, chat, max_tokens=_MAX_TOKENS, written=begun)
    return chat.complete(messages, max_tokens=_MAX_TOKENS, stop=("\n\n",), logprobs=1)


def sentences_of(said: Completion) -> list[Sentence]:
    """Return the sentences of a completion, each with its tokens; markers of passages are taken out of the text."""
    found, at, place = [], 0, 0
    for start, end in sentence_spans(said.text):
        tokens = []
        while place < len(said.logprobs) and at < end:
            token = said.logprobs[place]
            tokens.append((token.token, math.exp(min(token.logprob, 0.0))))
            at += len(token.token)
            place += 1
        if text := " ".join(without_markers(said.text[start:end]).split()):
            found.append(Sentence(text, tuple(tokens)))
    return found


def unheard(sentences: Sequence[Sentence], written: Sequence[str]) -> list[Sentence]:
    """Return the sentences up to the first that stands in the answer already: from there the model repeats itself."""
    known = set(written)
    fresh = []
    for one in sentences:
        if one.text in known:
            break
        known.add(one.text)
        fresh.append(one)
    return fresh


def sure_of(sentences: Sequence[Sentence], threshold: float) -> int:
    """Return how many of the first sentences have no token that is less probable than `threshold`."""
    for place, one in enumerate(sentences):
        if one.least is not None and one.least < threshold:
            return place
    return len(sentences)
