"""Which linear layers a low-rank method changes."""

from __future__ import annotations

from typing import Any

from trivium.errors import UnknownName, UsageError
from trivium.tune.methods.architecture import Base

TARGETS = ("attention", "mlp", "all")


def suffixes(base: Base, targets: Any) -> tuple[str, ...]:
    """The ends of the target layers' names.

    Args:
        base: the model.
        targets: "attention", "mlp" or "all", or the ends of names themselves.

    Raises:
        UnknownName: no such set.
        UsageError: the model has no layer of such a name.
    """
    layout = base.layout
    if isinstance(targets, str):
        if targets not in TARGETS:
            raise UnknownName("set of target layers", targets, TARGETS)
        known = {"attention": layout.attention_linears, "mlp": layout.feed_linears}
        named = known.get(targets, (*layout.attention_linears, *layout.feed_linears))
        return tuple(suffix for suffix in named if base.linears((suffix,)))
    missing = [suffix for suffix in targets if not base.linears((suffix,))]
    if missing or not targets:
        raise UsageError(
            f"This {base.family} model has no linear layer named {', '.join(missing) or 'by an empty list'}.",
            f"Name some of: {', '.join((*layout.attention_linears, *layout.feed_linears))}.",
        )
    return tuple(targets)
