"""MAM, the mix-and-match adapter (He et al. 2021, arXiv:2110.04366): a short prefix at the attentions, and a large,
scaled adapter parallel to each feed-forward.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from trivium.tune.methods import prefix
from trivium.tune.methods.architecture import Base
from trivium.tune.methods.base import Settings
from trivium.tune.methods.bottleneck import Bottleneck, parameters
from trivium.tune.methods.own import Adapter, Change


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """H ← FFN(x) + s W_up f(W_down x) in each block, beside a prefix of l tokens (`prefix.install`).

    The paper's sizes are l = 30, a bottleneck of 512 at a width of 1024, and s = 4.
    """
    count = prefix.install(adapter, base, {"length": settings["length"], "hidden": settings["hidden"]})
    size = min(int(settings["bottleneck"]), base.width)
    for block in base.blocks:
        parallel = adapter.part(
            f"parallel.{block.feed_out.name}", Bottleneck(base.width, size, "relu", settings["scale"])
        )
        nn.init.kaiming_uniform_(parallel.down.weight, a=math.sqrt(5))  # as LoRA's A
        adapter.across(block.feed_in, block.feed_out, _parallel(parallel))
    return count + len(base.blocks) * parameters(base.width, size)


def _parallel(bottleneck: Bottleneck) -> Change:
    def change(x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return h + bottleneck.delta(x)

    return change
