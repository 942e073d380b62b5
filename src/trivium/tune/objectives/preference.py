"""Learning from preferences: DPO on pairs of answers, KTO on answers judged good or bad.

The losses are written by hand, a few lines each, and compared with TRL's in a test. What the reference model (the base
without the adapter) thinks of an answer is computed once and kept.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from trivium.errors import UsageError
from trivium.tasks.training.divide import class_weights
from trivium.tasks.training.values import Dialogue, Preference, Rated, Turn
from trivium.tune.batches import micro_batches, tensors
from trivium.tune.causal import labelled_logits
from trivium.tune.encode import encode_dialogues
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Batch, Prepared
from trivium.tune.objectives.causal import marked
from trivium.tune.objectives.inputs import evaluating, onto, pad_of, products
from trivium.tune.objectives.metrics import area
from trivium.tune.objectives.outcome import Outcome, Table, Verdict, mean, present, short
from trivium.tune.rows import IGNORED, Row

logsigmoid, sigmoid = torch.nn.functional.logsigmoid, torch.sigmoid


def dpo(chosen: torch.Tensor, rejected: torch.Tensor, beta: float) -> torch.Tensor:
    """Return the loss of each pair (Rafailov et al. 2023, arXiv:2305.18290, equation 7).

    Args:
        chosen: ln π(chosen) - ln π_ref(chosen), (n,).
        rejected: likewise of the rejected answers.
        beta: how closely the model is held to the reference.
    """
    return -logsigmoid(beta * (chosen - rejected))


def kto(
    ratios: torch.Tensor, good: torch.Tensor, drift: torch.Tensor, weights: torch.Tensor, beta: float
) -> torch.Tensor:
    """Return the loss of each answer (Ethayarajh et al. 2024, arXiv:2402.01306, equation 8).

    Args:
        ratios: ln π(answer) - ln π_ref(answer), (n,).
        good: whether it was judged good, (n,).
        drift: z0, how far the model has gone from the reference: the mean ratio of answers to other prompts, at least
            0, without a gradient.
        weights: λ of each answer, (n,).
        beta: how steeply a gain or a loss is valued.
    """
    value = torch.where(good, sigmoid(beta * (ratios - drift)), sigmoid(beta * (drift - ratios)))
    return weights * (1 - value)


@dataclass(frozen=True, slots=True)
class _Item:
    """Rows with what the reference thinks of each: chosen and rejected, or an answer and another prompt's."""

    rows: tuple[Row, Row]
    reference: tuple[float, float]
    good: bool = True
    place: int = 0

    def __len__(self) -> int:
        return 2 * max(map(len, self.rows))


class _Likelihoods:
    """What both objectives share: log-probabilities of answers, by the model and by its reference."""

    larger_is_better = True

    def __init__(
        self,
        attached: Attached,
        tokenizer: Any,
        *,
        longest: int = 1024,
        tokens: int = 2048,
        beta: float = 0.1,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._attached, self._tokenizer, self._dtype = attached, tokenizer, dtype
        self._longest, self._tokens, self._beta = longest, tokens, beta
        self._pad = pad_of(tokenizer)
        self._known: dict[Row, float] = {}
        # A method that changes the base's own weights leaves no reference behind: a copy is kept.
        self._frozen = None if attached.method.switchable else copy.deepcopy(attached.model).eval()

    def collate(self, items: Sequence[_Item]) -> list[Batch]:
        """See `Objective.collate`."""
        return [self._batch(group) for group in micro_batches(items, self._tokens)]

    def terms(self, batch: Batch) -> int:
        """Return how many samples there are."""
        return len(batch["good"])

    def _batch(self, items: Sequence[_Item]) -> dict[str, Any]:
        """Return the first rows of all items, then the second ones."""
        return {
            **tensors([item.rows[half] for half in (0, 1) for item in items], self._pad),
            "reference": torch.tensor([item.reference[half] for half in (0, 1) for item in items]),
            "good": torch.tensor([item.good for item in items]),
        }

    def _ratios(self, batch: Batch) -> torch.Tensor:
        """Return ln π - ln π_ref of each row."""
        return likelihoods(self._attached.model, batch) - batch["reference"]

    def _rows(self, samples: Sequence[Any], answers: Sequence[str]) -> list[Row | None]:
        """Return a row for each answer to its sample's prompt; None for one that does not fit."""
        dialogues = [
            Dialogue((*_untrained(sample.prompt), Turn("assistant", answer, trained=True)), id=str(place))
            for place, (sample, answer) in enumerate(zip(samples, answers, strict=True))
        ]
        encoded = encode_dialogues(dialogues, self._tokenizer, longest=self._longest)
        out = {*encoded.too_long, *encoded.untrained}
        rows = iter(encoded.rows)
        return [None if dialogue.id in out else next(rows) for dialogue in dialogues]

    def _learn_reference(self, rows: Sequence[Row]) -> None:
        """Compute what the reference thinks of rows that are not known yet."""
        new = [row for row in dict.fromkeys(rows) if row not in self._known]
        if not new:
            return
        # In the number format of training: a reference in another one differs by more than a step changes.
        with self._reference() as model, evaluating(model), products(model, self._dtype):
            for group in micro_batches(new, self._tokens):
                found = likelihoods(model, onto(tensors(group, self._pad), model))
                self._known |= dict(zip(group, found.tolist(), strict=True))

    @contextmanager
    def _reference(self) -> Iterator[Any]:
        if self._frozen is not None:
            yield self._frozen.to(next(self._attached.model.parameters()).device)
            return
        active = active_name(self._attached)
        self._attached.switch(None)
        try:
            yield self._attached.model
        finally:
            self._attached.switch(active)

    def _prepared(self, items: Sequence[_Item], samples: Sequence[Any], kept: set[int]) -> Prepared:
        if not items:
            raise UsageError(
                f"Of {len(samples)} samples none fits {self._longest} tokens with its answer.", "Raise --longest."
            )
        return Prepared(
            items,
            [sum(map(len, item.rows)) for item in items],
            len(items),
            sum(row.trained for item in items for row in item.rows),
            sum(len(row) for item in items for row in item.rows),
            {"too long": tuple(sample.id for place, sample in enumerate(samples) if place not in kept)},
            marked(items[0].rows[0], self._tokenizer),
        )

    def _both(self, items: Sequence[_Item]) -> Table:
        """Return ln π - ln π_ref of both rows of each item, (n, 2)."""
        found = np.zeros((len(items), 2))
        places = {id(item): number for number, item in enumerate(items)}
        model = self._attached.model
        with evaluating(model), products(model, self._dtype):
            for group in micro_batches(items, self._tokens):
                ratios = self._ratios(onto(self._batch(group), model)).reshape(2, -1).T
                found[[places[id(item)] for item in group]] = ratios.double().cpu().numpy()
        return found


class DPO(_Likelihoods):
    """The objective of pairs of answers, direct preference optimisation; see `dpo`.

    Args of all objectives of this file:
        attached: the model with its method.
        tokenizer: the model's.
        longest: tokens of a prompt with its answer; longer ones are left out.
        tokens: of a micro-batch, with padding.
        beta: how closely the model is held to the reference.
        dtype: bfloat16 or float32, for the products.
    """

    measure = "preference_accuracy"

    def prepare(self, samples: Sequence[Preference]) -> Prepared:
        """See `Objective.prepare`."""
        items = self._items(samples)
        return self._prepared(items, samples, {item.place for item in items})

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """Return the sum of the pairs' losses."""
        chosen, rejected = self._ratios(batch).chunk(2)
        return dpo(chosen, rejected, self._beta).sum(), self.terms(batch)

    def scores(self, samples: Sequence[Preference]) -> Mapping[str, float]:
        """Return the share of pairs whose chosen answer has the larger reward, the mean margin, and the loss."""
        return self.outcome(samples).scores

    def outcome(self, samples: Sequence[Preference], *, most: int | None = None) -> Outcome:
        """See `Judging.outcome`. Rewards are β (ln π - ln π_ref); pairs that do not fit are left out."""
        items = self._items(samples)
        margins = self._beta * (self._both(items) @ np.array([1.0, -1.0]))
        return replace(
            preferred([samples[item.place] for item in items], margins), places=tuple(item.place for item in items)
        )

    def _items(self, samples: Sequence[Preference]) -> list[_Item]:
        chosen = self._rows(samples, [sample.chosen for sample in samples])
        rejected = self._rows(samples, [sample.rejected for sample in samples])
        pairs = [
            (place, (good, bad)) for place, (good, bad) in enumerate(zip(chosen, rejected, strict=True)) if good and bad
        ]
        self._learn_reference([row for _, pair in pairs for row in pair])
        return [_Item(pair, (self._known[pair[0]], self._known[pair[1]]), place=place) for place, pair in pairs]


class KTO(_Likelihoods):
    """The objective of answers judged good or bad, Kahneman-Tversky optimisation; see `kto`.

    z0 is taken over a micro-batch, from each prompt with the next sample's answer, as the paper does.

    Args:
        samples: of the training split, for the weights.
        balanced: weigh good and bad so that both count alike (λ of the paper); else both by 1.
        attached: see `DPO`, as those that follow.
    """

    measure = "auc_roc"

    def __init__(
        self,
        attached: Attached,
        tokenizer: Any,
        samples: Sequence[Rated],
        *,
        balanced: bool = False,
        longest: int = 1024,
        tokens: int = 2048,
        beta: float = 0.1,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(attached, tokenizer, longest=longest, tokens=tokens, beta=beta, dtype=dtype)
        counts = Counter("good" if sample.good else "bad" for sample in samples)
        weights = class_weights(counts) if balanced else {}
        self._weights = weights.get("bad", 1.0), weights.get("good", 1.0)
        if len(counts) < 2:
            raise UsageError(
                "The training samples are all good, or all bad.", "KTO needs both; tune on the good ones as dialogues."
            )

    def prepare(self, samples: Sequence[Rated]) -> Prepared:
        """See `Objective.prepare`."""
        items = self._items(samples)
        return self._prepared(items, samples, {item.place for item in items})

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """Return the sum of the answers' losses."""
        count = self.terms(batch)
        own, others = _halves(batch, count)
        with torch.no_grad():
            drift = self._ratios(others).mean().clamp(min=0)
        weights = torch.where(batch["good"], self._weights[1], self._weights[0])
        return kto(self._ratios(own), batch["good"], drift, weights, self._beta).sum(), count

    def scores(self, samples: Sequence[Rated]) -> Mapping[str, float]:
        """Return the chance that a good answer has the larger reward than a bad one, and the margin of the means."""
        return self.outcome(samples).scores

    def outcome(self, samples: Sequence[Rated], *, most: int | None = None) -> Outcome:
        """See `Judging.outcome`."""
        items = self._items(samples)
        rewards = self._beta * self._both(items)
        drift = max(float(rewards[:, 1].mean()), 0.0) if len(items) else 0.0
        return replace(
            rated([samples[item.place] for item in items], rewards[:, 0], drift),
            places=tuple(item.place for item in items),
        )

    def _items(self, samples: Sequence[Rated]) -> list[_Item]:
        others = [*samples[1:], *samples[:1]]
        own = self._rows(samples, [sample.completion for sample in samples])
        strange = self._rows(samples, [sample.completion for sample in others])
        found = []
        for place, (row, other) in enumerate(zip(own, strange, strict=True)):
            if row:  # where another's answer does not fit, its own stands for it
                found.append((place, (row, other or row)))
        self._learn_reference([row for _, pair in found for row in pair])
        return [
            _Item(pair, (self._known[pair[0]], self._known[pair[1]]), samples[place].good, place)
            for place, pair in found
        ]


def likelihoods(model: Any, batch: Batch) -> torch.Tensor:
    """Return ln of the probability of what each row learns, (B,): a sum over its tokens."""
    targets = torch.full_like(batch["labels"], IGNORED)
    targets[:, :-1] = batch["labels"][:, 1:]
    wanted = targets != IGNORED
    logits = labelled_logits(model, batch, wanted).float()
    each = -torch.nn.functional.cross_entropy(logits, targets[wanted], reduction="none")
    return torch.zeros(len(targets), device=each.device).index_add(0, wanted.nonzero()[:, 0], each)


def preferred(samples: Sequence[Preference], margins: Table) -> Outcome:
    """Return the outcome of a system that sets the chosen answer above the rejected by `margins`, (n,)."""
    wins = (margins > 0) + 0.5 * (margins == 0)
    losses = np.logaddexp(0.0, -margins)
    verdicts = tuple(
        Verdict(sample.id, _prompted(sample), short(sample.chosen), short(said), float(loss), float(win))
        for sample, said, loss, win in zip(
            samples,
            [s.chosen if m > 0 else s.rejected for s, m in zip(samples, margins, strict=True)],
            losses,
            wins,
            strict=True,
        )
    )
    table = np.column_stack((wins, margins, losses))
    return Outcome(
        verdicts,
        "preference_accuracy",
        table,
        lambda rows: present(
            {"preference_accuracy": mean(rows[:, 0]), "margin": mean(rows[:, 1]), "loss": mean(rows[:, 2])}
        ),
    )


def rated(samples: Sequence[Rated], rewards: Table, drift: float = 0.0) -> Outcome:
    """Return the outcome of a system that gives rewards, (n,); one above `drift` calls the answer good."""
    good = np.array([sample.good for sample in samples], dtype=bool)
    said = rewards > drift
    names = ("bad", "good")
    verdicts = tuple(
        Verdict(
            sample.id,
            f"{_prompted(sample)} ‖ {short(sample.completion, 200)}",
            names[int(right)],
            names[int(own)],
            float(np.logaddexp(0.0, -(reward - drift) if right else reward - drift)),
            float(right == own),
        )
        for sample, right, own, reward in zip(samples, good, said, rewards, strict=True)
    )
    return Outcome(
        verdicts,
        "accuracy",
        np.column_stack((good, rewards, good == said)),
        _rated_scores,
        tuple((verdict.gold, verdict.said) for verdict in verdicts),
    )


def _rated_scores(table: Table) -> dict[str, float]:
    good = table[:, 0] == 1
    both = good.any() and not good.all()
    return present(
        {
            "auc_roc": area(table[:, 1], good),
            "margin": mean(table[good, 1]) - mean(table[~good, 1]) if both else math.nan,
            "accuracy": mean(table[:, 2]),
        }
    )


def active_name(attached: Attached) -> str:
    """Return the adapter to come back to after a switch to the base."""
    return attached.names()[0]


def _halves(batch: Batch, count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    names = ("ids", "labels", "positions", "reference")
    return {name: batch[name][:count] for name in names}, {name: batch[name][count:] for name in names}


def _untrained(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    return tuple(Turn(turn.role, turn.content, calls=turn.calls) for turn in turns)


def _prompted(sample: Preference | Rated) -> str:
    return short(sample.prompt[-1].content, 200) if sample.prompt else ""
