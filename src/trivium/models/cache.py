"""A cache of model calls on disk, so that a run that was interrupted pays for no call twice.

A call is found again by the SHA-256 of everything that shaped it: the model's name, the messages and all
parameters. Only that hash is stored of a prompt, since prompts hold the text of documents. What a model answered
is stored before it is handed on; tags (ids of documents, mostly) say which entries go when a document goes.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from trivium.models.base import Chat, Embedder, Vectors
from trivium.models.call_store import CallCache as CallCache
from trivium.types import Completion, Message, Span, TokenLogprob, Usage

_BLOCK = 256  # texts embedded between two writes

_log = logging.getLogger("trivium.models")


def cached_chat(chat: Chat, cache: CallCache, *, tags: Sequence[str] = ()) -> Chat:
    """Return a chat model that asks `chat` only what `cache` does not hold.

    Calls at temperature 0 are the same whatever their seed; others are cached by seed. A stream that was broken
    off is not stored, and a stored one comes in one piece.

    Args:
        chat: the model.
        cache: where its answers are kept.
        tags: what `CallCache.forget` will find these calls by. The wrapper costs nothing: make one for each set.
    """
    return _CachedChat(chat, cache, tuple(tags))


def cached_embedder(embedder: Embedder, cache: CallCache, *, tags: Sequence[str] = ()) -> Embedder:
    """Return an embedder that embeds only texts that `cache` does not hold; each text is an entry of its own."""
    return _CachedEmbedder(embedder, cache, tuple(tags))


class _CachedChat:
    def __init__(self, chat: Chat, cache: CallCache, tags: tuple[str, ...]) -> None:
        self._chat, self._cache, self._tags = chat, cache, tags

    @property
    def name(self) -> str:
        return self._chat.name

    @property
    def context(self) -> int:
        return self._chat.context

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
        shared = (messages, max_tokens, temperature, seed, stop, adapter)
        key = self._key("complete", *shared, schema=schema, logprobs=logprobs)
        with self._cache.alone(key):
            if (done := self._stored(key)) is not None:
                return done
            done = self._chat.complete(
                messages,
                max_tokens=max_tokens,
                temperature=temperature,
                seed=seed,
                stop=stop,
                schema=schema,
                logprobs=logprobs,
                adapter=adapter,
            )
            self._store(key, done)
            return done

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
        shared = (messages, max_tokens, temperature, seed, stop, adapter)
        key = self._key("stream", *shared)
        done = self._stored(key) or self._stored(self._key("complete", *shared, schema=None, logprobs=0))
        if done is not None:
            return iter([done.text] if done.text else [])
        pieces = self._chat.stream(
            messages, max_tokens=max_tokens, temperature=temperature, seed=seed, stop=stop, adapter=adapter
        )
        return self._keeping(key, pieces)

    def count_tokens(self, text: str) -> int:
        return self._chat.count_tokens(text)

    def _keeping(self, key: bytes, pieces: Iterator[str]) -> Iterator[str]:
        said = []
        try:
            for piece in pieces:
                said.append(piece)
                yield piece
        finally:
            if close := getattr(pieces, "close", None):
                close()  # an abandoned stream must stop the model
        self._store(key, Completion("".join(said), model=self.name))

    def _key(
        self,
        kind: str,
        messages: Sequence[Message],
        max_tokens: int,
        temperature: float,
        seed: int,
        stop: Sequence[str],
        adapter: str | None,
        **more: object,
    ) -> bytes:
        turns = [[turn.role, turn.content] for turn in messages]
        seed = seed if temperature > 0 else 0
        # not sorted: the order of a schema's properties shapes the answer
        call = [kind, self.name, turns, max_tokens, float(temperature), seed, list(stop), adapter, more]
        return _hash(json.dumps(call))

    def _stored(self, key: bytes) -> Completion | None:
        raw = self._cache.get([key]).get(key)
        if raw is None:
            return None
        try:
            done = _completion(json.loads(raw))
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("An entry of the cache of model calls cannot be read (%s): it is made anew", error)
            return None
        if self._tags:
            self._cache.tag([key], self._tags)
        return done

    def _store(self, key: bytes, done: Completion) -> None:
        value = json.dumps(asdict(done)).encode()
        self._cache.put({key: value}, model=self.name, tags=self._tags)


class _CachedEmbedder:
    def __init__(self, embedder: Embedder, cache: CallCache, tags: tuple[str, ...]) -> None:
        self._embedder, self._cache, self._tags = embedder, cache, tags

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimension(self) -> int:
        # kept with the vectors, so that a run whose texts are all here asks no endpoint
        found = self._cache.get([self._dimension_key]).get(self._dimension_key, b"")
        return int(found) if found.isdigit() else self._embedder.dimension

    @property
    def max_tokens(self) -> int:
        return self._embedder.max_tokens

    def embed(self, texts: Sequence[str]) -> Vectors:
        keys = [self._key("embed", text) for text in texts]
        found = self._found(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        items = list(missing.items())
        for start in range(0, len(items), _BLOCK):
            block = items[start : start + _BLOCK]
            vectors = self._embedder.embed([text for _, text in block])
            rows = {key: vector for (key, _), vector in zip(block, vectors, strict=True)}
            self._store(rows)
            found |= rows
        if not keys:
            return np.zeros((0, self.dimension), np.float32)
        return np.stack([found[key] for key in keys])

    def embed_query(self, text: str) -> Vectors:
        key = self._key("query", text)
        with self._cache.alone(key):
            found = self._found([key])
            if key not in found:
                found[key] = self._embedder.embed_query(text)
                self._store(found)
        return found[key]

    def token_spans(self, text: str) -> list[Span]:
        return self._embedder.token_spans(text)

    def unknown_rate(self, text: str) -> float:
        return self._embedder.unknown_rate(text)

    def _key(self, kind: str, text: str) -> bytes:
        return _hash(json.dumps([kind, self.name, text]))

    @property
    def _dimension_key(self) -> bytes:
        return self._key("dimension", "")

    def _found(self, keys: list[bytes]) -> dict[bytes, Vectors]:
        stored = self._cache.get(list(dict.fromkeys(keys)))
        lengths = {len(raw) for raw in stored.values()}
        if len(lengths) > 1 or any(length % 4 or not length for length in lengths):
            _log.warning("Vectors in the cache of model calls cannot be read: they are made anew")
            return {}
        if self._tags and stored:
            self._cache.tag(stored, self._tags)
        return {key: np.frombuffer(raw, np.float32).copy() for key, raw in stored.items()}

    def _store(self, rows: Mapping[bytes, Vectors]) -> None:
        values = {key: np.asarray(row, np.float32).tobytes() for key, row in rows.items()}
        self._cache.put(values, model=self.name, tags=self._tags)
        size = str(len(next(iter(rows.values())))).encode()
        if self._cache.get([self._dimension_key]).get(self._dimension_key) != size:
            self._cache.put({self._dimension_key: size}, model=self.name)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()


def _completion(found: Mapping[str, Any]) -> Completion:
    return Completion(
        text=found["text"],
        usage=Usage(**found["usage"]),
        finish_reason=found["finish_reason"],
        logprobs=tuple(TokenLogprob(**token) for token in found["logprobs"]),
        model=found["model"],
    )
