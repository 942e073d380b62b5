"""LoRA whose A and B are trained as b-bit integers will hold them.

Fake quantisation with a straight-through gradient (Bengio et al. 2013, arXiv:1308.3432; Jacob et al. 2017,
arXiv:1712.05877), symmetric, one step for a matrix: Δ = max|x| / (2^(b−1) − 1).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from trivium.errors import UsageError
from trivium.tune.methods.architecture import Base, shape
from trivium.tune.methods.base import Settings
from trivium.tune.methods.low_rank import LowRank, added
from trivium.tune.methods.own import Adapter
from trivium.tune.methods.targets import suffixes


class _OnGrid(torch.autograd.Function):  # type: ignore[misc]
    """Forward: the nearest multiple of Δ. Backward: as if nothing had been rounded."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, bits: int) -> torch.Tensor:
        most = 2 ** (bits - 1) - 1
        step = x.abs().max() / most
        if step == 0:
            return x.clone()
        return (x / step).round().clamp(-most, most) * step

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


def fake_quantise(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Round `x` to Δ · {−(2^(b−1) − 1), …, 2^(b−1) − 1}; its gradient passes straight through."""
    return _OnGrid.apply(x, bits)


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Add (alpha / r) q(B) q(A) x to each target layer. The size: the sum of r (d_in + d_out).

    Raises:
        UsageError: the bits are fewer than 2 or more than 16.
    """
    bits, rank = int(settings["bits"]), int(settings["rank"])
    if not 2 <= bits <= 16:
        raise UsageError(f"A and B cannot be held in {bits} bits.", "Take 2 to 16.")
    count = 0
    for place in base.linears(suffixes(base, settings["targets"])):
        inputs, outputs = shape(place.module)
        low = LowRank(inputs, outputs, rank, settings["alpha"], settings["dropout"], partial(fake_quantise, bits=bits))
        adapter.part(place.name, low)
        adapter.after(place, added(low))
        count += rank * (inputs + outputs)
    return count


def merge(adapter: Adapter, base: Base) -> None:
    """W + (alpha / r) q(B) q(A)."""
    lows = {name: module for name, module in adapter.parts.named_modules() if isinstance(module, LowRank)}
    for place in base.linears((*base.layout.attention_linears, *base.layout.feed_linears)):
        if (low := lows.get(place.name)) is not None:
            delta = low.product()
            weight = place.module.weight
            weight += (delta.T if isinstance(place.module, Conv1D) else delta).to(weight.dtype)
