"""How to ask a model of a given size: which prompt, how many passages, and what to do when it invents.

A model of a few hundred million parameters loses its way in a long prompt, reads a CPU's few hundred tokens a second
and makes things up; it is given the few sentences that matter, asked for one sentence, and where it says what no
passage supports, the best sentence of the passages is quoted instead. A larger model is given whole passages and
the last word, and what it says without support is marked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trivium.models.base import Chat
from trivium.text.language import scripts

_PARAMETERS = re.compile(r"(?<![A-Za-z0-9])(\d+(?:[._]\d+)?)([MmBb])(?![A-Za-z0-9])")
_SMALL = 1.5e9
_TOKENS_PER_LETTER = 1.2


@dataclass(frozen=True, slots=True)
class Manner:
    """How to ask.

    Attributes:
        prompt: the name of the prompt in `data/prompts/`.
        budget: tokens that passages may take.
        passages: how many are shown at most.
        max_tokens: of the answer.
        stop: strings that end the answer.
        plain: whether passages are shown without fences.
        quotes: whether a sentence of the passages stands in for an answer that they do not support.
    """

    prompt: str
    budget: int
    passages: int
    max_tokens: int
    stop: tuple[str, ...] = ()
    plain: bool = False
    quotes: bool = False


SMALL = Manner("grounded_small", budget=320, passages=3, max_tokens=64, stop=("\n",), plain=True, quotes=True)
LARGE = Manner("grounded", budget=6000, passages=12, max_tokens=512)


def parameters(name: str) -> float | None:
    """Return how many parameters a model has, as its name tells (`SmolLM2-135M-Instruct`), or None."""
    match = _PARAMETERS.search(name)
    if match is None:
        return None
    return float(match[1].replace("_", ".")) * (1e6 if match[2] in "Mm" else 1e9)


def manner_for(chat: Chat) -> Manner:
    """Return how to ask this model: as a small one where its name tells fewer than 1.5 billion parameters."""
    size = parameters(chat.name)
    return SMALL if size is not None and size < _SMALL else LARGE


def reads(chat: Chat, text: str) -> bool:
    """Whether the model's vocabulary covers the script of `text`: it does not where letters fall into bytes."""
    letters = sum(scripts(text).values())
    return letters == 0 or chat.count_tokens(text) <= _TOKENS_PER_LETTER * len(text)
