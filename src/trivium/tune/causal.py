"""The loss of a causal language model over rows of tokens, with logits only where there is a label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from trivium.tune.batches import visible
from trivium.tune.rows import IGNORED

Batch = Mapping[str, Tensor]


def causal_loss(model: Any, batch: Batch) -> Tensor:
    """Return the sum of the cross-entropies of the labelled tokens of `batch` (see `batches.tensors`), float32.

    The output layer sees only the positions before a label: over a vocabulary of tens of thousands, logits of the
    others would be most of the memory and much of the time.
    """
    targets = torch.full_like(batch["labels"], IGNORED)
    targets[:, :-1] = batch["labels"][:, 1:]
    wanted = targets != IGNORED
    logits = labelled_logits(model, batch, wanted)
    return torch.nn.functional.cross_entropy(logits.float(), targets[wanted], reduction="sum")


def labelled_logits(model: Any, batch: Batch, wanted: Tensor) -> Tensor:
    """Return logits of shape (M, V) at the M positions that `wanted`, of shape (B, T), marks."""
    real = batch["positions"] >= 0
    branches = batch.get("branches")
    with only_at(model, wanted):
        out = model(
            input_ids=batch["ids"],
            attention_mask=real.long() if branches is None else visible(real.shape[1], branches)[:, None],
            position_ids=batch["positions"].clamp(0),
            use_cache=False,
        )
    logits: Tensor = out.logits
    return logits


@contextmanager
def only_at(model: Any, wanted: Tensor) -> Iterator[None]:
    """Have the output layer compute the positions that `wanted` marks, as (M, V), and leave the others."""

    def chosen(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        hidden = inputs[0]
        return (hidden[:, -wanted.shape[1] :][wanted],)  # virtual tokens, where there are any, stand in front

    handle = model.get_output_embeddings().register_forward_pre_hook(chosen)
    try:
        yield
    finally:
        handle.remove()
