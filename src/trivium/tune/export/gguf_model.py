"""Write a Llama-family model folder as one GGUF file, which llama.cpp loads and runs at full speed.

What the file says of the model and its vocabulary is taken from the GGUF file that the base came from, where there is
one, and written from the folder's configuration and tokenizer elsewhere (`gguf_vocabulary.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trivium.errors import UsageError
from trivium.models.gguf import q8_0, read_header, write_gguf
from trivium.models.weights import Weights
from trivium.tune.export.gguf_vocabulary import read_object, vocabulary

Precision = Literal["f16", "q8_0"]
FILE_TYPES: Mapping[str, int] = {"f16": 1, "q8_0": 7}
"""llama.cpp's numbers of the kinds of file."""

_TYPES = ("llama", "mistral")
_BLOCK = 32  # values that share a scale in Q8_0
_TOP = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
LINEAR = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""The linear layers of the Llama family: the end of the name in Transformers, and the name in GGUF."""
_LAYER = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", **LINEAR}


def write_gguf_model(folder: Path, path: Path, *, like: Path | None = None, precision: Precision = "q8_0") -> Path:
    """Write the model in `folder` to the GGUF file `path`, whole or not at all.

    Args:
        folder: config.json, safetensors and a tokenizer of the Llama family.
        path: the file.
        like: the GGUF file that the base came from: its description and vocabulary are kept.
        precision: `f16`, or `q8_0`: half as large, 8 bits with a scale for each 32 values. Norms stay float32.

    Raises:
        UsageError: the architecture or the tokenizer is none that can be written.
        ModelError, ModelNotFound: the folder is damaged.
    """
    if precision not in FILE_TYPES:
        raise UsageError(f"There is no precision {precision!r} of a GGUF file.", "Choose q8_0 or f16.")
    config = read_object(folder / "config.json")
    _check(config, folder, like)
    metadata = _described(config, folder) if like is None else _kept(like, config)
    metadata |= {"general.file_type": FILE_TYPES[precision], "general.quantization_version": 2}
    if (template := _template(folder)) is not None:
        metadata["tokenizer.chat_template"] = template
    weights = Weights(folder)
    tensors: dict[str, NDArray[Any]] = {}
    for name in sorted(weights.names):
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue  # llama.cpp takes the embeddings where there is no output matrix
        target = _target(name, folder)
        tensors[target] = _stored(name, weights.read(name), config, precision)
    if like is not None and (factors := _factors(like)) is not None:
        tensors["rope_freqs.weight"] = factors
    path.parent.mkdir(parents=True, exist_ok=True)
    write_gguf(path, metadata, tensors)
    return path


def interleaved(rows: NDArray[Any], heads: int) -> NDArray[Any]:
    """Put the rows of each head's two halves by turns: GGUF turns neighbours, Transformers turns halves."""
    columns = rows.shape[1]
    return rows.reshape(heads, 2, -1, columns).swapaxes(1, 2).reshape(-1, columns)


def _stored(name: str, value: NDArray[np.float32], config: Mapping[str, Any], precision: Precision) -> NDArray[Any]:
    if value.ndim == 1:
        return value.astype(np.float32)
    if name.endswith("q_proj.weight"):
        value = interleaved(value, int(config["num_attention_heads"]))
    elif name.endswith("k_proj.weight"):
        value = interleaved(value, int(config.get("num_key_value_heads") or config["num_attention_heads"]))
    if precision == "q8_0" and value.shape[1] % _BLOCK == 0:
        return q8_0(value)
    return value.astype(np.float16)


def _target(name: str, folder: Path) -> str:
    if name in _TOP:
        return _TOP[name]
    parts = name.split(".")
    inner = ".".join(parts[3:-1])
    if parts[:2] == ["model", "layers"] and parts[-1] == "weight" and inner in _LAYER:
        return f"blk.{parts[2]}.{_LAYER[inner]}.weight"
    raise UsageError(
        f"The tensor {name} of {folder} has no place in a GGUF file of the Llama family.",
        "Merge the adapter first (--to merged), or use the model as a Transformers folder.",
    )


def _check(config: Mapping[str, Any], folder: Path, like: Path | None) -> None:
    kind = str(config.get("model_type", ""))
    if kind not in _TYPES:
        raise UsageError(
            f"The model in {folder} is of the type {kind or '(none)'}; GGUF files are written for {', '.join(_TYPES)}.",
            "Export it as merged, and convert that folder with llama.cpp's own converter.",
        )
    if config.get("attention_bias") or config.get("mlp_bias"):
        raise UsageError(f"The model in {folder} has biases that a Llama in GGUF has no place for.", "Keep the folder.")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    turned = str(rope.get("rope_type") or rope.get("type") or "default")
    if turned != "default" and (like is None or _factors(like) is None):
        raise UsageError(
            f"The positions of the model in {folder} are scaled ({turned}), which needs the base's GGUF file.",
            "Give it with --like MODEL.gguf.",
        )


def _described(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
    head = int(config.get("head_dim") or width // heads)
    rope = config.get("rope_parameters") or {}
    about: dict[str, Any] = {
        "general.architecture": "llama",
        "general.type": "model",
        "general.name": folder.name,
        "llama.block_count": int(config["num_hidden_layers"]),
        "llama.context_length": int(config["max_position_embeddings"]),
        "llama.embedding_length": width,
        "llama.feed_forward_length": int(config["intermediate_size"]),
        "llama.attention.head_count": heads,
        "llama.attention.head_count_kv": int(config.get("num_key_value_heads") or heads),
        "llama.rope.freq_base": float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0),
        "llama.attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "llama.vocab_size": int(config["vocab_size"]),
        "llama.rope.dimension_count": head,
    }
    if head * heads != width:
        about |= {"llama.attention.key_length": head, "llama.attention.value_length": head}
    return about | vocabulary(folder, int(config["vocab_size"]))


def _kept(like: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the base's file says, where it is of this very shape."""
    said = dict(read_header(like).metadata)
    for key, ours in {
        "general.architecture": "llama",
        "llama.block_count": config["num_hidden_layers"],
        "llama.embedding_length": config["hidden_size"],
        "llama.attention.head_count": config["num_attention_heads"],
    }.items():
        if said.get(key) != ours:
            raise UsageError(
                f"{like} is not what this model came from: its {key} is {said.get(key)}, the model's {ours}.",
                "Give the base's own GGUF file, or none.",
            )
    if len(said.get("tokenizer.ggml.tokens", ())) != config["vocab_size"]:
        raise UsageError(
            f"The vocabulary of {like} is not the model's, which has {config['vocab_size']} tokens.",
            "Give the base's own GGUF file, or none.",
        )
    said["general.name"] = f"{said.get('general.name', like.stem)} tuned"
    return said


def _factors(like: Path) -> NDArray[np.float32] | None:
    for tensor in read_header(like).tensors:
        if tensor.name == "rope_freqs.weight":
            with like.open("rb") as file:
                raw = os.pread(file.fileno(), tensor.nbytes, tensor.offset)
            return np.frombuffer(raw, np.float32)
    return None


def _template(folder: Path) -> str | None:
    """Return the chat template, from its own file or from the tokenizer's configuration."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text("utf-8")
    found = read_object(folder / "tokenizer_config.json").get("chat_template")
    return found if isinstance(found, str) else None
