"""AdapterFusion (Pfeiffer et al. 2020, arXiv:2005.00247): an attention over several trained, frozen adapters."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from trivium.errors import UsageError
from trivium.tune.methods import card
from trivium.tune.methods.architecture import Base
from trivium.tune.methods.base import Settings
from trivium.tune.methods.bottleneck import Bottleneck, bottleneck_size
from trivium.tune.methods.own import Adapter, fixed, of_output


class Fusion(nn.Module):  # type: ignore[misc]
    """s = softmax(hᵀQ · zₙᵀK), z'ₙ = zₙᵀV, o = Σ sₙ z'ₙ over the adapters' outputs zₙ.

    V starts as the identity with noise of 1e-6, so at first the output is a mean of the adapters', weighted by Q
    and K.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        with torch.no_grad():
            self.value.weight.copy_(torch.eye(width) + 1e-6 * torch.randn(width, width))

    def forward(self, h: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """(…, d) and (…, N, d) to (…, d)."""
        kind = self.query.weight.dtype
        scores = torch.einsum("...d,...nd->...n", self.query(h.to(kind)), self.key(outputs.to(kind)))
        weights = scores.float().softmax(-1)
        return torch.einsum("...n,...nd->...d", weights, self.value(outputs.to(kind)).float()).to(h.dtype)

    def distance(self) -> torch.Tensor:
        """The squared distance of V from the identity, which the authors' code keeps small."""
        eye = torch.eye(len(self.value.weight), device=self.value.weight.device)
        return (self.value.weight.float() - eye).square().sum()


def prepare(settings: Settings) -> Settings:
    """Read what the folders in `adapters` hold.

    Raises:
        UsageError: there are fewer than two, or one is no pfeiffer adapter.
    """
    folders = [Path(folder) for folder in settings["adapters"]]
    if len(folders) < 2:
        raise UsageError(
            "AdapterFusion joins trained adapters, and was given fewer than two.",
            'Train some with the method pfeiffer, and name their folders in the setting "adapters".',
        )
    members = []
    for folder in folders:
        said = card.look(folder)
        if said["method"] != "pfeiffer":
            raise UsageError(f"{folder} holds an adapter made by {said['method']}.", "AdapterFusion joins pfeiffer.")
        members.append(dict(said["settings"]))
    return {**settings, "adapters": [str(folder) for folder in folders], "members": members}


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Put the frozen adapters and a trained fusion after each feed-forward. The fusion's size: 3 d² a block."""
    members: list[dict[str, Any]] = settings["members"]
    for block in base.blocks:
        name = block.feed_out.name
        bank = fixed(
            nn.ModuleList(
                Bottleneck(base.width, bottleneck_size(base.width, member["reduction"]), member["activation"])
                for member in members
            )
        )
        adapter.part(f"bank.{name}", bank)
        fusion = adapter.part(f"fusion.{name}", Fusion(base.width))
        adapter.after(block.feed_out, of_output(partial(_fused, bank, fusion)))
        adapter.penalties.append(partial(_penalty, fusion, float(settings["regularise"])))
    for number, folder in enumerate(settings["adapters"]):
        if (Path(folder) / card.WEIGHTS).is_file():  # a saved fusion carries its members' weights itself
            _fill(adapter, number, Path(folder))
    return 3 * base.width**2 * len(base.blocks)


def _fused(bank: Any, fusion: Fusion, h: torch.Tensor) -> torch.Tensor:
    fused: torch.Tensor = fusion(h, torch.stack([member(h) for member in bank], dim=-2))
    return fused


def _penalty(fusion: Fusion, weight: float) -> torch.Tensor:
    return weight * fusion.distance()


def _fill(adapter: Adapter, number: int, folder: Path) -> None:
    for key, value in load_file(folder / card.WEIGHTS).items():
        if key.startswith("added.parts."):
            place, layer, kind = key.removeprefix("added.parts.").rsplit(".", 2)
            bottleneck = adapter.parts.get_submodule(f"bank.{place}.{number}")
            bottleneck.get_parameter(f"{layer}.{kind}").data.copy_(value)
