"""Ways to decode that need a model's own probabilities, and not only its text (extra `tune`).

Each is a short function over a Transformers model and token numbers, so that it can be checked on a toy model, and a
class or function that offers it over a chat model that lends itself (`Lends`; `TransformersChat` is one).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from trivium.types import Message


@runtime_checkable
class Lends(Protocol):
    """A chat model of this process that lets its weights and its tokens be worked with."""

    @property
    def name(self) -> str: ...
    @property
    def context(self) -> int: ...
    @property
    def ends(self) -> frozenset[int]: ...

    def prompt_ids(self, messages: Sequence[Message], max_tokens: int) -> list[int]:
        """Return the tokens of a conversation, up to where the model begins to speak."""
        ...

    def text_ids(self, text: str) -> list[int]:
        """Return the tokens of a text, without special ones."""
        ...

    def text_of(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, without special ones."""
        ...

    def lent(self) -> AbstractContextManager[Any]:
        """Lend the Transformers model, without gradients; other requests wait meanwhile."""
        ...
