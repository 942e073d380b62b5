"""BitFit (Ben Zaken et al. 2021, arXiv:2106.10199): of the whole model, only the bias terms are trained."""

from __future__ import annotations

from trivium.errors import UsageError
from trivium.tune.methods.architecture import Base
from trivium.tune.methods.base import Settings
from trivium.tune.methods.own import Adapter


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Train every b of the layers' y = W x + b and of their LayerNorms.

    Raises:
        UsageError: the model has none, as the Llama family and T5.
    """
    biases = {name: b for name, b in base.model.named_parameters() if name.endswith(".bias")}
    if not any(name.startswith(block.name + ".") for block in base.blocks for name in biases):
        raise UsageError(
            f"BitFit trains bias terms, and this {base.model.config.model_type} model has none in its layers.",
            "Take ia3, which is as small, or lora.",
        )
    adapter.selected = tuple(biases)
    return sum(b.numel() for b in biases.values())
