"""Merge a LoRA adapter into an encoder's weights without torch: what ships small becomes a whole model folder.

W + (alpha / r) B A (Hu et al. 2021, arXiv:2106.09685), in float32. The adapter is in PEFT's form: adapter_config.json
and adapter_model.safetensors. The merged folder is kept in the home folder under a hash of base and adapter.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from trivium.errors import ModelError, ModelNotFound
from trivium.models.disk import disk_error, sha256_of, staged
from trivium.models.home import home
from trivium.models.weights import Floats, Weights, content_hash, weight_files

log = logging.getLogger("trivium.models")

CONFIG, ADAPTER = "adapter_config.json", "adapter_model.safetensors"
SETTINGS = "trivium_adapter.json"
"""What the adapter's user must know, beside PEFT's form: `base`, `base_sha256`, and what the merged folder states."""
_MERGER = 1  # raise it when merging changes: merged folders in the cache are of one merger
_LEFT = {"model.safetensors.index.json", "README.md", "trivium.json"}
_START = "base_model.model."
_BARE = ("embeddings.", "encoder.", "transformer.", "pooler.")


def shipped(name: str) -> Path | None:
    """Return the folder of an adapter that ships with the package, or None where there is none."""
    folder = files("trivium") / "data" / "adapters" / name
    if not (folder / CONFIG).is_file():
        return None
    with as_file(folder) as path:
        return path


def merged(base: Path, adapter: Path) -> Path:
    """Return the model folder of `base` with `adapter` merged in, made at the first call.

    Args:
        base: an encoder's folder: config.json, model.safetensors, tokenizer.json.
        adapter: a folder in PEFT's form, of plain or rank-stabilised LoRA; heads that were trained beside it replace
            or join the base's.

    Raises:
        ModelNotFound: a file of either folder is missing.
        ModelError: the adapter is of another method, or of another base.
    """
    config = _config(adapter)
    path = home() / "merged" / f"{base.name}+{adapter.name}-{_hash(base, adapter)}"
    if (path / "model.safetensors").is_file():
        return path
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not (path / "model.safetensors").is_file():
                log.info("%s: merging %s into it", base.name, adapter.name)
                _write(base, adapter, config, path)
    except OSError as error:
        raise disk_error(error, home()) from error
    return path


def merged_weights(base: Path, adapter: Path) -> dict[str, Floats]:
    """Return the base's tensors with the adapter's in them, by name, float32."""
    config, changes = _config(adapter), Weights(adapter, ADAPTER)
    weights = _tensors(base)
    headed = any(not name.startswith(_BARE) for name in weights)  # was it saved with a head, as bert.encoder…?
    for name in sorted(changes.names):
        plain = name.removeprefix(_START)
        if ".lora_B." in plain:
            continue
        if ".lora_A." not in plain:
            weights[_place(weights, plain) or (plain if headed else _bare(plain))] = changes.read(name)
            continue
        module = plain.split(".lora_A.", 1)[0]
        place = _place(weights, f"{module}.weight")
        if place is None:
            raise _another_base(base, adapter, f"there is no {module!r}")
        product = changes.read(name.replace(".lora_A.", ".lora_B.")) @ changes.read(name)
        if product.shape != weights[place].shape:
            raise _another_base(base, adapter, f"{module!r} is of another shape")
        weights[place] = weights[place] + np.float32(_scale(config, module)) * product
    return weights


def _tensors(folder: Path) -> dict[str, Floats]:
    held = Weights(folder)
    # Buffers such as position_ids are whole numbers, and Transformers makes them anew.
    return {name: held.read(name) for name in sorted(held.names) if not name.endswith("position_ids")}


def _place(weights: dict[str, Floats], name: str) -> str | None:
    """Return the base's name of a tensor: it lacks the first part where the base was saved without a head."""
    rest = name.partition(".")[2]
    return name if name in weights else rest if rest in weights else None


def _bare(name: str) -> str:
    """Return the name of a new tensor in a base without a head: heads alone have no part before theirs."""
    rest = name.partition(".")[2]
    return rest if rest.startswith(_BARE) else name


def _scale(config: dict[str, Any], module: str) -> float:
    def of(key: str, patterns: str) -> float:
        named = config.get(patterns) or {}
        return float(next((value for end, value in named.items() if module.endswith(end)), config[key]))

    rank, alpha = of("r", "rank_pattern"), of("lora_alpha", "alpha_pattern")
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def _config(adapter: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((adapter / CONFIG).read_text("utf-8"))
    except FileNotFoundError:
        raise ModelNotFound(
            f"{adapter} has no {CONFIG}.", f"Give an adapter's folder in PEFT's form: {CONFIG} and {ADAPTER}."
        ) from None
    except ValueError as error:
        raise ModelError(f"{adapter / CONFIG} cannot be read: {error}.", "Copy or train the adapter again.") from error
    kind = str(config.get("peft_type", "")).upper()
    other = "DoRA" if config.get("use_dora") else "" if kind == "LORA" else kind or "unknown"
    if other or config.get("fan_in_fan_out"):
        raise ModelError(
            f"The adapter in {adapter} is {other or 'LoRA over transposed weights'}, which is merged by torch alone.",
            "Merge it where it was trained (the extra 'tune'), and give the folder of the whole model.",
        )
    return config


def settings(adapter: Path) -> dict[str, Any]:
    """Return what the adapter says about itself; empty where it says nothing."""
    try:
        said: dict[str, Any] = json.loads((adapter / SETTINGS).read_text("utf-8"))
        return said
    except FileNotFoundError:
        return {}


def _hash(base: Path, adapter: Path) -> str:
    parts = [str(_MERGER), content_hash(base), *(sha256_of(adapter / name) for name in (CONFIG, ADAPTER))]
    parts += [sha256_of(path) for path in (adapter / SETTINGS, base / "config.json") if path.is_file()]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _write(base: Path, adapter: Path, config: dict[str, Any], path: Path) -> None:
    from safetensors.numpy import save_file

    said = settings(adapter)
    wanted = said.get("base_sha256", "")
    if wanted and wanted != content_hash(base):
        raise _another_base(base, adapter, f"its weights are not those of {said.get('base', 'the base')}")
    weights = merged_weights(base, adapter)
    skipped = _LEFT | {file.name for file in weight_files(base)}
    with staged(path) as staging:
        for file in sorted(base.rglob("*")):
            if file.is_file() and file.name not in skipped:
                to = staging / file.relative_to(base)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, to)
        _state(staging, weights, said)
        save_file(weights, staging / "model.safetensors", metadata={"format": "pt"})


def _state(folder: Path, weights: dict[str, Floats], said: dict[str, Any]) -> None:
    """Write what the merged model is into its configuration."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    head = next((name for name in ("classifier.weight", "classifier.out_proj.weight") if name in weights), None)
    if head is not None:
        labels = len(weights[head])
        config |= {"id2label": {str(n): f"LABEL_{n}" for n in range(labels)}}
        config |= {"label2id": {f"LABEL_{n}": n for n in range(labels)}}
        for old in ("Model", "ForMaskedLM"):
            config["architectures"] = [
                f"{name.removesuffix(old)}ForSequenceClassification" if name.endswith(old) else name
                for name in config.get("architectures") or []
            ]
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    if "max_tokens" in said:
        place = folder / "sentence_bert_config.json"
        stated = json.loads(place.read_text("utf-8")) if place.is_file() else {}
        place.write_text(json.dumps({**stated, "max_seq_length": said["max_tokens"]}) + "\n", "utf-8")
    if said:
        (folder / SETTINGS).write_text(json.dumps(said, indent=2) + "\n", "utf-8")


def _another_base(base: Path, adapter: Path, why: str) -> ModelError:
    return ModelError(
        f"The adapter in {adapter} does not fit the model in {base}: {why}.",
        "Give the model that it was trained on.",
    )
