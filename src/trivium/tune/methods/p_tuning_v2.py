"""P-tuning v2 (Liu et al. 2021, arXiv:2110.07602): a prefix in every layer as free parameters, with a plain head.

It is prefix tuning without the network that makes the prefix, shown to work for encoders and hard sequence labelling.
"""

from __future__ import annotations

from trivium.tune.methods import prefix
from trivium.tune.methods.architecture import Base
from trivium.tune.methods.base import Settings
from trivium.tune.methods.own import Adapter

export = prefix.export


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Put a free prefix before every attention. The size: m times the width of all keys and values."""
    return prefix.install(adapter, base, {"length": settings["length"], "hidden": 0})
