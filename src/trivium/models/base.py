"""What the other rooms ask of a model: three small protocols. Any object of the right shape will do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from trivium.types import Completion, Message, Span, TokenLogprob

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors.

    `name` identifies the weights (model and content hash): vectors of different names never mix.
    `max_tokens` counts the special tokens too; longer texts are cut, and `embed` reports that by a warning log.
    """

    @property
    def name(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return shape (len(texts), dimension), float32, each row of norm 1, in the order of `texts`."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """Return shape (dimension,): a question, with the model's own query prefix where it has one."""
        ...

    def token_spans(self, text: str) -> list[Span]:
        """Return the character span of each token of `text`, without special tokens, not truncated."""
        ...

    def unknown_rate(self, text: str) -> float:
        """Return the share (0 to 1) of `text`'s tokens that the vocabulary does not know."""
        ...


class Chat(Protocol):
    """Continues a conversation. `context` is the limit of prompt plus completion, in tokens."""

    @property
    def name(self) -> str: ...
    @property
    def context(self) -> int: ...

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
        """Return the whole completion.

        Args:
            schema: a JSON schema that the text must satisfy.
            logprobs: how many alternatives to report for each generated token; 0 reports none.
            adapter: the name of a LoRA adapter that this model was given.

        Raises:
            ContextOverflow: the prompt and `max_tokens` do not fit `context`.
            ModelError: the model failed.
        """
        ...

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
        """Yield the completion's text in pieces, as they are generated. Closing the iterator stops the model."""
        ...

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of `text`, without special tokens."""
        ...


@runtime_checkable
class ReadsAhead(Protocol):
    """A chat model that can read the beginning of its prompts before there is a question."""

    def read_ahead(self, messages: Sequence[Message]) -> None:
        """Read the beginning that the prompts to come share with `messages`, so that they are answered sooner."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A chat model that can tell how likely a given text is; `TransformersChat` is one."""

    @property
    def context(self) -> int: ...

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of `text`, without special tokens."""
        ...

    def score(self, text: str, *, messages: Sequence[Message] = ()) -> tuple[TokenLogprob, ...]:
        """Return the log-probability of each token of `text`, by itself or as the answer to `messages`.

        Raises:
            ContextOverflow: conversation and text do not fit the context.
        """
        ...


class Reranker(Protocol):
    """Scores passages for a question, higher is better."""

    @property
    def name(self) -> str: ...

    def rerank(self, question: str, passages: Sequence[str]) -> Vectors:
        """Return shape (len(passages),), in the order of `passages`."""
        ...


def adapters(chat: Chat) -> tuple[str, ...]:
    """Return the names of the adapters that a chat model was given; a model that knows none has none."""
    return tuple(getattr(chat, "adapters", ()))
