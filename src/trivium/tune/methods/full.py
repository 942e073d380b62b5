"""Full fine-tuning (Devlin et al. 2018, arXiv:1810.04805): every weight is trained."""

from __future__ import annotations

from trivium.tune.methods.architecture import Base
from trivium.tune.methods.base import Settings
from trivium.tune.methods.own import Adapter


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Train every parameter; a tied one counts once. The count is the model's size."""
    adapter.selected = tuple(name for name, _ in base.model.named_parameters())
    return sum(parameter.numel() for parameter in base.model.parameters())
