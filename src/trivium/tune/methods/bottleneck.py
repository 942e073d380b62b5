"""The bottleneck: the one module of the adapter methods."""

from __future__ import annotations

import torch
from torch import nn

from trivium.errors import UnknownName, UsageError

ACTIVATIONS = {"relu": torch.nn.functional.relu, "gelu": torch.nn.functional.gelu, "silu": torch.nn.functional.silu}


class Bottleneck(nn.Module):  # type: ignore[misc]
    """h + s W_up f(W_down h): down to m dimensions, a nonlinearity, up again (Houlsby et al. 2019, section 2.1).

    W_up starts at zero, so at first the output is h itself.

    Args:
        width: d, of the hidden states.
        size: m, of the bottleneck.
        activation: f, a key of `ACTIVATIONS`.
        scale: s.
    """

    def __init__(self, width: int, size: int, activation: str, scale: float = 1.0) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise UnknownName("activation", activation, ACTIVATIONS)
        if not 1 <= size <= width:
            raise UsageError(f"A bottleneck of {size} does not fit a width of {width}.", "Take 1 to the width.")
        self.down = nn.Linear(width, size)
        self.up = nn.Linear(size, width)
        self.f = ACTIVATIONS[activation]
        self.scale = scale
        nn.init.normal_(self.down.weight, std=0.01)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def delta(self, x: torch.Tensor) -> torch.Tensor:
        """S W_up f(W_down x), in x's type, (…, d)."""
        return (self.scale * self.up(self.f(self.down(x.to(self.down.weight.dtype))))).to(x.dtype)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """(…, d) to (…, d)."""
        return h + self.delta(h)


def bottleneck_size(width: int, reduction: float) -> int:
    """M = d / reduction, at least 1."""
    return max(1, round(width / reduction))


def parameters(width: int, size: int) -> int:
    """2 m d + d + m (Houlsby et al. 2019, section 2.1)."""
    return 2 * size * width + width + size
