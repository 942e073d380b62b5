"""Causal language modelling and instruction tuning: rows of tokens, loss on the labelled ones, perplexity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trivium.errors import UsageError
from trivium.tasks.training.values import Dialogue, Text
from trivium.tune.batches import micro_batches, tensors
from trivium.tune.causal import causal_loss
from trivium.tune.encode import Encoded, encode_dialogues, encode_texts
from trivium.tune.fast.llama import FastLlama, unsuited
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Batch, Prepared
from trivium.tune.objectives.inputs import onto
from trivium.tune.rows import Row, pack, share_beginnings


class Causal:
    """The objective of dialogues and plain texts.

    Args:
        attached: the model with its method.
        tokenizer: the model's.
        longest: tokens a sample may have; longer dialogues are left out and reported, longer texts cut into parts.
        tokens: of a micro-batch, with padding.
        packed: pack short rows into rows of `longest` tokens.
        shared: let samples that begin alike share their beginning.
        dtype: bfloat16 or float32, for the products.
        fast: use the hand-written pass where it fits the model.
    """

    measure = "loss"
    larger_is_better = False

    def __init__(
        self,
        attached: Attached,
        tokenizer: Any,
        *,
        longest: int = 1024,
        tokens: int = 2048,
        packed: bool = False,
        shared: bool = True,
        dtype: torch.dtype = torch.float32,
        fast: bool = True,
    ) -> None:
        self._shared = shared and attached.method.packs
        self._attached = attached
        self._tokenizer = tokenizer
        self._longest, self._tokens, self._packed = longest, tokens, packed
        self.why_slow = unsuited(attached.model) if fast else "it was not asked for"
        self._fast = None if self.why_slow else FastLlama(attached.model, dtype)
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0

    def prepare(self, samples: Sequence[Any]) -> Prepared:
        """See `Objective.prepare`."""
        encoded = self._encoded(samples)
        rows: Sequence[Row] = encoded.rows
        if not rows:
            raise UsageError(
                f"Of {len(samples)} samples none can be trained on: {len(encoded.too_long)} are longer than "
                f"{self._longest} tokens, {len(encoded.untrained)} have no answer to learn.",
                "Give a larger --longest, or look at the data with `trivium tune DATA --preview`.",
            )
        rows = share_beginnings(rows, longest=self._longest) if self._shared else rows
        rows = pack(rows, self._longest) if self._packed and self._attached.method.packs else rows
        return Prepared(
            rows,
            [len(row) for row in rows],
            sum(row.samples for row in rows),
            sum(row.trained for row in rows),
            sum(map(len, rows)),
            {"too long": encoded.too_long, "nothing to learn": encoded.untrained},
            marked(encoded.rows[0], self._tokenizer),
        )

    def collate(self, items: Sequence[Row]) -> list[Batch]:
        """See `Objective.collate`."""
        return [tensors(rows, self._pad) for rows in micro_batches(items, self._tokens)]

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """See `Objective.loss`."""
        if self._fast is None:
            return causal_loss(self._attached.model, batch), self.terms(batch)
        loss = self._fast.loss(batch["ids"], batch["positions"], batch["labels"], batch.get("branches"))
        return loss, self.terms(batch)

    def terms(self, batch: Batch) -> int:
        """See `Objective.terms`."""
        return int((batch["labels"][:, 1:] != -100).sum())

    @torch.no_grad()
    def scores(self, samples: Sequence[Any]) -> Mapping[str, float]:
        """Return `loss`, nats a token that is to be learnt, and `perplexity`."""
        rows: Sequence[Row] = self._encoded(samples).rows
        rows = share_beginnings(rows, longest=self._longest) if self._shared else rows
        total, terms = 0.0, 0
        for batch in self.collate(rows):
            loss, count = self.loss(onto(batch, self._attached.model))
            total, terms = total + float(loss), terms + count
        mean = total / max(terms, 1)
        return {"loss": mean, "perplexity": math.exp(min(mean, 700.0))}

    def _encoded(self, samples: Sequence[Any]) -> Encoded:
        dialogues = [sample for sample in samples if isinstance(sample, Dialogue)]
        if dialogues:
            return encode_dialogues(dialogues, self._tokenizer, longest=self._longest)
        return encode_texts(
            [sample for sample in samples if isinstance(sample, Text)], self._tokenizer, longest=self._longest
        )


def marked(row: Row, tokenizer: Any) -> str:
    """Return a row as text, with what is learnt between ⟦ and ⟧."""
    parts: list[str] = []
    run: list[int] = []
    learnt = False
    for token, label in [*zip(row.ids, row.labels, strict=True), (None, None)]:
        now = label is not None and label != -100
        if token is None or (now != learnt and run):
            text = tokenizer.decode(run)
            parts.append(f"⟦{text}⟧" if learnt else text)
            run = []
        learnt = now
        if token is not None:
            run.append(token)
    return "".join(parts)
