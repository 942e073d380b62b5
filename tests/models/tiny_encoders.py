"""Tiny encoders with random weights, written as real model folders, and what they must compute, in plain numpy."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

HIDDEN, LAYERS, HEADS, UNITS, POSITIONS = 32, 2, 4, 64, 40
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [*SPECIAL, "the", "a", "warranty", "lasts", "two", "years", "of", "engine", "broke", "yesterday"]
WORDS += ["query", "passage", ":", "##s"]
VOCABULARY = 64


def random_weights(family: str, *, labels: int = 0, seed: int = 0) -> dict[str, np.ndarray]:
    """Return a state dict as Transformers saves it (torch order: outputs, inputs)."""
    rng = np.random.default_rng(seed)
    prefix = {"bert": "bert.", "roberta": "roberta.", "distilbert": "distilbert."}[family] if labels else ""
    weights: dict[str, np.ndarray] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        weights[f"{name}.weight"] = rng.normal(0, 0.25, (outputs, inputs)).astype(np.float32)
        weights[f"{name}.bias"] = rng.normal(0, 0.2, outputs).astype(np.float32)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = rng.normal(1, 0.2, HIDDEN).astype(np.float32)
        weights[f"{name}.bias"] = rng.normal(0, 0.2, HIDDEN).astype(np.float32)

    tables = {"word": VOCABULARY, "position": POSITIONS}
    if family != "distilbert":
        tables["token_type"] = 2 if family == "bert" else 1
    for table, rows in tables.items():
        weights[f"{prefix}embeddings.{table}_embeddings.weight"] = rng.normal(0, 1, (rows, HIDDEN)).astype(np.float32)
    norm(f"{prefix}embeddings.LayerNorm")
    for layer in range(LAYERS):
        for part, name in layer_names(family, layer, prefix).items():
            if "norm" in part:
                norm(name)
            else:
                linear(name, UNITS if part == "up" else HIDDEN, UNITS if part == "down" else HIDDEN)
    if labels and family == "bert":
        linear("bert.pooler.dense", HIDDEN, HIDDEN)
        linear("classifier", labels, HIDDEN)
    elif labels and family == "roberta":
        linear("classifier.dense", HIDDEN, HIDDEN)
        linear("classifier.out_proj", labels, HIDDEN)
    elif labels:
        linear("pre_classifier", HIDDEN, HIDDEN)
        linear("classifier", labels, HIDDEN)
    return weights


def layer_names(family: str, layer: int, prefix: str) -> dict[str, str]:
    if family == "distilbert":
        base = f"{prefix}transformer.layer.{layer}."
        names = {"q": "attention.q_lin", "k": "attention.k_lin", "v": "attention.v_lin", "o": "attention.out_lin"}
        names |= {"norm1": "sa_layer_norm", "up": "ffn.lin1", "down": "ffn.lin2", "norm2": "output_layer_norm"}
    else:
        base = f"{prefix}encoder.layer.{layer}."
        names = {part[0]: f"attention.self.{part}" for part in ("query", "key", "value")}
        names |= {"o": "attention.output.dense", "norm1": "attention.output.LayerNorm"}
        names |= {"up": "intermediate.dense", "down": "output.dense", "norm2": "output.LayerNorm"}
    return {part: base + name for part, name in names.items()}


def write_encoder(
    folder: Path,
    family: str = "bert",
    *,
    labels: int = 0,
    activation: str = "gelu",
    pooling: str = "mean_tokens",
    dtype: str = "float32",
    seed: int = 0,
    prompts: dict[str, str] | None = None,
    max_length: int | None = None,
) -> dict[str, np.ndarray]:
    """Write a model folder; return its weights, as they are after rounding to `dtype`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = random_weights(family, labels=labels, seed=seed)
    config = {"model_type": family, "pad_token_id": 1 if family == "roberta" else 0}
    config |= {"max_position_embeddings": POSITIONS, "vocab_size": VOCABULARY}
    if family == "distilbert":
        config |= {"n_layers": LAYERS, "n_heads": HEADS, "dim": HIDDEN, "hidden_dim": UNITS, "activation": activation}
    else:
        config |= {"num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "hidden_size": HIDDEN}
        config |= {"hidden_act": activation, "layer_norm_eps": 1e-5, "type_vocab_size": 2 if family == "bert" else 1}
    write_json(folder / "config.json", config)
    if not labels:
        write_json(folder / "1_Pooling" / "config.json", {f"pooling_mode_{pooling}": True})
    if prompts:
        write_json(folder / "config_sentence_transformers.json", {"prompts": prompts})
    if max_length:
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_length})
    write_tokenizer(folder / "tokenizer.json")
    return save_weights(folder / "model.safetensors", weights, dtype)


def save_weights(path: Path, weights: dict[str, np.ndarray], dtype: str = "float32") -> dict[str, np.ndarray]:
    if dtype == "bfloat16":
        halves = {name: (value.view(np.uint32) >> 16).astype(np.uint16) for name, value in weights.items()}
        header, data = {}, b""
        for name, half in halves.items():
            span = [len(data), len(data) + half.nbytes]
            header[name] = {"dtype": "BF16", "shape": list(half.shape), "data_offsets": span}
            data += half.tobytes()
        head = json.dumps(header).encode()
        path.write_bytes(len(head).to_bytes(8, "little") + head + data)
        return {name: (half.astype(np.uint32) << 16).view(np.float32) for name, half in halves.items()}
    rounded = {name: value.astype(dtype) for name, value in weights.items()}
    save_file(rounded, path)
    return {name: value.astype(np.float32) for name, value in rounded.items()}


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def write_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.enable_padding(length=30)  # as many published files do; it must not take effect
    tokenizer.save(str(path))


# --- the reference -----------------------------------------------------------------------------------------------

_erf = np.vectorize(math.erf)


def _act(kind: str, x: np.ndarray) -> np.ndarray:
    if kind == "relu":
        return np.where(x > 0, x, 0)
    if kind == "gelu":
        return x * 0.5 * (1 + _erf(x / math.sqrt(2)))
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _norm(x: np.ndarray, gain: np.ndarray, bias: np.ndarray, eps: float) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * gain + bias


def hidden_states(
    weights: dict[str, np.ndarray],
    ids: list[int],
    *,
    family: str = "bert",
    heads: int = HEADS,
    layers: int = LAYERS,
    activation: str = "gelu",
    eps: float = 1e-5,
    types: list[int] | None = None,
) -> np.ndarray:
    """Return the last layer's states of one text, (tokens, hidden), in float64, one head at a time."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    prefix = next(name for name in w if name.endswith("word_embeddings.weight")).split("embeddings.")[0]
    x = w[f"{prefix}embeddings.word_embeddings.weight"][ids]
    first = 2 if family == "roberta" else 0  # RoBERTa's places start after the padding index, which is 1
    x = x + w[f"{prefix}embeddings.position_embeddings.weight"][first : first + len(ids)]
    if family != "distilbert":
        x = x + w[f"{prefix}embeddings.token_type_embeddings.weight"][types or [0] * len(ids)]

    def normed(x: np.ndarray, name: str) -> np.ndarray:
        return _norm(x, w[f"{name}.weight"], w[f"{name}.bias"], eps)

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = normed(x, f"{prefix}embeddings.LayerNorm")
    size = x.shape[1] // heads
    for layer in range(layers):
        at = layer_names(family, layer, prefix)
        q, k, v = linear(x, at["q"]), linear(x, at["k"]), linear(x, at["v"])
        context = np.zeros_like(x)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = q[:, part] @ k[:, part].T / math.sqrt(size)
            share = np.exp(scores - scores.max(1, keepdims=True))
            context[:, part] = share / share.sum(1, keepdims=True) @ v[:, part]
        x = normed(x + linear(context, at["o"]), at["norm1"])
        x = normed(x + linear(_act(activation, linear(x, at["up"])), at["down"]), at["norm2"])
    return x


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)
