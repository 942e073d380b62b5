"""Partial fine-tuning: the lower layers are frozen (Yosinski et al. 2014, arXiv:1411.1792; Lee et al. 2019,
arXiv:1911.03090, "What Would Elsa Do?").
"""

from __future__ import annotations

import re
from itertools import groupby

from trivium.errors import UsageError
from trivium.tune.methods.architecture import Base
from trivium.tune.methods.base import Settings
from trivium.tune.methods.own import Adapter


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Freeze the embeddings and the first layers, or whatever a pattern finds; train the rest.

    `layers` is how many layers of each stack are frozen from below; a negative number counts from the top, so -2
    trains the last two. `pattern` in its place is a regular expression, searched in the parameters' names.

    Raises:
        UsageError: nothing, or everything, would be frozen.
    """
    pattern, layers = settings["pattern"], int(settings["layers"])
    if pattern:
        frozen = {name for name, _ in base.model.named_parameters() if re.search(pattern, name)}
    else:
        frozen = _embeddings(base) | _below(base, layers)
    parameters = dict(base.model.named_parameters())
    adapter.selected = tuple(name for name in parameters if name not in frozen)
    if not frozen:
        raise UsageError(f"No parameter matches {pattern!r}: nothing would be frozen.", "Take full, or mend it.")
    if not adapter.selected:
        raise UsageError("Every parameter would be frozen: there is nothing to train.", "Freeze fewer layers.")
    return sum(parameters[name].numel() for name in adapter.selected)


def _embeddings(base: Base) -> set[str]:
    """What stands before the first block; an output layer that is tied to it has no name of its own."""
    tables = r"(?:^|\.)(?:embed_tokens|embeddings|embeddings_project|wte|wpe|shared)\."
    return {name for name, _ in base.model.named_parameters() if re.search(tables, name)}


def _below(base: Base, layers: int) -> set[str]:
    names = set()
    for _, stack in groupby(base.blocks, key=lambda block: block.name.rpartition(".")[0]):
        for block in list(stack)[:layers]:
            names |= {name for name, _ in base.model.named_parameters() if name.startswith(block.name + ".")}
    return names
