"""What a BERT-family model folder says about itself: sizes, pooling, limits, prompts.

Reads `config.json` and, where they are, the files that sentence-transformers adds: `modules.json`,
`1_Pooling/config.json`, `sentence_bert_config.json`, `config_sentence_transformers.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trivium.errors import ModelError, ModelNotFound

FAMILIES = {
    "bert": "bert",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
    "camembert": "roberta",
    "distilbert": "distilbert",
}
"""`model_type` of config.json -> the family whose graph it has."""

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
}

_POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    # Dividing by the root of the length instead of the length is undone by the normalising.
    "pooling_mode_mean_sqrt_len_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """An encoder's architecture. `position_offset` is the row of the first token in the position table."""

    family: str
    layers: int
    heads: int
    hidden: int
    activation: str
    epsilon: float
    position_offset: int
    token_types: int
    pooling: str
    max_tokens: int
    lower_case: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)


def read_config(folder: Path) -> EncoderConfig:
    """Read the configuration of a model folder.

    Raises:
        ModelNotFound: the folder or its config.json is missing.
        ModelError: the architecture is not one that Trivium builds.
    """
    config = _json(folder / "config.json")
    if config is None:
        raise ModelNotFound(
            f"{folder} has no config.json.",
            "Give a model folder with config.json, model.safetensors and tokenizer.json.",
        )
    kind = str(config.get("model_type", "unknown"))
    _check_supported(folder, kind, config)
    try:
        return _encoder_config(folder, FAMILIES[kind], config)
    except KeyError as error:
        raise ModelError(
            f"{folder / 'config.json'} does not state {error}.", "Fetch the model again, or save it with Transformers."
        ) from error


def _encoder_config(folder: Path, family: str, config: Mapping[str, Any]) -> EncoderConfig:
    distil = family == "distilbert"
    offset = int(config.get("pad_token_id") or 0) + 1 if family == "roberta" else 0
    return EncoderConfig(
        family=family,
        layers=int(config["n_layers" if distil else "num_hidden_layers"]),
        heads=int(config["n_heads" if distil else "num_attention_heads"]),
        hidden=int(config["dim" if distil else "hidden_size"]),
        activation=ACTIVATIONS[_activation(config)],
        epsilon=float(config.get("layer_norm_eps", 1e-12)),
        position_offset=offset,
        token_types=0 if distil else int(config.get("type_vocab_size", 2)),
        pooling=_pooling(folder),
        max_tokens=_max_tokens(folder, int(config["max_position_embeddings"]) - offset),
        lower_case=bool((_json(folder / "sentence_bert_config.json") or {}).get("do_lower_case", False)),
        prompts=_prompts(folder),
    )


def _activation(config: Mapping[str, Any]) -> str:
    return str(config.get("hidden_act", config.get("activation", "gelu")))


def _check_supported(folder: Path, kind: str, config: Mapping[str, Any]) -> None:
    problem = ""
    if kind not in FAMILIES:
        names = ", ".join(config.get("architectures") or [])
        problem = f"is a {kind!r} model" + (f" ({names})" if names else "")
    elif config.get("position_embedding_type", "absolute") != "absolute":
        problem = f"has {config['position_embedding_type']!r} positions, not absolute ones"
    elif _activation(config) not in ACTIVATIONS:
        problem = f"has the activation {_activation(config)!r}, not one of {', '.join(ACTIVATIONS)}"
    if problem:
        raise ModelError(
            f"The model in {folder} {problem}, which Trivium cannot run as an encoder.",
            f"Supported are the model types {', '.join(FAMILIES)}; any other embedder can be used behind an "
            "OpenAI-compatible endpoint (https://host/v1#model).",
        )


def _pooling(folder: Path) -> str:
    modules = _json(folder / "modules.json") or []
    path = "1_Pooling"
    for module in modules:
        kind = str(module.get("type", "")).rsplit(".", 1)[-1]
        if kind == "Pooling":
            path = str(module["path"])
        elif kind not in ("Transformer", "Normalize", "Dropout"):
            raise ModelError(
                f"The model in {folder} has a {kind} module after its encoder, which Trivium cannot run.",
                "Use a model of Transformer, Pooling and Normalize only, or serve it behind an endpoint.",
            )
    pooling = _json(folder / path / "config.json")
    if pooling is None:
        return "mean"  # what sentence-transformers takes for a folder without its files
    chosen = {name for key, name in _POOLINGS.items() if pooling.get(key)}
    if isinstance(pooling.get("pooling_mode"), str):
        chosen = {str(pooling["pooling_mode"])}
    known = chosen & set(_POOLINGS.values())
    if len(chosen) != 1 or not known or pooling.get("include_prompt") is False:
        raise ModelError(
            f"The pooling in {folder / path} is not one that Trivium runs: {json.dumps(pooling)}.",
            "Supported is one of mean, cls and max over all tokens.",
        )
    return known.pop()


def _max_tokens(folder: Path, positions: int) -> int:
    stated = (_json(folder / "sentence_bert_config.json") or {}).get("max_seq_length")
    if stated is None:
        stated = (_json(folder / "tokenizer_config.json") or {}).get("model_max_length")
    # Some tokenizers state a huge number for "no limit"; the position table is the true limit.
    return min(int(stated), positions) if stated else positions


def _prompts(folder: Path) -> dict[str, str]:
    prompts = (_json(folder / "config_sentence_transformers.json") or {}).get("prompts") or {}
    return {str(name): str(text) for name, text in prompts.items()}


def _json(path: Path) -> Any:
    """Return the parsed file, or None where there is none."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", "Fetch the model again.") from error
