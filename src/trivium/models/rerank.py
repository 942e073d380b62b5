"""Score passages for a question with a cross-encoder: `open_reranker` and the in-process ONNX reranker.

Nogueira and Cho 2019, Passage Re-ranking with BERT (arXiv:1901.04085).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trivium.errors import ModelError, UsageError
from trivium.models.adapters import settings
from trivium.models.base import Reranker, Vectors
from trivium.models.encoder_config import read_config
from trivium.models.encoder_tokens import EncoderTokenizer
from trivium.models.onnx_graph import Precision
from trivium.models.onnx_run import EncoderSession

log = logging.getLogger("trivium.models")

LATE = "late"


class OnnxReranker:
    """A BERT-family sequence classifier with one or two labels in ONNX Runtime. Safe to call from several threads.

    Args:
        folder: a model folder: config.json, model.safetensors, tokenizer.json.
        precision: `int8` or `fp32`.
        threads: pairs scored at once; None takes the cores that this process may use.

    `prior` is how much the search's own score weighs beside its own: what `trivium tune reranker` taught it with, and
    0 for any other.

    Raises:
        ModelNotFound: a file of the folder is missing.
        ModelError: the architecture is not supported, or the model is not a cross-encoder.
    """

    def __init__(self, folder: str | Path, *, precision: Precision = "int8", threads: int | None = None) -> None:
        if precision not in ("int8", "fp32"):
            raise UsageError(f"There is no precision {precision!r}.", "Choose int8 or fp32.")
        path = Path(folder).resolve()
        config = read_config(path)
        self._tokenizer = EncoderTokenizer(path, config.max_tokens, lower_case=config.lower_case)
        self._session = EncoderSession(path, head="classification", precision=precision, threads=threads)
        if self._session.width > 2:
            raise ModelError(
                f"The model in {path} has {self._session.width} labels, so its scores do not rank passages.",
                "Give a cross-encoder with one label (a score) or two (irrelevant, relevant).",
            )
        self._max_tokens = config.max_tokens
        self.prior = float(settings(path).get("prior", 0.0))
        self._name = f"{path.name}-{precision}-{self._session.digest[:12]}"

    @property
    def name(self) -> str:
        """Folder name, precision, and the first 12 hexadecimal digits of the weights' sha256."""
        return self._name

    def rerank(self, question: str, passages: Sequence[str]) -> Vectors:
        """Return the score of each passage, shape (len(passages),), higher is better.

        Scores are log-odds: 0 is where the model is undecided. A pair that is too long loses the end of its
        passage first.
        """
        if not passages:
            return np.empty(0, np.float32)
        ids, types, cut = self._tokenizer.encode_pairs(question, passages)
        if cut:
            log.warning(
                "%d of %d passages do not fit %d tokens with the question and were cut",
                cut,
                len(passages),
                self._max_tokens,
            )
        logits = self._session.run(ids, types)
        scores: Vectors = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
        return scores


def open_reranker(spec: str | None = None) -> Reranker | None:
    """Return the reranker that `spec` names.

    Args:
        spec: None for the embedded default, of which there is none yet: then the result is None; `late` for late
            interaction by the embedded sentence encoder, `late:FOLDER` by another; a cross-encoder's folder; a hub id
            fetched with `trivium pull`; or `https://host/v1#model` for a `/v1/rerank` endpoint.

    Raises:
        ModelNotFound: it is not here.
    """
    if spec is None:
        return None
    if spec.startswith(("http://", "https://")):
        return _remote(spec)
    from trivium.models.pull import ensure

    if spec == LATE or spec.startswith(f"{LATE}:"):
        from trivium.models.embed import DEFAULT_EMBEDDER
        from trivium.models.late import LateReranker

        named = spec.removeprefix(LATE).removeprefix(":")
        return LateReranker(Path(named).expanduser() if named else ensure(DEFAULT_EMBEDDER))
    if Path(spec).expanduser().is_dir():
        return OnnxReranker(Path(spec).expanduser())

    return OnnxReranker(ensure(spec))


def _remote(spec: str) -> Reranker:
    url, _, model = spec.partition("#")
    if not model:
        raise UsageError(f"The endpoint {url} is given without a model.", f"Write it as {url}#model-name.")
    from trivium.models.remote import RemoteReranker

    return RemoteReranker(url, model)
