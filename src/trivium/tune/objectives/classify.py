"""Classification of a text or a pair, and regression: one label or one value from the whole sequence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trivium.errors import UsageError
from trivium.tasks.training.divide import class_weights
from trivium.tasks.training.values import Labelled
from trivium.tune.batches import micro_batches
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Batch, Prepared
from trivium.tune.objectives.inputs import (
    Tokens,
    encoder_inputs,
    evaluating,
    onto,
    pad_of,
    room,
    run_encoder,
)
from trivium.tune.objectives.metrics import EPSILON, classification, regression
from trivium.tune.objectives.outcome import Outcome, Table, Verdict, short

_HEADS = ("classifier", "score", "classification_head")
_SPREAD = (0.02, 50.0)  # standard deviations of a value that a new head learns at a usual rate


@dataclass(frozen=True, slots=True)
class _Item(Tokens):
    target: float = 0.0
    """The number of the label, -1 for one that is not known, or the value."""


class _Sequences:
    """What classification and regression share: the whole sequence goes in, the head's output comes out."""

    def __init__(self, attached: Attached, tokenizer: Any, longest: int, tokens: int) -> None:
        self._attached, self._tokenizer, self._tokens = attached, tokenizer, tokens
        self._longest = room(attached, tokenizer, longest)
        self._pad = pad_of(tokenizer)

    def collate(self, items: Sequence[_Item]) -> list[Batch]:
        """See `Objective.collate`."""
        return [self._batch(group) for group in micro_batches(items, self._tokens)]

    def terms(self, batch: Batch) -> int:
        """Return how many samples there are."""
        return len(batch["targets"])

    def _target(self, sample: Labelled) -> float:
        raise NotImplementedError

    def _logits(self, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = run_encoder(self._attached.model, batch).logits
        return logits.float()

    def _batch(self, items: Sequence[_Item]) -> dict[str, Any]:
        targets = torch.tensor([item.target for item in items], dtype=torch.float32)
        return {**encoder_inputs(items, self._pad), "targets": targets}

    def _items(self, samples: Sequence[Labelled]) -> tuple[list[_Item], tuple[str, ...]]:
        items, cut = [], []
        for place, sample in enumerate(samples):
            ids, kinds, over = _encoded(self._tokenizer, sample, self._longest)
            if over:
                cut.append(sample.id)
            items.append(_Item(ids, kinds, place, self._target(sample)))
        return items, tuple(cut)

    def _prepared(self, samples: Sequence[Labelled], what: str) -> Prepared:
        if not samples:
            raise UsageError(f"No sample has a {what} to learn.", "Give a column for it, or look at the data.")
        items, cut = self._items(samples)
        first = samples[0].label if samples[0].label is not None else f"{samples[0].value:g}"
        preview = f"{self._tokenizer.decode(list(items[0].ids))} → ⟦{first}⟧"
        read = sum(map(len, items))
        return Prepared(items, [len(item) for item in items], len(items), len(items), read, {}, preview, cut)

    def _outputs(self, samples: Sequence[Labelled]) -> NDArray[np.float64]:
        """Return the head's output for each sample, in their order, (n, outputs)."""
        model = self._attached.model
        items = self._items(samples)[0]
        found = np.zeros((len(items), int(model.config.num_labels)))
        with evaluating(model):
            for group in micro_batches(items, self._tokens):
                logits = self._logits(onto(self._batch(group), model))
                found[[item.place for item in group]] = logits.double().cpu().numpy()
        return found


class Classify(_Sequences):
    """The objective of labelled texts and pairs of texts.

    Args:
        attached: the model with its method; its configuration names the labels.
        tokenizer: the model's.
        samples: of the training split, by which the classes are weighed.
        longest: tokens that are read of a sample; what is longer is cut, a pair at its longer text.
        tokens: of a micro-batch, with padding.
        balanced: weigh the classes so that all count alike.

    Raises:
        UsageError: a sample has a label that the model was not opened with, or there is one label only.
    """

    larger_is_better = True

    def __init__(
        self,
        attached: Attached,
        tokenizer: Any,
        samples: Sequence[Labelled],
        *,
        longest: int = 512,
        tokens: int = 2048,
        balanced: bool = False,
    ) -> None:
        super().__init__(attached, tokenizer, longest, tokens)
        counts = Counter(sample.label for sample in samples if sample.label is not None)
        self.labels = labels_known(attached.model.config, counts)
        if len(counts) < 2:
            raise UsageError(
                f"The training samples have {len(counts)} label{'s'[: len(counts) != 1]}.",
                "Classification needs at least two: check the column of the labels.",
            )
        self.measure = "macro_f1" if balanced else "accuracy"
        weights = class_weights(counts) if balanced else {}
        self._weights = torch.tensor([weights.get(label, 1.0) for label in self.labels])
        self._numbers = {label: number for number, label in enumerate(self.labels)}

    def prepare(self, samples: Sequence[Labelled]) -> Prepared:
        """See `Objective.prepare`."""
        return self._prepared([sample for sample in samples if sample.label in self._numbers], "label")

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """Return the sum of the (weighted) cross-entropies."""
        logits = self._logits(batch)
        weights = self._weights.to(logits.device)
        loss = torch.nn.functional.cross_entropy(logits, batch["targets"].long(), weight=weights, reduction="sum")
        return loss, self.terms(batch)

    def scores(self, samples: Sequence[Labelled]) -> Mapping[str, float]:
        """Return accuracy, macro and micro F1, the area under the ROC curve and the cross-entropy."""
        return self.outcome(samples).scores

    def outcome(self, samples: Sequence[Labelled], *, most: int | None = None) -> Outcome:
        """See `Judging.outcome`."""
        logits = self._outputs(samples)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return classified(samples, self.labels, shifted / shifted.sum(axis=1, keepdims=True))

    def _target(self, sample: Labelled) -> float:
        return self._numbers.get(sample.label or "", -1)


class Regress(_Sequences):
    """The objective of texts and pairs with a value: mean squared error, in the values' own unit.

    A new head starts at the mean of the training values, and the loss is divided by their variance.

    Args:
        attached: the model with its method, opened without labels.
        tokenizer: the model's.
        samples: of the training split.
        longest: tokens that are read of a sample.
        tokens: of a micro-batch, with padding.

    Raises:
        UsageError: the values do not vary, or vary so much or so little that a head would not learn them.
    """

    measure = "mse"
    larger_is_better = False

    def __init__(
        self, attached: Attached, tokenizer: Any, samples: Sequence[Labelled], *, longest: int = 512, tokens: int = 2048
    ) -> None:
        super().__init__(attached, tokenizer, longest, tokens)
        values = np.array([sample.value for sample in samples if sample.value is not None], dtype=np.float64)
        spread = float(values.std()) if len(values) else 0.0
        if not _SPREAD[0] <= spread <= _SPREAD[1]:
            raise UsageError(
                f"The standard deviation of the training values is {spread:g}: a model's head learns between "
                f"{_SPREAD[0]:g} and {_SPREAD[1]:g}.",
                "Give the values in a unit in which they vary by about 1, as thousands or logarithms.",
            )
        if attached.model.config.num_labels != 1:
            raise UsageError("The base was opened with labels, and the samples have values.", "Open it without labels.")
        self._variance = spread * spread
        _start_at(attached.model, float(values.mean()))

    def prepare(self, samples: Sequence[Labelled]) -> Prepared:
        """See `Objective.prepare`."""
        return self._prepared([sample for sample in samples if sample.value is not None], "value")

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """Return the sum of the squared errors, over the variance of the training values."""
        error = self._logits(batch)[:, 0] - batch["targets"]
        return error.square().sum() / self._variance, self.terms(batch)

    def scores(self, samples: Sequence[Labelled]) -> Mapping[str, float]:
        """Return MSE, MAE, R², Pearson's and Spearman's correlation."""
        return self.outcome(samples).scores

    def outcome(self, samples: Sequence[Labelled], *, most: int | None = None) -> Outcome:
        """See `Judging.outcome`."""
        return valued(samples, self._outputs(samples)[:, 0])

    def _target(self, sample: Labelled) -> float:
        return math.nan if sample.value is None else float(sample.value)


def classified(samples: Sequence[Labelled], labels: Sequence[str], probabilities: Table) -> Outcome:
    """Return the outcome of a classifier that gives `probabilities`, (samples, labels)."""
    numbers = {label: number for number, label in enumerate(labels)}
    gold = np.array([numbers.get(sample.label or "", -1) for sample in samples], dtype=np.int64)
    said = probabilities.argmax(axis=1)
    chosen = probabilities[np.arange(len(gold)), np.maximum(gold, 0)]
    losses = np.where(gold >= 0, -np.log(np.clip(chosen, EPSILON, 1.0)), np.nan)
    verdicts = tuple(
        Verdict(sample.id, shown(sample), sample.label or "", labels[own], float(loss), float(right == own))
        for sample, right, own, loss in zip(samples, gold, said, losses, strict=True)
    )
    return Outcome(
        verdicts,
        "accuracy",
        np.column_stack((gold, probabilities)),
        lambda table: classification(table[:, 0].astype(np.int64), table[:, 1:]),
        tuple((verdict.gold, verdict.said) for verdict in verdicts),
    )


def valued(samples: Sequence[Labelled], said: Table) -> Outcome:
    """Return the outcome of a regression that says `said`, (samples,)."""
    gold = np.array([sample.value for sample in samples], dtype=np.float64)
    verdicts = tuple(
        Verdict(
            sample.id, shown(sample), f"{right:g}", f"{own:.4g}", float((own - right) ** 2), -(float(own - right) ** 2)
        )
        for sample, right, own in zip(samples, gold, said, strict=True)
    )
    return Outcome(
        verdicts,
        "minus the squared error",
        np.column_stack((gold, said)),
        lambda table: regression(table[:, 0], table[:, 1]),
    )


def shown(sample: Labelled) -> str:
    """Return the text or the pair in short."""
    return short(sample.text) if sample.second is None else f"{short(sample.text)} ‖ {short(sample.second)}"


def labels_known(config: Any, found: Mapping[str, int]) -> tuple[str, ...]:
    """Return the labels of a model in their order.

    Raises:
        UsageError: a training sample has another one.
    """
    labels = tuple(str(config.id2label[number]) for number in range(int(config.num_labels)))
    if strange := sorted(set(found) - set(labels)):
        raise UsageError(
            f"The model knows the labels {', '.join(labels[:8])}; the training samples also have "
            f"{', '.join(strange[:8])}.",
            "Open the base with the labels of the training split.",
        )
    return labels


def _encoded(tokenizer: Any, sample: Labelled, longest: int) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """Return ids, token types, and whether the sample was cut."""
    texts = [sample.text] if sample.second is None else [sample.text, sample.second]
    made = tokenizer(*texts, verbose=False)
    over = len(made["input_ids"]) > longest
    if over:
        made = tokenizer(*texts, truncation="longest_first", max_length=longest, verbose=False)
    return tuple(made["input_ids"]), tuple(made.get("token_type_ids", ())), over


@torch.no_grad()
def _start_at(model: Any, value: float) -> None:
    """Have a new head say `value` at first, where it has a bias."""
    for name, module in model.named_modules():
        parts = name.split(".")
        if (
            any(head in parts for head in _HEADS)
            and getattr(module, "out_features", 0) == 1
            and module.bias is not None
        ):
            module.bias.fill_(value)
