"""A chat model that always speaks through one of its adapters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trivium.errors import UnknownName
from trivium.models.base import Chat, adapters
from trivium.types import Completion, Message


@dataclass(frozen=True)
class Adapted:
    """`chat` with its adapter `adapter` for every request: what asks it need not know that it was tuned.

    Raises:
        UnknownName: the model was given no such adapter.
    """

    chat: Chat
    adapter: str

    def __post_init__(self) -> None:
        if self.adapter not in adapters(self.chat):
            raise UnknownName("adapter of this model", self.adapter, adapters(self.chat))

    @property
    def name(self) -> str:
        """The model's name, which has that of the adapter in it."""
        return self.chat.name

    @property
    def context(self) -> int:
        """See `Chat`."""
        return self.chat.context

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        schema: Mapping[str, object] | None = None,
        logprobs: int = 0,
        adapter: str | None = None,
    ) -> Completion:
        """See `Chat.complete`; another adapter that the request names comes first."""
        return self.chat.complete(
            messages,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            stop=stop,
            schema=schema,
            logprobs=logprobs,
            adapter=adapter or self.adapter,
        )

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        adapter: str | None = None,
    ) -> Iterator[str]:
        """See `Chat.stream`."""
        return self.chat.stream(
            messages, max_tokens=max_tokens, temperature=temperature, seed=seed, stop=stop,
            adapter=adapter or self.adapter,
        )  # fmt: skip

    def count_tokens(self, text: str) -> int:
        """See `Chat.count_tokens`."""
        return self.chat.count_tokens(text)
