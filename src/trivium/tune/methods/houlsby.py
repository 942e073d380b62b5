"""Adapters after both sub-layers of each block (Houlsby et al. 2019, arXiv:1902.00751)."""

from __future__ import annotations

from trivium.tune.methods.architecture import Base
from trivium.tune.methods.base import Settings
from trivium.tune.methods.bottleneck import Bottleneck, bottleneck_size, parameters
from trivium.tune.methods.own import Adapter, of_output


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Put a bottleneck after each attention and after the feed-forward, before the residual is added.

    The paper trains the layer norms too; here the base stays as it is, so that adapters can be exchanged.
    """
    size = bottleneck_size(base.width, settings["reduction"])
    places = [place for block in base.blocks for place in (*block.attention_outs, block.feed_out)]
    for place in places:
        bottleneck = adapter.part(place.name, Bottleneck(base.width, size, settings["activation"]))
        adapter.after(place, of_output(bottleneck))
    return len(places) * parameters(base.width, size)
