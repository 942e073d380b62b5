"""Fake models: deterministic, offline, of the same shape as the real ones.

They record what they were asked, so that a test can count calls. None of them understands anything:
`FakeEmbedder` and `FakeReranker` compare words, `FakeChat` says what it was told to say.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trivium.errors import ContextOverflow, UnknownName
from trivium.models.base import Vectors
from trivium.models.schema import problem_of_text, smallest
from trivium.types import Completion, Message, Span, TokenLogprob, Usage

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")
_PIECE = re.compile(rf"\s*(?:[{_CJK}]|[^\W{_CJK}]+|[^\w\s])|\s+")


def word_spans(text: str) -> list[Span]:
    """Return the span of each word, and of each CJK character by itself; punctuation is left out."""
    return [match.span() for match in _WORD.finditer(text)]


def _terms(text: str) -> list[str]:
    """Lower-cased words, CJK characters and bigrams of neighbouring CJK characters."""
    spans = word_spans(text)
    terms = [text[start:end].lower() for start, end in spans]
    is_cjk = [re.match(f"[{_CJK}]", term) is not None for term in terms]
    bigrams = [
        terms[i] + terms[i + 1]
        for i in range(len(terms) - 1)
        if is_cjk[i] and is_cjk[i + 1] and spans[i][1] == spans[i + 1][0]
    ]
    return terms + bigrams


class FakeEmbedder:
    """A hashed bag of words and CJK bigrams, so that texts that share words lie near each other.

    Args:
        dimension: length of a vector.
        unknown_rate: what `unknown_rate()` reports, for any text.
        max_tokens: the limit it claims; nothing is cut.

    Attributes:
        calls: how often `embed` or `embed_query` was called.
        texts_embedded: how many texts these calls held.
    """

    def __init__(self, dimension: int = 64, *, unknown_rate: float = 0.0, max_tokens: int = 256) -> None:
        self.name = f"fake-embedder-{dimension}"
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.calls = 0
        self.texts_embedded = 0
        self._unknown_rate = unknown_rate
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return shape (len(texts), dimension), unit rows; a text without words gets a fixed unit vector."""
        with self._lock:
            self.calls += 1
            self.texts_embedded += len(texts)
        rows = [self._vector(text) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dimension), dtype=np.float32)

    def embed_query(self, text: str) -> Vectors:
        """Return shape (dimension,)."""
        row: Vectors = self.embed([text])[0]
        return row

    def token_spans(self, text: str) -> list[Span]:
        """Return the span of each word and each CJK character."""
        return word_spans(text)

    def unknown_rate(self, text: str) -> float:
        """Return the rate given at construction, whatever the text."""
        return self._unknown_rate

    def _vector(self, text: str) -> Vectors:
        vector = np.zeros(self.dimension, dtype=np.float32)
        for term in _terms(text):
            digest = hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            place = int.from_bytes(digest[:4], "little") % self.dimension
            vector[place] += 1.0 if digest[4] & 1 else -1.0
        norm = float(np.linalg.norm(vector))
        if norm == 0.0:  # no words, or words that cancelled out: still a unit vector
            vector[0] = norm = 1.0
        return vector / np.float32(norm)


@dataclass(frozen=True, slots=True)
class FakeCall:
    """One request that a `FakeChat` received."""

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    seed: int
    stop: tuple[str, ...]
    schema: Mapping[str, object] | None
    logprobs: int
    adapter: str | None
    streamed: bool


class FakeChat:
    """Says `reply`, or what `reply(messages)` returns.

    A token is a word, a CJK character or a punctuation mark, with the white space before it.
    With a schema, a reply that does not satisfy it is replaced by the smallest value that does.

    Args:
        reply: the text, or a function from the messages to the text.
        context: the limit of prompt plus `max_tokens`, in these tokens.
        adapters: the adapter names that a request may choose.

    Attributes:
        calls: the requests received, in order.
        pieces_streamed: how many pieces of streams were taken by their readers.
    """

    def __init__(
        self,
        reply: str | Callable[[Sequence[Message]], str] = "",
        *,
        context: int = 8192,
        adapters: Sequence[str] = (),
        name: str = "fake-chat",
    ) -> None:
        self.name = name
        self.context = context
        self.calls: list[FakeCall] = []
        self.pieces_streamed = 0
        self._reply = reply
        self._adapters = tuple(adapters)
        self._lock = threading.Lock()

    @property
    def adapters(self) -> tuple[str, ...]:
        """The names of the adapters that a request may choose."""
        return self._adapters

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
        """Return the reply, cut at `stop` and `max_tokens`. Raises as `Chat.complete` says."""
        call = FakeCall(tuple(messages), max_tokens, temperature, seed, tuple(stop), schema, logprobs, adapter, False)
        pieces, finish, prompt_tokens = self._answer(call)
        tokens = tuple(self._logprob(piece, logprobs) for piece in pieces) if logprobs else ()
        usage = Usage(prompt_tokens, len(pieces))
        return Completion("".join(pieces), usage, finish, tokens, self.name)

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
        """Yield the reply token by token."""
        call = FakeCall(tuple(messages), max_tokens, temperature, seed, tuple(stop), None, 0, adapter, True)
        pieces, _, _ = self._answer(call)
        return self._yield(pieces)

    def count_tokens(self, text: str) -> int:
        """Return the number of words, CJK characters and punctuation marks."""
        return sum(1 for _ in _PIECE.finditer(text))

    def _yield(self, pieces: list[str]) -> Iterator[str]:
        for piece in pieces:
            self.pieces_streamed += 1
            yield piece

    def _answer(self, call: FakeCall) -> tuple[list[str], str, int]:
        with self._lock:
            self.calls.append(call)
        if call.adapter is not None and call.adapter not in self._adapters:
            raise UnknownName("adapter", call.adapter, self._adapters)
        prompt_tokens = sum(self.count_tokens(message.content) for message in call.messages)
        if prompt_tokens + call.max_tokens > self.context:
            raise ContextOverflow(prompt_tokens, self.context - call.max_tokens)
        text = self._reply if isinstance(self._reply, str) else self._reply(call.messages)
        if call.schema is not None and problem_of_text(text, call.schema):
            text = json.dumps(smallest(call.schema), ensure_ascii=False)
        for word in call.stop:
            text = text.split(word, 1)[0] if word else text
        pieces = _PIECE.findall(text)
        finish = "length" if len(pieces) > call.max_tokens else "stop"
        return pieces[: call.max_tokens], finish, prompt_tokens

    @staticmethod
    def _logprob(piece: str, alternatives: int) -> TokenLogprob:
        others = {f"<other {number}>": -3.0 - number for number in range(alternatives - 1)}
        return TokenLogprob(piece, -0.1, {piece: -0.1} | others)


class FakeReranker:
    """Scores a passage by the share of the question's words, CJK characters and bigrams that it holds."""

    def __init__(self) -> None:
        self.name = "fake-reranker"
        self.calls = 0

    def rerank(self, question: str, passages: Sequence[str]) -> Vectors:
        """Return shape (len(passages),), each from 0 to 1."""
        self.calls += 1
        asked = set(_terms(question))
        shares = [len(asked & set(_terms(passage))) / max(len(asked), 1) for passage in passages]
        return np.array(shares, dtype=np.float32)
