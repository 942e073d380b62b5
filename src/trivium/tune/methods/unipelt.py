"""UniPELT (Mao et al. 2021, arXiv:2110.07577): an adapter, a prefix and LoRA together, each behind a learnt gate.

The paper's gate is one number for a text, the mean over its tokens. Here each token has its own: a mean would show a
causal model the tokens to come, and would change with the padding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from trivium.tune.methods import prefix
from trivium.tune.methods.architecture import Base, Block, shape
from trivium.tune.methods.base import Settings
from trivium.tune.methods.bottleneck import Bottleneck, bottleneck_size, parameters
from trivium.tune.methods.low_rank import LowRank, added
from trivium.tune.methods.own import Adapter, of_output


class Gate(nn.Module):  # type: ignore[misc]
    """σ(wᵀx + b), one number for each token: (…, d) to (…, 1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(…, d) to (…, 1), in x's type."""
        return torch.sigmoid(self.linear(x.to(self.linear.weight.dtype))).to(x.dtype)


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Put G_A on an adapter after each feed-forward, G_P on each attention's prefix, G_L on LoRA at query and value.

    The size: that of the three, and d + 1 for each gate.
    """
    size = bottleneck_size(base.width, settings["reduction"])
    count = 0
    gates: dict[str, Callable[[], torch.Tensor]] = {}
    for block in base.blocks:
        bottleneck = adapter.part(f"adapter.{block.feed_out.name}", Bottleneck(base.width, size, "relu"))
        gate = adapter.part(f"gate.adapter.{block.feed_out.name}", Gate(base.width))
        adapter.after(block.feed_out, of_output(partial(_gated, bottleneck, gate)))
        gates |= _prefix_gates(adapter, base, block)
        count += parameters(base.width, size) + (base.width + 1) * (1 + len(block.attentions))
    attentions = tuple(place for block in base.blocks for place in block.attentions)
    keys = adapter.part("prefix", prefix.Prefix(int(settings["length"]), base.width, attentions, settings["hidden"]))
    prefix.put(adapter, base, keys, attentions, gates)
    count += prefix.size(base, int(settings["length"]), int(settings["hidden"]))
    rank = int(settings["rank"])
    for place in base.linears(base.layout.query_value):
        inputs, outputs = shape(place.module)
        low = adapter.part(f"lora.{place.name}", LowRank(inputs, outputs, rank, settings["alpha"]))
        gate = adapter.part(f"gate.lora.{place.name}", Gate(inputs))
        adapter.after(place, added(low, gate))
        count += rank * (inputs + outputs) + inputs + 1
    return count


def _prefix_gates(adapter: Adapter, base: Base, block: Block) -> dict[str, Callable[[], torch.Tensor]]:
    """A gate for the prefix of each attention of a block, from what comes into that attention."""
    gates: dict[str, Callable[[], torch.Tensor]] = {}
    for place in block.attentions:
        gate = adapter.part(f"gate.prefix.{place.name}", Gate(base.width))
        came: list[torch.Tensor] = []

        def remember(args: Any, kwargs: Any, came: list[torch.Tensor] = came) -> None:
            came[:] = [args[0] if args else kwargs["hidden_states"]]

        adapter.around(place.module, remember, None)
        gates[place.name] = partial(_of_last, gate, came)
    return gates


def _gated(bottleneck: Bottleneck, gate: Gate, h: torch.Tensor) -> torch.Tensor:
    return h + gate(h) * bottleneck.delta(h)


def _of_last(gate: Gate, came: list[torch.Tensor]) -> torch.Tensor:
    weight: torch.Tensor = gate(came.pop())
    return weight
