"""How to ask a model of a given size: which prompt, how many passages, and how far to trust it.

A model of a few hundred million parameters loses its way in a long prompt, reads a CPU's few hundred tokens a second
and makes things up. It is shown the one sentence that most likely holds the answer and may only copy from it
(`extract.py`); where it does not, the sentence itself is quoted. A larger model is shown whole passages and has the
last word, and what it says without support is marked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from trivium.models.base import Chat, adapters
from trivium.text.language import scripts

_PARAMETERS = re.compile(r"(?<![A-Za-z0-9])(\d+(?:[._]\d+)?)([MmBb])(?![A-Za-z0-9])")
_SMALL = 1e9
_TOKENS_PER_CHARACTER = 1.2


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
        extracts: whether the answer is copied from a sentence of the passages, or is that sentence.
        adapter: the model's adapter that was tuned on this prompt; its answers are words of the passages.
    """

    prompt: str
    budget: int
    passages: int
    max_tokens: int
    stop: tuple[str, ...] = ()
    plain: bool = False
    extracts: bool = False
    adapter: str | None = None

    def freely(self) -> Manner:
        """Return the manner in which the model says what it likes."""
        return SMALL.freely() if self.adapter else replace(self, extracts=False)


SMALL = Manner("grounded_small", budget=600, passages=3, max_tokens=64, stop=("\n",), plain=True, extracts=True)
GROUNDED = "grounded"
"""The name of an adapter that was tuned to answer from passages, in the prompt `grounded_tuned`."""
TUNED = Manner(
    "grounded_tuned",
    budget=320,
    passages=3,
    max_tokens=40,
    stop=("\n",),
    plain=True,
    extracts=True,
    adapter=GROUNDED,
)
LARGE = Manner("grounded", budget=6000, passages=12, max_tokens=512)
CLOSED_BOOK = Manner("closed_book", budget=0, passages=0, max_tokens=256)


def parameters(name: str) -> float | None:
    """Return how many parameters a model has, as its name tells (`SmolLM2-135M-Instruct`), or None."""
    match = _PARAMETERS.search(name)
    if match is None:
        return None
    return float(match[1].replace("_", ".")) * (1e6 if match[2] in "Mm" else 1e9)


def manner_for(chat: Chat) -> Manner:
    """Return how to ask this model: as it was tuned to be, or as a small one below a billion parameters by its name."""
    if GROUNDED in adapters(chat):
        return TUNED
    size = parameters(chat.name)
    return SMALL if size is not None and size < _SMALL else LARGE


def reads(chat: Chat, text: str) -> bool:
    """Whether the model's vocabulary covers the script of `text`: it does not where letters fall into bytes."""
    letters = sum(scripts(text).values())
    return letters == 0 or chat.count_tokens(text) <= _TOKENS_PER_CHARACTER * len(text)
