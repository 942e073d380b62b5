"""4-bit weights for QLoRA (Dettmers et al. 2023, arXiv:2305.14314): NF4, the scales themselves quantised to 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from trivium.errors import UsageError
from trivium.extras import need
from trivium.tune.methods.architecture import Base, shape

BLOCK = 64
"""Weights with one scale. Layers whose inputs are no multiple of it stay dense: bitsandbytes 0.50 reads their scales
wrongly on a CPU (the error of a 64 × 160 matrix doubles).
"""
_DENSE = "dense_kind"  # what a quantised layer was, to make it again


def quantise(base: Base) -> None:
    """Replace the linear layers of the blocks by 4-bit ones, in place; embeddings, norms and heads stay as they are.

    A model that was loaded in 4 bits is left alone.

    Raises:
        MissingExtra: bitsandbytes is not installed.
        UsageError: there is no layer that can be held in 4 bits.
    """
    bits = need("bitsandbytes", extra="tune")
    layers = base.linears((*base.layout.attention_linears, *base.layout.feed_linears))
    kept = tuple(f".{name}" for name in base.model._keep_in_fp32_modules or ())  # T5 casts to its wo's type
    fitting = [p for p in layers if shape(p.module)[0] % BLOCK == 0 and not p.name.endswith(kept)]
    if not fitting:
        raise UsageError(
            f"No layer of this model can be held in 4 bits: their inputs are no multiples of {BLOCK}.", "Take lora."
        )
    for place in fitting:
        if isinstance(place.module, bits.nn.Linear4bit):
            continue
        transposed = isinstance(place.module, Conv1D)
        weight = place.module.weight.detach()
        weight = weight.T.contiguous() if transposed else weight  # d_out, d_in
        compute = weight.dtype
        layer = bits.nn.Linear4bit(
            weight.shape[1], weight.shape[0], bias=place.module.bias is not None, compute_dtype=compute
        )
        layer.weight = bits.nn.Params4bit(
            weight.clone(), requires_grad=False, quant_type="nf4", compress_statistics=True
        )
        if place.module.bias is not None:
            layer.bias = nn.Parameter(place.module.bias.detach().clone(), requires_grad=False)
        layer = layer.to(weight.device)  # this is what quantises
        # On some processors the first forward pass in evaluation would repack the weights, for good and with loss.
        layer.support_avx512bf16_for_cpu = False
        setattr(layer, _DENSE, Conv1D if transposed else nn.Linear)
        _put(base.model, place.name, layer)
    base.model.is_loaded_in_4bit = True


def dequantise(model: Any, deltas: Mapping[str, torch.Tensor] | None = None) -> None:
    """Replace 4-bit layers by dense ones of what they computed, plus the deltas (d_out, d_in) by layer name."""
    bits = need("bitsandbytes", extra="tune")
    deltas = deltas or {}
    for name, layer in list(model.named_modules()):
        if not isinstance(layer, bits.nn.Linear4bit):
            if name in deltas:
                with torch.no_grad():
                    layer.weight += deltas[name].to(layer.weight)
            continue
        weight = bits.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
        dtype = layer.compute_dtype or weight.dtype
        weight = weight.float()
        if name in deltas:
            weight = weight + deltas[name].to(weight.device)
        outputs, inputs = weight.shape
        if getattr(layer, _DENSE, nn.Linear) is Conv1D:
            dense, weight = Conv1D(outputs, inputs), weight.T.contiguous()
        else:
            dense = nn.Linear(inputs, outputs, bias=layer.bias is not None)
        dense.weight = nn.Parameter(weight.to(dtype))
        if layer.bias is not None:
            dense.bias = nn.Parameter(layer.bias.detach().clone())
        _put(model, name, dense.to(weight.device))
    model.is_loaded_in_4bit = False


def _put(model: Any, name: str, module: Any) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent) if parent else model, child, module)
