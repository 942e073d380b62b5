"""Write a LoRA adapter as GGUF, so that llama.cpp runs the tuned model at full speed, switched per request."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trivium.errors import UsageError
from trivium.models.gguf import write_gguf
from trivium.tune.export.gguf_model import LINEAR, interleaved

_PLACE = re.compile(r"layers\.(\d+)\.([a-z_.]+)$")


def write_gguf_lora(attached: Any, path: Path, *, name: str = "adapter") -> None:
    """Write the active LoRA adapter to `path`, float16, whole or not at all.

    Args:
        attached: a method attached to a Llama-family model by `tune.methods`: LoRA or rsLoRA.
        path: the file.
        name: what the file says it is called.

    Raises:
        UsageError: the method is no plain LoRA, or the model is not of the Llama family.
    """
    model = attached.model
    config = model.get_base_model().config if hasattr(model, "get_base_model") else model.config
    if attached.method.name not in ("lora", "rslora") or config.model_type != "llama":
        raise UsageError(
            f"{attached.method.title} on {config.model_type} cannot be written as a GGUF adapter.",
            "llama.cpp adds LoRA and rsLoRA to Llama-family models; merge others into the base and export that.",
        )
    adapter = model.active_adapter
    tensors: dict[str, NDArray[Any]] = {}
    scales = set()
    for place, module in model.named_modules():
        if not hasattr(module, "lora_A") or adapter not in module.lora_A:
            continue
        match = _PLACE.search(place)
        if match is None or match[2] not in LINEAR:
            raise UsageError(f"llama.cpp has no place for LoRA on {place}.", "Tune the attention and MLP layers only.")
        a, b = module.lora_A[adapter].weight, module.lora_B[adapter].weight
        down, up = a.detach().float().cpu().numpy(), b.detach().float().cpu().numpy()
        if match[2] == "self_attn.q_proj":
            up = interleaved(up, config.num_attention_heads)
        elif match[2] == "self_attn.k_proj":
            up = interleaved(up, config.num_key_value_heads)
        target = f"blk.{match[1]}.{LINEAR[match[2]]}.weight"
        # The two sizes stay near one another, so that float16 holds both.
        balance = float(np.sqrt(max(np.abs(up).max(), 1e-8) / max(np.abs(down).max(), 1e-8)))
        tensors[f"{target}.lora_a"] = (down * balance).astype(np.float16)
        tensors[f"{target}.lora_b"] = (up / balance).astype(np.float16)
        scales.add(round(float(module.scaling[adapter]) * len(down), 6))
    if len(scales) != 1:
        raise UsageError("The adapter's layers have different scales.", "Use one rank and one alpha for all layers.")
    metadata = {
        "general.architecture": "llama",
        "general.type": "adapter",
        "general.name": name,
        "adapter.type": "lora",
        "adapter.lora.alpha": float(scales.pop()),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_gguf(path, metadata, tensors)
