"""Merge an adapter into its base: a Transformers folder with tokenizer and chat template, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trivium.errors import ModelError
from trivium.models.disk import staged
from trivium.models.gguf_convert import quiet_transformers
from trivium.tune.encode import PLAIN_TEMPLATE
from trivium.tune.export.source import PROBES, Source, free_place, open_source

_WORST = 1e-2  # of the largest logit: what rounding never reaches, and a wrong merge does
_WEIGHTS = (".safetensors", ".bin", ".gguf", ".h5", ".msgpack", ".onnx", ".pt", ".lock")
_LEFT = ("README.md", "trivium.json", "model.safetensors.index.json", "config.json")


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged folder. `difference` is the largest of a logit before and after, `scale` the largest logit."""

    folder: Path
    difference: float
    scale: float
    parameters: int
    bytes: int


def merge(source: Source, out: Path, *, texts: Sequence[str] = PROBES) -> Merged:
    """Write the base with the adapter in its weights to the folder `out`.

    The model is read back from the disk and compared with the adapter on its base before it gets its name.

    Args:
        source: see `find_source`.
        out: where nothing is yet.
        texts: on which the two are compared.

    Raises:
        NotMergeable: the method adds what no weight can hold.
        UsageError: something is at `out`, or the adapter is of another base.
        ModelError: the merged model does not give what the adapter gives, or there is no room.
    """
    out = free_place(out)
    base, attached = open_source(source)
    before = outputs(attached.model, base.tokenizer, texts)
    model = attached.merge()
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    with staged(out) as staging, quiet_transformers():
        model.save_pretrained(staging)
        if source.task == "causal" and not base.tokenizer.chat_template:
            base.tokenizer.chat_template = PLAIN_TEMPLATE
        base.tokenizer.save_pretrained(staging)
        _rest(base.folder, staging)
        kind = type(model)
        parameters = model.num_parameters()
        del model, attached
        again = kind.from_pretrained(staging, dtype="float32", local_files_only=True)
        after = outputs(again, base.tokenizer, texts)
        found = difference(before, after)
        scale = max(float(one.abs().max()) for one in before)
        if not found <= _WORST * max(scale, 1.0):
            raise ModelError(
                f"The merged model is another than the tuned one: a logit differs by {found:.3g} "
                f"(the largest is {scale:.3g}).",
                "Keep the adapter beside its base, and report this.",
            )
        size = sum(file.stat().st_size for file in staging.rglob("*") if file.is_file())
    return Merged(out, found, scale, parameters, size)


def outputs(model: Any, tokenizer: Any, texts: Sequence[str], *, longest: int = 256) -> list[torch.Tensor]:
    """Return what a model says on each text, float32: logits, or for a bare encoder its hidden states."""
    model.eval()
    device = next(model.parameters()).device
    found = []
    with torch.no_grad():
        for text in texts:
            given = tokenizer(text, truncation=True, max_length=longest, return_tensors="pt").to(device)
            if getattr(model.config, "is_encoder_decoder", False):
                given["decoder_input_ids"] = given["input_ids"]
            out = model(**given)
            value = next(out[key] for key in ("logits", "start_logits", "last_hidden_state") if key in out)
            found.append(value.float().cpu())
    return found


def difference(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> float:
    """Return the largest difference of two models' outputs on the same texts."""
    return max(float((a - b).abs().max()) for a, b in zip(one, other, strict=True))


def _rest(base: Path, folder: Path) -> None:
    """Copy what else the base's folder says: pooling, prompts, limits."""
    for file in sorted(base.rglob("*")):
        to = folder / file.relative_to(base)
        own = file.parent == base and file.name in _LEFT  # 1_Pooling/config.json is wanted
        if file.is_file() and not own and file.suffix not in _WEIGHTS and not to.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)
