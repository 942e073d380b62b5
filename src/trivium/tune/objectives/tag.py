"""Tagging: a tag for each token, learnt on the token's first piece; Chinese characters are tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trivium.errors import UsageError
from trivium.tasks.training.divide import class_weights
from trivium.tasks.training.values import Tagged
from trivium.tune.batches import micro_batches
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Batch, Prepared
from trivium.tune.objectives.classify import labels_known
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
    token_losses,
)
from trivium.tune.objectives.metrics import entities, entity_counts, entity_scores
from trivium.tune.objectives.outcome import ClassRow, Outcome, Table, Verdict, present, ratio, short
from trivium.tune.rows import IGNORED

_NO_BLANK_BEFORE = re.compile(r"[⺀-鿿가-힯豈-﫿＀-￯]")  # Chinese, Japanese and Korean signs
_OUTSIDE = "O"


@dataclass(frozen=True, slots=True)
class _Item(Tokens):
    """A part of a sample. `tokens[i]` is the token whose first piece stands at `firsts[i]`."""

    labels: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()
    firsts: tuple[int, ...] = ()


class Tag:
    """The objective of tagged tokens. A sample that is too long for the model is read in parts.

    Args:
        attached: the model with its method; its configuration names the tags.
        tokenizer: the model's.
        samples: of the training split.
        longest: tokens (pieces) of a part.
        tokens: of a micro-batch, with padding.
        balanced: weigh the tags so that all count alike.

    Raises:
        UsageError: a sample has a tag that the model was not opened with.
    """

    larger_is_better = True

    def __init__(
        self,
        attached: Attached,
        tokenizer: Any,
        samples: Sequence[Tagged],
        *,
        longest: int = 512,
        tokens: int = 2048,
        balanced: bool = False,
    ) -> None:
        self._attached, self._tokenizer, self._tokens = attached, tokenizer, tokens
        self._longest, self._pad = room(attached, tokenizer, longest), pad_of(tokenizer)
        self._before, self._behind = specials(tokenizer)
        counts = Counter(tag for sample in samples for tag in sample.tags)
        self.labels = labels_known(attached.model.config, counts)
        self._numbers = {label: number for number, label in enumerate(self.labels)}
        weights = class_weights(counts) if balanced else {}
        self._weights = torch.tensor([weights.get(label, 1.0) for label in self.labels])
        self.measure = "entity_f1" if any(entities([label]) for label in self.labels) else "token_accuracy"

    def prepare(self, samples: Sequence[Tagged]) -> Prepared:
        """See `Objective.prepare`."""
        items = [item for item in self._items(samples) if any(label != IGNORED for label in item.labels)]
        if not items:
            raise UsageError(f"Of {len(samples)} samples none has a token with a tag.", "Look at the data.")
        first = items[0]
        return Prepared(
            items,
            [len(item) for item in items],
            len({item.place for item in items}),
            sum(label != IGNORED for item in items for label in item.labels),
            sum(map(len, items)),
            {},
            said_again(first.ids, [label != IGNORED for label in first.labels], self._tokenizer),
        )

    def collate(self, items: Sequence[_Item]) -> list[Batch]:
        """See `Objective.collate`."""
        return [self._batch(group) for group in micro_batches(items, self._tokens)]

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """Return the sum of the (weighted) cross-entropies of the first pieces."""
        logits = run_encoder(self._attached.model, batch).logits.float()
        wanted = batch["labels"] != IGNORED
        weights = self._weights.to(logits.device)
        loss = torch.nn.functional.cross_entropy(
            logits[wanted], batch["labels"][wanted], weight=weights, reduction="sum"
        )
        return loss, self.terms(batch)

    def terms(self, batch: Batch) -> int:
        """Return how many tokens have a tag to learn."""
        return int((batch["labels"] != IGNORED).sum())

    def scores(self, samples: Sequence[Tagged]) -> Mapping[str, float]:
        """Return token accuracy, cross-entropy, and precision, recall and F1 of the entities."""
        return self.outcome(samples).scores

    def outcome(self, samples: Sequence[Tagged], *, most: int | None = None) -> Outcome:
        """See `Judging.outcome`. A token without a piece (white space) is said to be outside."""
        outside = _OUTSIDE if _OUTSIDE in self._numbers else self.labels[0]
        said = [[outside] * len(sample.tokens) for sample in samples]
        losses = np.zeros((len(samples), 2))  # sum, terms
        model = self._attached.model
        with evaluating(model):
            for group in micro_batches(self._items(samples), self._tokens):
                batch = onto(self._batch(group), model)
                logits = run_encoder(model, batch).logits
                each = token_losses(logits, batch["labels"]).double().cpu().numpy()
                best = logits.argmax(-1).cpu().numpy()
                for row, item in enumerate(group):
                    for token, column in zip(item.tokens, item.firsts, strict=True):
                        said[item.place][token] = self.labels[best[row, column]]
                    losses[item.place] += each[row].sum(), sum(label != IGNORED for label in item.labels)
        return tagged(samples, said, losses)

    def _batch(self, items: Sequence[_Item]) -> dict[str, Any]:
        return {**encoder_inputs(items, self._pad), "labels": padded([item.labels for item in items], IGNORED)}

    def _items(self, samples: Sequence[Tagged]) -> list[_Item]:
        return [item for place, sample in enumerate(samples) for item in self._parts(sample, place)]

    def _parts(self, sample: Tagged, place: int) -> list[_Item]:
        """Return a sample as sequences that fit, cut between tokens."""
        space = self._longest - len(self._before) - len(self._behind)
        words = [token if _NO_BLANK_BEFORE.match(token) else f" {token}" for token in sample.tokens]
        pieces = self._tokenizer(words, add_special_tokens=False, verbose=False)["input_ids"]
        parts: list[_Item] = []
        run: list[tuple[int, tuple[int, ...]]] = []
        size = 0
        for number, ids in enumerate(pieces):
            own = tuple(ids[:space])
            if run and size + len(own) > space:
                parts.append(self._item(sample, place, run))
                run, size = [], 0
            if own:
                run.append((number, own))
                size += len(own)
        return [*parts, self._item(sample, place, run)] if run else parts

    def _item(self, sample: Tagged, place: int, run: Sequence[tuple[int, tuple[int, ...]]]) -> _Item:
        ids = [*self._before]
        labels = [IGNORED] * len(ids)
        firsts = []
        for number, own in run:
            firsts.append(len(ids))
            ids += own
            labels += [self._numbers.get(sample.tags[number], IGNORED), *[IGNORED] * (len(own) - 1)]
        ids += self._behind
        labels += [IGNORED] * len(self._behind)
        return _Item(tuple(ids), (), place, tuple(labels), tuple(number for number, _ in run), tuple(firsts))


def tagged(samples: Sequence[Tagged], said: Sequence[Sequence[str]], losses: Table | None = None) -> Outcome:
    """Return the outcome of a tagger.

    Args:
        samples: of a split.
        said: the tags of each.
        losses: sum and number of terms of each sample's cross-entropy, (samples, 2); None where there is none.
    """
    kinds = {kind: number for number, kind in enumerate(_kinds(samples, said))}
    table = np.zeros((len(samples), 4 + 3 * len(kinds)))
    table[:, 2:4] = 0.0 if losses is None else losses
    verdicts = []
    for place, (sample, tags) in enumerate(zip(samples, said, strict=True)):
        right = sum(a == b for a, b in zip(sample.tags, tags, strict=True))
        table[place, :2] = right, len(tags)
        table[place, 4:] = entity_counts(sample.tags, tags, kinds)
        loss, terms = table[place, 2:4]
        verdicts.append(
            Verdict(
                sample.id,
                short(" ".join(sample.tokens)),
                short(_marked(sample, sample.tags)),
                short(_marked(sample, tags)),
                loss / terms if terms else float("nan"),
                ratio(right, len(tags)),
            )
        )
    pairs = tuple(
        (gold, own)
        for sample, tags in zip(samples, said, strict=True)
        for gold, own in zip(sample.tags, tags, strict=True)
    )
    counts = table[:, 4:].sum(axis=0).reshape(-1, 3)
    rows = tuple(
        ClassRow(
            kind,
            ratio(counts[number, 0], counts[number, 1]),
            ratio(counts[number, 0], counts[number, 2]),
            ratio(2 * counts[number, 0], counts[number, 1] + counts[number, 2]),
            int(counts[number, 2]),
        )
        for kind, number in kinds.items()
    )
    return Outcome(tuple(verdicts), "token_accuracy", table, _scores, pairs, rows=rows)


def _scores(table: Table) -> dict[str, float]:
    sums = table.sum(axis=0)
    found = {"token_accuracy": ratio(sums[0], sums[1])} | entity_scores(sums[4:].reshape(-1, 3))
    return present(found | ({"cross_entropy": sums[2] / sums[3]} if sums[3] else {}))


def _kinds(samples: Sequence[Tagged], said: Sequence[Sequence[str]]) -> list[str]:
    both = [sample.tags for sample in samples] + list(said)
    return sorted({kind for tags in both for kind, _, _ in entities(tags)})


def _marked(sample: Tagged, tags: Sequence[str]) -> str:
    """Return the entities of a sample as text, or its tags where it has none."""
    found = sorted(entities(tags), key=lambda entity: entity[1])
    glue = "" if all(len(token) == 1 for token in sample.tokens) else " "
    named = [f"{kind}: {glue.join(sample.tokens[start:end])}" for kind, start, end in found]
    return "; ".join(named) or ("no entity" if set(tags) <= {_OUTSIDE} else " ".join(tags))
