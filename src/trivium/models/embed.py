"""Turn texts into unit vectors: `open_embedder` and the in-process ONNX embedder.

Reimers and Gurevych 2019, Sentence-BERT (arXiv:1908.10084).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trivium.errors import UsageError
from trivium.models.base import Embedder, Vectors
from trivium.models.encoder_config import read_config
from trivium.models.encoder_tokens import EncoderTokenizer
from trivium.models.onnx_graph import Precision
from trivium.models.onnx_run import EncoderSession
from trivium.types import Span

log = logging.getLogger("trivium.models")

_SLAB = 1024  # texts tokenised at a time, to bound the memory

DEFAULT_EMBEDDER = "all-minilm-l6-v2"


class OnnxEmbedder:
    """A BERT-family encoder in ONNX Runtime. Safe to call from several threads.

    `truncated` counts the texts that were longer than `max_tokens` and were cut, since the start.

    Args:
        folder: a model folder: config.json, model.safetensors, tokenizer.json.
        precision: `int8` is three times as fast as `fp32` and agrees with it to a cosine of about 0.999.
        threads: batches run at once; None takes the cores that this process may use.
        batch_tokens: the most tokens in one batch of texts of equal length. The default runs each text by
            itself, so that its vector never depends on the other texts of the call (in int8 a batch shares
            its rounding steps), at no cost for passages; 512 is half as fast again on texts of a few words.

    Raises:
        ModelNotFound: a file of the folder is missing.
        ModelError: the architecture is not supported.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        precision: Precision = "int8",
        threads: int | None = None,
        batch_tokens: int = 1,
    ) -> None:
        if precision not in ("int8", "fp32"):
            raise UsageError(f"There is no precision {precision!r}.", "Choose int8 or fp32.")
        path = Path(folder).resolve()
        config = read_config(path)
        self._tokenizer = EncoderTokenizer(path, config.max_tokens, lower_case=config.lower_case)
        self._session = EncoderSession(
            path, head="embedding", precision=precision, threads=threads, batch_tokens=batch_tokens
        )
        prompts = config.prompts
        self._query_prefix = prompts.get("query", "")
        self._passage_prefix = prompts.get("passage", prompts.get("document", ""))
        self._max_tokens = config.max_tokens
        self._name = f"{path.name}-{precision}-{self._session.digest[:12]}"
        self.truncated = 0
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Folder name, precision, and the first 12 hexadecimal digits of the weights' sha256."""
        return self._name

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return self._session.width

    @property
    def max_tokens(self) -> int:
        """The most tokens of a text that are read, special tokens included."""
        return self._max_tokens

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return shape (len(texts), dimension), float32, each row of norm 1, in the order of `texts`."""
        return self._embed([self._passage_prefix + text for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """Return shape (dimension,): a question, with the model's own query prefix where it has one."""
        vector: Vectors = self._embed([self._query_prefix + text])[0]
        return vector

    def token_spans(self, text: str) -> list[Span]:
        """Return the character span of each token of `text`, without special tokens, not truncated."""
        return self._tokenizer.spans(text)

    def unknown_rate(self, text: str) -> float:
        """Return the share (0 to 1) of `text`'s words that the vocabulary does not know."""
        return self._tokenizer.unknown_rate(text)

    def _embed(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        vectors = np.empty((len(texts), self.dimension), np.float32)
        cut = 0
        for start in range(0, len(texts), _SLAB):
            part = slice(start, start + _SLAB)
            ids, cut_here = self._tokenizer.encode(texts[part])
            cut += cut_here
            vectors[part] = self._session.run(ids)
        if cut:
            with self._lock:
                self.truncated += cut
            log.warning("%d of %d texts are longer than %d tokens and were cut", cut, len(texts), self._max_tokens)
        return vectors


def open_embedder(spec: str | None = None) -> Embedder:
    """Return the embedder that `spec` names.

    Args:
        spec: None for the embedded default; a model's folder; the name of a model fetched with
            `trivium pull`; or `https://host/v1#model` for an OpenAI-compatible endpoint.

    Raises:
        ModelNotFound: it is not here and may not or could not be fetched.
    """
    from trivium.models.pull import ensure

    if spec and spec.startswith(("http://", "https://")):
        return _remote(spec)
    if spec and Path(spec).expanduser().is_dir():
        return OnnxEmbedder(Path(spec).expanduser())
    return OnnxEmbedder(ensure(spec or DEFAULT_EMBEDDER))


def _remote(spec: str) -> Embedder:
    url, _, model = spec.partition("#")
    if not model:
        raise UsageError(f"The endpoint {url} is given without a model.", f"Write it as {url}#model-name.")
    from trivium.models.remote import RemoteEmbedder

    return RemoteEmbedder(url, model)
