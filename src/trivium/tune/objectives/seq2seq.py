"""A text from a text, by an encoder and a decoder: translation, summaries (Raffel et al. 2019, arXiv:1910.10683)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trivium.errors import UsageError
from trivium.evaluate.metrics.answers import exact_match, token_f1
from trivium.evaluate.metrics.overlap import bleu_counts, bleu_of, chrf, rouge1, rouge2, rouge_l
from trivium.text.language import detect
from trivium.tune.batches import micro_batches
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Batch, Prepared
from trivium.tune.objectives.inputs import (
    Tokens,
    evaluating,
    onto,
    pad_of,
    padded,
    room,
    token_losses,
    written,
)
from trivium.tune.objectives.outcome import Outcome, Table, Verdict, mean, present, short
from trivium.tune.rows import IGNORED

_OVERLAPS = {"chrf": chrf, "rouge1": rouge1, "rouge2": rouge2, "rouge_l": rouge_l}
_BLEU = 10  # counts that a text gives to BLEU


@dataclass(frozen=True, slots=True)
class _Item(Tokens):
    target: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.ids) + len(self.target)


class Seq2Seq:
    """The objective of pairs on an encoder-decoder.

    Args:
        attached: the model with its method.
        tokenizer: the model's.
        longest: tokens of a source and of a target; what is longer is cut at a source, left out at a target.
        tokens: of a micro-batch, with padding.
        generated: samples of a validation whose target is written, for BLEU, chrF and ROUGE; 0 for the loss alone.
        longest_written: tokens that may be written.
    """

    larger_is_better = True

    def __init__(
        self,
        attached: Attached,
        tokenizer: Any,
        *,
        longest: int = 512,
        tokens: int = 2048,
        generated: int = 64,
        longest_written: int = 128,
    ) -> None:
        self._attached, self._tokenizer, self._tokens = attached, tokenizer, tokens
        self._longest, self._pad = room(attached, tokenizer, longest), pad_of(tokenizer)
        self._generated, self._most = generated, longest_written
        self.measure = "chrf" if generated else "loss"
        self.larger_is_better = generated > 0

    def prepare(self, samples: Sequence[Any]) -> Prepared:
        """See `Objective.prepare`."""
        items, cut = self._items(samples)
        if not items:
            raise UsageError(
                f"Of {len(samples)} pairs none has a target of at most {self._longest} tokens.", "Raise --longest."
            )
        kept = {item.place for item in items}
        first = items[0]
        return Prepared(
            items,
            [len(item) for item in items],
            len(items),
            sum(len(item.target) for item in items),
            sum(map(len, items)),
            {"target too long": tuple(one.id for place, one in enumerate(samples) if place not in kept)},
            f"{self._tokenizer.decode(list(first.ids))} → ⟦{self._tokenizer.decode(list(first.target))}⟧",
            cut,
        )

    def collate(self, items: Sequence[_Item]) -> list[Batch]:
        """See `Objective.collate`."""
        return [self._batch(group) for group in micro_batches(items, self._tokens)]

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """Return the sum of the cross-entropies of the targets' tokens."""
        return token_losses(self._logits(batch), batch["labels"]).sum(), self.terms(batch)

    def terms(self, batch: Batch) -> int:
        """Return how many tokens the targets have."""
        return int((batch["labels"] != IGNORED).sum())

    def scores(self, samples: Sequence[Any]) -> Mapping[str, float]:
        """Return loss and perplexity, and BLEU, chrF, ROUGE, exact match and token F1 of what is written."""
        return self.outcome(samples, most=self._generated).scores

    def outcome(self, samples: Sequence[Any], *, most: int | None = None) -> Outcome:
        """See `Judging.outcome`."""
        losses = np.zeros((len(samples), 2))
        model = self._attached.model
        with evaluating(model):
            for group in micro_batches(self._items(samples)[0], self._tokens):
                batch = onto(self._batch(group), model)
                each = token_losses(self._logits(batch), batch["labels"]).sum(1).tolist()
                for item, loss in zip(group, each, strict=True):
                    losses[item.place] = loss, len(item.target)
        count = len(samples) if most is None else min(most, len(samples))
        sources = [self._source(sample)[0] for sample in samples[:count]]
        said = written(model, self._tokenizer, sources, tokens=self._tokens, longest=self._most, left=False)
        return told(samples, [sample.source for sample in samples], [sample.target for sample in samples], said, losses)

    def _logits(self, batch: Batch) -> torch.Tensor:
        model = self._attached.model
        start = model.config.decoder_start_token_id
        given = torch.full_like(batch["labels"], self._pad if start is None else start)
        given[:, 1:] = batch["labels"][:, :-1].masked_fill(batch["labels"][:, :-1] == IGNORED, self._pad)
        out = model(input_ids=batch["ids"], attention_mask=batch["mask"], decoder_input_ids=given, use_cache=False)
        logits: torch.Tensor = out.logits
        return logits

    def _batch(self, items: Sequence[_Item]) -> dict[str, Any]:
        return {
            "ids": padded([item.ids for item in items], self._pad),
            "mask": padded([[1] * len(item.ids) for item in items], 0),
            "labels": padded([item.target for item in items], IGNORED),
        }

    def _source(self, sample: Any) -> tuple[tuple[int, ...], bool]:
        ids = self._tokenizer(sample.source, verbose=False)["input_ids"]
        if len(ids) <= self._longest:
            return tuple(ids), False
        made = self._tokenizer(sample.source, truncation=True, max_length=self._longest, verbose=False)
        return tuple(made["input_ids"]), True

    def _items(self, samples: Sequence[Any]) -> tuple[list[_Item], tuple[str, ...]]:
        items, cut = [], []
        end = self._tokenizer.eos_token_id
        for place, sample in enumerate(samples):
            target = list(self._tokenizer(text_target=sample.target, verbose=False)["input_ids"])
            if end is not None and target[-1:] != [end]:
                target.append(end)
            ids, over = self._source(sample)
            if len(target) > self._longest:
                continue
            if over:
                cut.append(sample.id)
            items.append(_Item(ids, (), place, tuple(target)))
        return items, tuple(cut)


def told(
    samples: Sequence[Any], asked: Sequence[str], gold: Sequence[str], said: Sequence[str], losses: Table | None = None
) -> Outcome:
    """Return the outcome of texts that were written.

    Args:
        samples: of a split.
        asked: what each asks, to be shown.
        gold: the right text of each.
        said: the texts of the first of them, as many as were written.
        losses: sum and number of terms of each sample's cross-entropy, (samples, 2); None where there is none.
    """
    losses = np.zeros((len(samples), 2)) if losses is None else losses
    width = 2 + len(_OVERLAPS) + 2
    table = np.full((len(samples), width + _BLEU), np.nan)
    table[:, :2] = losses
    language = detect(" ".join(gold[:20]))
    verdicts = []
    for place, sample in enumerate(samples):
        loss = float(losses[place, 0] / losses[place, 1]) if losses[place, 1] else math.nan
        text, value = "", math.nan if said else -loss
        if place < len(said):
            text, known = said[place], [gold[place]]
            overlaps = [measure(text, known, language) for measure in _OVERLAPS.values()]
            table[place, 2:width] = *overlaps, exact_match(text, known, language), token_f1(text, known, language)
            table[place, width:] = bleu_counts(text, known, language)
            value = float(table[place, 2])
        verdicts.append(Verdict(sample.id, short(asked[place]), short(gold[place]), short(text), loss, value))
    return Outcome(tuple(verdicts), "chrf" if said else "minus the loss", table, _scores)


def _scores(table: Table) -> dict[str, float]:
    names = (*_OVERLAPS, "exact_match", "token_f1")
    found = dict.fromkeys(("loss", "perplexity", "bleu"), math.nan)
    loss, terms = table[:, :2].sum(axis=0)
    if terms:
        found |= {"loss": loss / terms, "perplexity": math.exp(min(loss / terms, 700.0))}
    told_of = table[~np.isnan(table[:, 2])]
    if len(told_of):
        found["bleu"] = bleu_of([int(count) for count in told_of[:, 2 + len(names) :].sum(axis=0)])
    return present(found | {name: mean(table[:, 2 + place]) for place, name in enumerate(names)})
