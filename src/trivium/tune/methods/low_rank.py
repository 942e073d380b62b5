"""LoRA's product of two thin matrices, for the methods of our own that hold one."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from trivium.tune.methods.own import Change


class LowRank(nn.Module):  # type: ignore[misc]
    """(alpha / r) B A x (Hu et al. 2021, section 4.1): A of r rows starts random, B at zero.

    `seen` is what is made of A and B before they are used; by default nothing.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rank: int,
        alpha: float,
        dropout: float = 0.0,
        seen: Callable[[torch.Tensor], torch.Tensor] = lambda weight: weight,
    ) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.empty(rank, inputs))
        self.b = nn.Parameter(torch.zeros(outputs, rank))
        self.scale = alpha / rank
        self.dropout = nn.Dropout(dropout)
        self.seen = seen
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(…, d_in) to (…, d_out), in x's type."""
        inner = nn.functional.linear(self.dropout(x.to(self.a.dtype)), self.seen(self.a))
        return (self.scale * nn.functional.linear(inner, self.seen(self.b))).to(x.dtype)

    def product(self) -> torch.Tensor:
        """(alpha / r) B A, (d_out, d_in)."""
        return self.scale * self.seen(self.b) @ self.seen(self.a)


def added(low: LowRank, gate: Callable[[torch.Tensor], torch.Tensor] | None = None) -> Change:
    """W x + B A x, or W x + g(x) B A x."""

    def change(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        delta = low(x) if gate is None else gate(x) * low(x)
        return y + delta.to(y.dtype)

    return change
