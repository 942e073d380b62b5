"""Rerank by late interaction: each token of the question looks for its like among the passage's tokens.

Khattab and Zaharia 2020, ColBERT, arXiv:2004.12832: the score is the mean over the question's tokens of the highest
cosine (MaxSim). The embedded sentence encoder does it as it is, without training and without a file of its own: its
single vector is the mean of the very states that are compared here one by one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trivium.models.base import Vectors
from trivium.models.encoder_config import read_config
from trivium.models.encoder_tokens import EncoderTokenizer
from trivium.models.onnx_graph import Precision
from trivium.models.onnx_run import EncoderSession

PRIOR = 0.25
"""How much the search's own score (0 to 1) weighs beside the mean cosine; chosen on SQuAD articles set apart for it."""
_KEPT = 512  # passages whose states are kept: 150 KB each at 200 tokens


class LateReranker:
    """An encoder's token states, compared. Safe to call from several threads.

    The states of the last passages are kept, so that a passage which is found again costs nothing.

    Args:
        folder: a model folder: config.json, model.safetensors, tokenizer.json.
        precision: `int8` or `fp32`.
        threads: texts read at once; None takes the cores that this process may use.

    Raises:
        ModelNotFound: a file of the folder is missing.
        ModelError: the architecture is not supported.
    """

    prior = PRIOR

    def __init__(self, folder: str | Path, *, precision: Precision = "int8", threads: int | None = None) -> None:
        path = Path(folder).resolve()
        config = read_config(path)
        self._tokenizer = EncoderTokenizer(path, config.max_tokens, lower_case=config.lower_case)
        self._session = EncoderSession(path, head="tokens", precision=precision, threads=threads)
        self._name = f"{path.name}-late-{precision}-{self._session.digest[:12]}"
        self._kept: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Folder name, `late`, precision, and the first 12 hexadecimal digits of the weights' sha256."""
        return self._name

    def rerank(self, question: str, passages: Sequence[str]) -> Vectors:
        """Return the mean highest cosine of the question's tokens in each passage, shape (len(passages),)."""
        if not passages:
            return np.empty(0, np.float32)
        with self._lock:
            kept = {text: self._kept[text] for text in passages if text in self._kept}
        new = [text for text in dict.fromkeys(passages) if text not in kept]
        asked, *read = self._states([question, *new])
        kept |= dict(zip(new, (states.astype(np.float16) for states in read), strict=True))
        self._keep(kept)
        return np.array([_mean_highest(asked, kept[text]) for text in passages], np.float32)

    def unknown_rate(self, text: str) -> float:
        """Return the share (0 to 1) of `text`'s words that the vocabulary does not know."""
        return self._tokenizer.unknown_rate(text)

    def _states(self, texts: list[str]) -> list[Vectors]:
        ids, _ = self._tokenizer.encode(texts)
        found = self._session.states(ids)
        return [states[self._tokenizer.inner(row)] for states, row in zip(found, ids, strict=True)]

    def _keep(self, states: dict[str, Vectors]) -> None:
        with self._lock:
            for text, value in states.items():
                self._kept[text] = value
                self._kept.move_to_end(text)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


def _mean_highest(question: Vectors, passage: Vectors) -> float:
    if not len(question) or not len(passage):
        return 0.0
    return float((question @ passage.T.astype(np.float32)).max(axis=1).mean())
