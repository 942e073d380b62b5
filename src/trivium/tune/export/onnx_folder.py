"""An encoder's folder with its int8 ONNX graph, compared with the same model in float32."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trivium.errors import ModelError
from trivium.models.disk import staged
from trivium.models.encoder_config import read_config
from trivium.models.encoder_tokens import EncoderTokenizer
from trivium.models.gguf_convert import quiet_transformers
from trivium.models.onnx_bert import Head
from trivium.models.onnx_run import EncoderSession, cached_graph
from trivium.models.weights import Floats
from trivium.tune.export.merge import outputs
from trivium.tune.export.source import PROBES

_CLOSE = 0.95  # cosine of a text's two vectors: int8 of a sound graph gives 0.99 and more
_LONGEST = 256  # tokens of a text that are compared
_AGREE = 0.8  # share of texts with one label in both


def write_onnx(folder: Path, out: Path, task: str, *, texts: Sequence[str] = PROBES) -> Mapping[str, float]:
    """Write `model.onnx` (int8) with configuration and tokenizer to the folder `out`, whole or not at all.

    The graph takes texts of equal length, without padding; see `models.onnx_bert`. The folder keeps its safetensors,
    so that Trivium opens it as any embedder or reranker, on processors that need other int8 weights too.

    Args:
        folder: of the whole model.
        out: where nothing is yet.
        task: `embed` or `classify`.
        texts: on which graph and Transformers are compared.

    Returns:
        `cosine`, the least of a text's two vectors; or `labels`, the share of equal labels, and `difference`, the
        largest of a logit.

    Raises:
        ModelError: the architecture has no graph, or it does not give what the model gives.
    """
    head: Head = "embedding" if task == "embed" else "classification"
    longest = min(read_config(folder).max_tokens, _LONGEST)
    ours = _session_outputs(folder, head, texts, longest)
    theirs = outputs(*_opened(folder, head), texts, longest=longest)
    if head == "embedding":
        pooling = read_config(folder).pooling
        vectors = np.stack([_pooled(one[0].numpy(), pooling) for one in theirs])
        cosine = float(np.einsum("ij,ij->i", vectors, ours).min())
        checks, sound = {"cosine": cosine}, cosine >= _CLOSE
    else:
        logits = np.stack([one[0].numpy() for one in theirs])
        same = float((logits.argmax(1) == ours.argmax(1)).mean())
        checks, sound = {"labels": same, "difference": float(np.abs(logits - ours).max())}, same >= _AGREE
    if not sound:
        said = ", ".join(f"{name} {value:.3f}" for name, value in checks.items())
        raise ModelError(
            f"The int8 graph of {folder.name} does not give what the model gives ({said}).",
            "It was not kept. Use the folder in float32.",
        )
    graph = cached_graph(folder, head=head, precision="int8")
    with staged(out) as staging:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                to = staging / file.relative_to(folder)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, to)
        for file in graph.parent.iterdir():
            shutil.copyfile(file, staging / file.name)
    return checks


def _session_outputs(folder: Path, head: Head, texts: Sequence[str], longest: int) -> Floats:
    tokenizer = EncoderTokenizer(folder, longest, lower_case=read_config(folder).lower_case)
    session = EncoderSession(folder, head=head, precision="int8", threads=1)
    ids, _ = tokenizer.encode(texts)
    return session.run(ids, [[0] * len(row) for row in ids])


def _opened(folder: Path, head: Head) -> tuple[Any, Any]:
    """Open the model with the labels that its folder states, and the tokenizer."""
    import transformers

    kind = transformers.AutoModel if head == "embedding" else transformers.AutoModelForSequenceClassification
    with quiet_transformers():
        model = kind.from_pretrained(folder, dtype="float32", local_files_only=True)
        return model, transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _pooled(states: Floats, pooling: str) -> Floats:
    """Return one unit vector from the states of a text, (tokens, hidden)."""
    vector = states[0] if pooling == "cls" else states.max(0) if pooling == "max" else states.mean(0)
    unit: Floats = vector / np.linalg.norm(vector)
    return unit
