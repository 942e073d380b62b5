"""One adapter a block, after the feed-forward (Pfeiffer et al. 2020, AdapterFusion, arXiv:2005.00247)."""

from __future__ import annotations

from trivium.tune.methods.architecture import Base
from trivium.tune.methods.base import Settings
from trivium.tune.methods.bottleneck import Bottleneck, bottleneck_size, parameters
from trivium.tune.methods.own import Adapter, of_output


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Put a bottleneck after each feed-forward, before the residual is added."""
    size = bottleneck_size(base.width, settings["reduction"])
    for block in base.blocks:
        bottleneck = adapter.part(block.feed_out.name, Bottleneck(base.width, size, settings["activation"]))
        adapter.after(block.feed_out, of_output(bottleneck))
    return len(base.blocks) * parameters(base.width, size)
