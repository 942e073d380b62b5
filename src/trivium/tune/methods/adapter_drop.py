"""AdapterDrop (Rücklé et al. 2020, arXiv:2010.11918): the adapters of the first n layers are left out.

Specialised: n is fixed, in training and after. Robust: n is drawn anew for each batch, and the trained adapter may
be run with any n, chosen by its speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from trivium.errors import UsageError
from trivium.tune.methods.architecture import Base
from trivium.tune.methods.base import Settings
from trivium.tune.methods.bottleneck import Bottleneck, bottleneck_size, parameters
from trivium.tune.methods.own import Adapter, of_output


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Put a bottleneck after each feed-forward, and skip those of the first layers.

    `drop` is n, or "random"; `inference` is the n of a robust adapter outside training. T5's encoder and decoder
    each leave out their first n.

    Raises:
        UsageError: n leaves no adapter, or is no number.
    """
    depth = 1 + max(_layer(block.name) for block in base.blocks)
    drop, size = settings["drop"], bottleneck_size(base.width, settings["reduction"])
    robust = drop == "random"
    fixed = int(settings["inference"]) if robust else drop
    if not isinstance(fixed, int) or not 0 <= fixed < depth:
        raise UsageError(
            f"AdapterDrop cannot leave out {drop if not robust else fixed!r} of {depth} layers.",
            f'Take a number from 0 to {depth - 1}, or "random" in training.',
        )
    state = {"skip": fixed}
    kept = [block for block in base.blocks if robust or _layer(block.name) >= fixed]
    for block in kept:
        bottleneck = adapter.part(block.feed_out.name, Bottleneck(base.width, size, settings["activation"]))
        adapter.after(block.feed_out, of_output(partial(_unless_left_out, bottleneck, _layer(block.name), state)))

    def draw(args: Any, kwargs: Any) -> None:
        state["skip"] = int(torch.randint(depth, ())) if base.model.training else fixed

    if robust:
        adapter.around(base.model.base_model, draw, None)
    return len(kept) * parameters(base.width, size)


def _unless_left_out(bottleneck: Bottleneck, layer: int, state: Mapping[str, int], h: torch.Tensor) -> torch.Tensor:
    passed: torch.Tensor = h if layer < state["skip"] else bottleneck(h)
    return passed


def _layer(block: str) -> int:
    return int(block.rpartition(".")[2])
