"""Embedding and reranking models behind an OpenAI-compatible endpoint (vLLM, Ollama, llama.cpp's server, a vendor).

`endpoint.py` has the HTTP: the key, retries, time limits, errors. `remote_chat.py` has chat models.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

from trivium.errors import RemoteError
from trivium.models.base import Vectors
from trivium.models.endpoint import DEFAULT_KEY_VARIABLE, Endpoint
from trivium.types import Span

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W{_CJK}]{{1,5}}|[^\w\s]")
_log = logging.getLogger("trivium.models")


def approximate_token_spans(text: str) -> list[Span]:
    """Return spans that stand for tokens: each CJK character, punctuation mark, and up to 5 letters of a word.

    An endpoint tells nobody its vocabulary. On English prose this counts 20% more than BPE and WordPiece
    vocabularies do (90% of SQuAD's paragraphs: 2 to 36% more), on technical text about as many: budgets made by
    it mostly hold, and the endpoint has the last word.
    """
    return [match.span() for match in _TOKEN.finditer(text)]


class RemoteEmbedder:
    """An embedding model served at `url`/embeddings.

    Args:
        url, model: as for `RemoteChat`.
        query_prefix, passage_prefix: what the model wants before a question and before a passage.
        max_tokens: texts with more tokens than this, by `approximate_token_spans`, are cut, with a warning.
        batch_texts, batch_characters: the most that one request holds; a batch that the endpoint still finds too
            large is halved.
        key_variable, timeout, attempts, parallel: see `Endpoint`; batches run in parallel.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        query_prefix: str = "",
        passage_prefix: str = "",
        max_tokens: int = 512,
        batch_texts: int = 64,
        batch_characters: int = 100_000,
        key_variable: str = DEFAULT_KEY_VARIABLE,
        timeout: float = 120.0,
        attempts: int = 4,
        parallel: int = 4,
    ) -> None:
        self._endpoint = Endpoint(url, key_variable=key_variable, timeout=timeout, attempts=attempts, parallel=parallel)
        self._model = model
        self._query_prefix, self._passage_prefix = query_prefix, passage_prefix
        self.max_tokens = max_tokens
        self._batch_texts, self._batch_characters = batch_texts, batch_characters

    @property
    def name(self) -> str:
        """The address, the model's name there, and the prefixes, which change the vectors as well."""
        prefixes = "".join(f"|{prefix}" for prefix in (self._query_prefix, self._passage_prefix) if prefix)
        return f"{self._endpoint.url}#{self._model}{prefixes}"

    @cached_property
    def dimension(self) -> int:
        """The length of a vector; the first use asks the endpoint to embed one word."""
        return int(self._embed(["dimension"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return shape (len(texts), dimension), float32, unit rows, in the order of `texts`.

        Raises:
            RemoteError: the endpoint failed for good; nothing of the call is kept.
        """
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        return self._embed([self._passage_prefix + text for text in self._cut(texts)])

    def embed_query(self, text: str) -> Vectors:
        """Return shape (dimension,)."""
        row: Vectors = self._embed([self._query_prefix + self._cut([text])[0]])[0]
        return row

    def token_spans(self, text: str) -> list[Span]:
        """Return `approximate_token_spans(text)`."""
        return approximate_token_spans(text)

    def unknown_rate(self, text: str) -> float:
        """Return 0: an endpoint does not tell."""
        return 0.0

    def _cut(self, texts: Sequence[str]) -> list[str]:
        kept, cut = [], 0
        for text in texts:
            # a token has a character at least, so short texts need no look
            spans = approximate_token_spans(text) if len(text) > self.max_tokens else []
            if len(spans) > self.max_tokens:
                text = text[: spans[self.max_tokens - 1][1]]
                cut += 1
            kept.append(text)
        if cut:
            _log.warning("%d of %d texts were cut to about %d tokens.", cut, len(texts), self.max_tokens)
        return kept

    def _embed(self, texts: list[str]) -> Vectors:
        batches = list(self._batches(texts))
        if len(batches) == 1:
            return self._batch(batches[0])
        with ThreadPoolExecutor(self._endpoint.parallel) as pool:
            futures = [pool.submit(self._batch, batch) for batch in batches]
            try:
                return np.concatenate([future.result() for future in futures])
            finally:
                for future in futures:  # after an error, what has not begun need not
                    future.cancel()

    def _batches(self, texts: list[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        size = 0
        for text in texts:
            if batch and (len(batch) == self._batch_texts or size + len(text) > self._batch_characters):
                yield batch
                batch, size = [], 0
            batch.append(text or " ")  # endpoints refuse an empty text
            size += len(text)
        yield batch

    def _batch(self, texts: list[str]) -> Vectors:
        try:
            answer = self._endpoint.post("/embeddings", {"model": self._model, "input": texts})
        except RemoteError as error:
            if error.status != 413 or len(texts) == 1:
                raise
            half = len(texts) // 2
            return np.concatenate([self._batch(texts[:half]), self._batch(texts[half:])])
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
            numbers = [row["index"] for row in rows]
        except (KeyError, TypeError, ValueError):
            raise wrong_shape(self._endpoint, "embeddings", answer) from None
        norms = np.linalg.norm(vectors, axis=-1, keepdims=True) if vectors.ndim == 2 else np.zeros(1)
        if numbers != list(range(len(texts))) or not np.all(np.isfinite(norms) & (norms > 0)):
            raise self._endpoint.error(f"answered {len(texts)} texts with other than so many finite vectors.")
        unit: Vectors = vectors / norms
        return unit


class RemoteReranker:
    """A reranking model served at `url`/rerank, in the form of Jina, Cohere, vLLM and llama.cpp.

    Args:
        url, model: as for `RemoteChat`.
        batch_passages: the most passages that one request holds; scores do not depend on the others.
        key_variable, timeout, attempts, parallel: see `Endpoint`.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        batch_passages: int = 100,
        key_variable: str = DEFAULT_KEY_VARIABLE,
        timeout: float = 120.0,
        attempts: int = 4,
        parallel: int = 4,
    ) -> None:
        self._endpoint = Endpoint(url, key_variable=key_variable, timeout=timeout, attempts=attempts, parallel=parallel)
        self._model = model
        self._batch_passages = batch_passages

    @property
    def name(self) -> str:
        """The address and the model's name there."""
        return f"{self._endpoint.url}#{self._model}"

    def rerank(self, question: str, passages: Sequence[str]) -> Vectors:
        """Return shape (len(passages),): the endpoint's relevance scores, in the order of `passages`.

        Raises:
            RemoteError: the endpoint failed for good.
        """
        scores = np.zeros(len(passages), np.float32)
        for start in range(0, len(passages), self._batch_passages):
            batch = list(passages[start : start + self._batch_passages])
            scores[start : start + len(batch)] = self._scores(question, batch)
        return scores

    def _scores(self, question: str, passages: list[str]) -> list[float]:
        body = {"model": self._model, "query": question, "documents": passages, "top_n": len(passages)}
        answer = self._endpoint.post("/rerank", body)
        try:
            rows = answer if isinstance(answer, list) else answer["results"]
            found = {row["index"]: float(row.get("relevance_score", row.get("score"))) for row in rows}
            return [found[number] for number in range(len(passages))]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise wrong_shape(self._endpoint, "the scores of all passages", answer) from None


def wrong_shape(endpoint: Endpoint, wanted: str, answer: Any) -> RemoteError:
    """Return the error for an answer that is JSON and not what was asked for."""
    shown = json.dumps(answer, ensure_ascii=False)[:200]
    return endpoint.error(
        f"did not answer with {wanted}: {shown}.", "Check that it is an OpenAI-compatible endpoint of that kind."
    )
