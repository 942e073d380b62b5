"""How much memory a run will take, said before it starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

from trivium.tune.methods.base import Attached

_PROCESS = 600 << 20  # Python, torch and Transformers before any model


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: of the frozen and trained weights, of gradients and AdamW's moments, of activations and logits."""

    weights: int
    optimiser: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All of it, with the process itself."""
        return _PROCESS + self.weights + self.optimiser + self.activations + self.logits


def estimate(attached: Attached, *, tokens: int, longest: int, labelled: float, dtype: torch.dtype) -> Memory:
    """Return what training takes at most, as a rule gives it (it is within a third of the truth for small models).

    Activations are s b h (34 + 5 a s / h) bytes a layer in 16 bits, with s tokens in a sample, b samples, hidden size
    h and a heads (Korthikanti et al. 2022, arXiv:2205.05198), twice that in 32 bits.

    Args:
        attached: the model with its method.
        tokens: of a micro-batch.
        longest: tokens of the longest sample.
        labelled: the share of the tokens whose logits are computed, 0 to 1.
        dtype: of the products.
    """
    config = attached.model.config
    trained = sum(parameter.numel() for parameter in attached.trained().values())
    weights = sum(parameter.numel() * parameter.element_size() for parameter in attached.model.parameters())
    hidden, heads = config.hidden_size, config.num_attention_heads
    layers = config.num_hidden_layers
    half = 1 if dtype is torch.bfloat16 else 2
    activations = half * layers * tokens * hidden * (34 + 5 * heads * min(longest, tokens) // hidden)
    logits = int(tokens * labelled * config.vocab_size * 10)
    return Memory(weights, trained * 12, activations, logits)


def available(device: str) -> int | None:
    """Return how many bytes are free on `device`, or None where that cannot be told."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def written(amount: float) -> str:
    """Return bytes in words: `1.3 GB`."""
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"


def describe(memory: Memory) -> dict[str, Any]:
    """Return an estimate as a record keeps it."""
    return {
        "weights": memory.weights,
        "optimiser": memory.optimiser,
        "activations": memory.activations,
        "logits": memory.logits,
        "total": memory.total,
    }
