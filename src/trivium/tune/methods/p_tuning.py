"""P-tuning (Liu et al. 2021, arXiv:2103.10385): virtual tokens made by a small network, so that they hang together.

The network is a bidirectional LSTM with a two-layer head, or a network of three layers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trivium.errors import UnknownName
from trivium.tune.methods.architecture import Base
from trivium.tune.methods.base import Settings
from trivium.tune.methods.own import Adapter
from trivium.tune.methods.prompt import check_length, put_before
from trivium.tune.methods.prompt import export as export

ENCODERS = ("lstm", "mlp")
_LSTM_LAYERS = 2


class PromptEncoder(nn.Module):  # type: ignore[misc]
    """h = MLP(LSTM(e)) over m trained inputs e, or h = MLP(e): (m, d) both ways."""

    def __init__(self, length: int, width: int, hidden: int, kind: str) -> None:
        super().__init__()
        if kind not in ENCODERS:
            raise UnknownName("prompt encoder", kind, ENCODERS)
        self.inputs = nn.Parameter(torch.randn(length, width))
        self.lstm: Any = None
        if kind == "lstm":
            self.lstm = nn.LSTM(width, hidden, _LSTM_LAYERS, bidirectional=True, batch_first=True)
            self.head = nn.Sequential(nn.Linear(2 * hidden, 2 * hidden), nn.ReLU(), nn.Linear(2 * hidden, width))
        else:
            self.head = nn.Sequential(
                nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, width)
            )

    def forward(self) -> torch.Tensor:
        """(m, d)."""
        x = self.inputs
        if self.lstm is not None:
            x = self.lstm(x[None])[0][0]
        return self.head(x)  # type: ignore[no-any-return]


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Put m made vectors before the tokens. The size is that of the inputs and the network; see `size`."""
    length, hidden, kind = check_length(settings), int(settings["hidden"]), settings["encoder"]
    width = base.model.get_input_embeddings().weight.shape[1]
    encoder = adapter.part("prompt", PromptEncoder(length, width, hidden, kind))
    put_before(adapter, base, encoder, length)
    return size(length, width, hidden, kind)


def size(length: int, d: int, h: int, kind: str) -> int:
    """MLP: m d + (d + 1) h + (h + 1) h + (h + 1) d. LSTM: for each direction 4 h (d + h + 2), in the second layer
    4 h (2 h + h + 2); then a head of (2 h + 1) 2 h + (2 h + 1) d.
    """
    if kind == "mlp":
        return length * d + (d + 1) * h + (h + 1) * h + (h + 1) * d
    lstm = 2 * 4 * h * (d + h + 2) + 2 * 4 * h * (2 * h + h + 2)
    return length * d + lstm + (2 * h + 1) * 2 * h + (2 * h + 1) * d
