"""Batches of rows: drawn by a seed, sorted by length inside a batch, cut into micro-batches of a few tokens."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence, Sized
from typing import Any, TypeVar

import torch
from torch.utils.data import Sampler

from trivium.tune.rows import IGNORED, Row

_NEIGHBOURS = 32  # batches whose rows are sorted together, so that a batch holds rows of like length

_Sized = TypeVar("_Sized", bound=Sized)


class LikeLengths(Sampler[int]):
    """The order in which an epoch sees the rows: shuffled, with rows of like length in one batch.

    Each epoch has an order of its own, which depends on the seed and the epoch alone: a run that is taken up again
    sees the rows that it has not seen.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths, self._batch, self._seed = lengths, batch, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Tell which epoch comes."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        draw = random.Random(self._seed * 1_000_003 + self._epoch)
        order = list(range(len(self._lengths)))
        draw.shuffle(order)
        size = self._batch * _NEIGHBOURS
        batches = []
        for start in range(0, len(order), size):
            near = sorted(order[start : start + size], key=self._lengths.__getitem__)
            batches += [near[at : at + self._batch] for at in range(0, len(near), self._batch)]
        last = batches.pop() if batches and len(batches[-1]) < self._batch else []
        draw.shuffle(batches)  # a short batch stays the last
        yield from (place for batch in [*batches, last] for place in batch)


def micro_batches(rows: Sequence[_Sized], tokens: int) -> list[list[_Sized]]:
    """Return the rows, sorted by length, in groups of at most `tokens` with padding; a longer row stands alone."""
    groups: list[list[_Sized]] = []
    for row in sorted(rows, key=len):
        if groups and (len(groups[-1]) + 1) * len(row) <= tokens:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def tensors(rows: Sequence[Row], pad: int) -> dict[str, Any]:
    """Return rows as tensors of shape (B, T), padded at the right.

    `ids`, `labels` (-100 where nothing is learnt), `positions` (-1 for padding), and `branches` where a row is a tree.
    """
    length = max(map(len, rows))

    def filled(values: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
        return torch.tensor([[*value, *[filler] * (length - len(value))] for value in values])

    batch = {
        "ids": filled([row.ids for row in rows], pad),
        "labels": filled([row.labels for row in rows], IGNORED),
        "positions": filled([row.positions or range(len(row)) for row in rows], -1),
    }
    if any(row.branches for row in rows):
        batch["branches"] = filled([row.branches or [0] * len(row) for row in rows], -1)
    return batch


def visible(length: int, branches: torch.Tensor | None) -> torch.Tensor:
    """Return which tokens each token may look at: (1, T, T), or (B, T, T) where rows are trees."""
    device = None if branches is None else branches.device
    past = torch.ones(length, length, dtype=torch.bool, device=device).tril_()[None]
    if branches is None:
        return past
    return past & ((branches[:, None, :] == 0) | (branches[:, None, :] == branches[:, :, None]))
