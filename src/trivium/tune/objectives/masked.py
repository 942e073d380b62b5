"""Masked language modelling: hidden tokens of plain text, said again (Devlin et al. 2018, arXiv:1810.04805).

Of the chosen tokens 80% become the mask, 10% another token and 10% stay. They are drawn anew each time a row is
trained on (Liu et al. 2019, arXiv:1907.11692), by the generator whose state a checkpoint keeps; a validation hides
the same tokens each time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trivium.errors import UsageError
from trivium.tasks.training.values import Text
from trivium.tune.batches import micro_batches
from trivium.tune.causal import only_at
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Batch, Prepared
from trivium.tune.objectives.inputs import (
    Tokens,
    encoder_inputs,
    evaluating,
    onto,
    pad_of,
    padded,
    room,
    run_encoder,
    said_again,
    specials,
)
from trivium.tune.objectives.outcome import Outcome, Table, Verdict, present, short

_MASKED, _CHANGED = 0.8, 0.1


@dataclass(frozen=True, slots=True)
class _Item(Tokens):
    open: tuple[bool, ...] = ()
    """Which tokens may be hidden: not those that frame the text."""


class Masked:
    """The objective of plain texts on an encoder. A text that is longer than `longest` gives several rows.

    Args:
        attached: the model with its method.
        tokenizer: the model's, with a mask token.
        longest: tokens of a row.
        tokens: of a micro-batch, with padding.
        share: of the tokens that are hidden; at least one of a row.
        seed: of the tokens that a validation hides.

    Raises:
        UsageError: the tokenizer has no mask token.
    """

    measure = "loss"
    larger_is_better = False

    def __init__(
        self,
        attached: Attached,
        tokenizer: Any,
        *,
        longest: int = 512,
        tokens: int = 2048,
        share: float = 0.15,
        seed: int = 0,
    ) -> None:
        if tokenizer.mask_token_id is None:
            raise UsageError("The base's tokenizer has no mask token.", "Take a BERT-family base.")
        self._attached, self._tokenizer, self._tokens = attached, tokenizer, tokens
        self._longest, self._pad = room(attached, tokenizer, longest), pad_of(tokenizer)
        self._share, self._seed = share, seed
        self._before, self._behind = specials(tokenizer)
        known = set(tokenizer.all_special_ids)
        self._words = torch.tensor([number for number in range(len(tokenizer)) if number not in known])

    def prepare(self, samples: Sequence[Text]) -> Prepared:
        """See `Objective.prepare`."""
        items = self._items(samples)
        if not items:
            raise UsageError(f"Of {len(samples)} texts none has a token.", "Look at the data.")
        return Prepared(
            items,
            [len(item) for item in items],
            len({item.place for item in items}),
            sum(self._count(item) for item in items),
            sum(map(len, items)),
            {},
            said_again(items[0].ids, items[0].open, self._tokenizer),
        )

    def collate(self, items: Sequence[_Item]) -> list[Batch]:
        """See `Objective.collate`."""
        return [self._batch(group) for group in micro_batches(items, self._tokens)]

    def terms(self, batch: Batch) -> int:
        """Return how many tokens are hidden."""
        return int(batch["counts"].sum())

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """Return the sum of the cross-entropies of the hidden tokens."""
        each, _, _ = self._each(batch, None)
        return each.sum(), self.terms(batch)

    def scores(self, samples: Sequence[Text]) -> Mapping[str, float]:
        """Return `loss` in nats a hidden token, the `perplexity` of it, and the accuracy."""
        return self.outcome(samples).scores

    def outcome(self, samples: Sequence[Text], *, most: int | None = None) -> Outcome:
        """See `Judging.outcome`."""
        table = np.zeros((len(samples), 3))  # loss, right, hidden
        model = self._attached.model
        draw = torch.Generator().manual_seed(self._seed)
        with evaluating(model):
            for group in micro_batches(self._items(samples), self._tokens):
                each, right, rows = self._each(onto(self._batch(group), model), draw)
                for loss, hit, row in zip(each.tolist(), right.tolist(), rows.tolist(), strict=True):
                    table[group[row].place] += loss, hit, 1
        verdicts = tuple(
            Verdict(sample.id, short(sample.text), "", "", row[0] / max(row[2], 1), -row[0] / max(row[2], 1))
            for sample, row in zip(samples, table.tolist(), strict=True)
        )
        return Outcome(verdicts, "minus the loss", table, _scores)

    def _each(self, batch: Batch, draw: torch.Generator | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Hide tokens; return for each hidden one its loss, whether it is said right, and its row."""
        ids = batch["ids"]
        hidden, shown = self._hide(ids.cpu(), batch["open"].cpu(), batch["counts"].tolist(), draw)
        hidden, shown = hidden.to(ids.device), shown.to(ids.device)
        targets = ids[hidden]
        with only_at(self._attached.model, hidden):
            logits = run_encoder(self._attached.model, {**batch, "ids": shown}).logits.float()
        each = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        return each, logits.argmax(-1) == targets, hidden.nonzero()[:, 0]

    def _hide(
        self, ids: torch.Tensor, may: torch.Tensor, counts: Sequence[int], draw: torch.Generator | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return which tokens are hidden, (B, T), and the ids that are shown instead."""
        lots = torch.rand(ids.shape, generator=draw).masked_fill(~may, 2.0)
        places = lots.argsort(dim=1).argsort(dim=1)
        hidden = places < torch.tensor(counts)[:, None]
        fate = torch.rand(ids.shape, generator=draw)
        others = self._words[torch.randint(len(self._words), ids.shape, generator=draw)]
        shown = torch.where(hidden & (fate < _MASKED), self._tokenizer.mask_token_id, ids)
        changed = hidden & (fate >= _MASKED) & (fate < _MASKED + _CHANGED)
        return hidden, torch.where(changed, others, shown)

    def _count(self, item: _Item) -> int:
        return max(1, round(self._share * sum(item.open)))

    def _batch(self, items: Sequence[_Item]) -> dict[str, Any]:
        return {
            **encoder_inputs(items, self._pad),
            "open": padded([item.open for item in items], 0).bool(),
            "counts": torch.tensor([self._count(item) for item in items]),
        }

    def _items(self, samples: Sequence[Text]) -> list[_Item]:
        space = self._longest - len(self._before) - len(self._behind)
        items = []
        for place, sample in enumerate(samples):
            ids = tuple(self._tokenizer(sample.text, add_special_tokens=False, verbose=False)["input_ids"])
            for start in range(0, len(ids), space):
                part = ids[start : start + space]
                frame = (*[False] * len(self._before), *[True] * len(part), *[False] * len(self._behind))
                items.append(_Item((*self._before, *part, *self._behind), (), place, frame))
        return items


def _scores(table: Table) -> dict[str, float]:
    loss, right, hidden = table.sum(axis=0)
    if not hidden:
        return {}
    average = loss / hidden
    return present({"loss": average, "perplexity": math.exp(min(average, 700.0)), "masked_accuracy": right / hidden})
