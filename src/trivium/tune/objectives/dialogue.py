"""What a causal model says: answers to dialogues, targets of pairs as dialogues, and the loss of each plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from trivium.tasks.training.values import Dialogue, Pair, Text, Turn
from trivium.tune.batches import micro_batches, tensors
from trivium.tune.causal import causal_loss
from trivium.tune.encode import encode_dialogues, encode_texts, prompt_ids
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Prepared
from trivium.tune.objectives.causal import Causal
from trivium.tune.objectives.inputs import evaluating, onto, products, written
from trivium.tune.objectives.outcome import Outcome
from trivium.tune.objectives.seq2seq import told


class Instruct(Causal):
    """The objective of dialogues and texts that also tells what the model says; see `Causal`.

    Args:
        attached: the model with its method.
        tokenizer: the model's.
        longest_written: tokens that may be written.
        generated: answers that are written in an outcome, at most.
        longest: see `Causal`, as those that follow.
    """

    def __init__(
        self,
        attached: Attached,
        tokenizer: Any,
        *,
        longest_written: int = 128,
        generated: int = 64,
        longest: int = 1024,
        tokens: int = 2048,
        packed: bool = False,
        dtype: torch.dtype = torch.float32,
        fast: bool = True,
    ) -> None:
        super().__init__(attached, tokenizer, longest=longest, tokens=tokens, packed=packed, dtype=dtype, fast=fast)
        self._most, self._generated, self._dtype = longest_written, generated, dtype

    def outcome(self, samples: Sequence[Any], *, most: int | None = None) -> Outcome:
        """Return the loss of each sample, and what the model answers at the end of the first dialogues.

        Only dialogues that end with a trained answer and fit are answered.

        Args:
            samples: of a split.
            most: dialogues that are answered; None for as many as the objective was told.
        """
        losses = np.zeros((len(samples), 2))
        for place, sample in enumerate(samples):
            losses[place] = self._lost(sample)
        asked = [_asked(sample) for sample in samples]
        gold = [_gold(sample) for sample in samples]
        order = [place for place, sample in enumerate(samples) if _answerable(sample) and losses[place, 1]]
        order = order[: self._generated if most is None else most]
        prompts = [prompt_ids(samples[place].messages[:-1], self._tokenizer, samples[place].tools) for place in order]
        model = self._attached.model
        with products(model, self._dtype):
            said = written(model, self._tokenizer, prompts, tokens=self._tokens, longest=self._most, left=True)
        # Those that were answered come first: what is written is compared with its own sample.
        rest = [place for place in range(len(samples)) if place not in set(order) and losses[place, 1]]
        places = [*order, *rest]
        outcome = told(
            [samples[place] for place in places],
            [asked[place] for place in places],
            [gold[place] for place in places],
            said,
            losses[places],
        )
        return replace(outcome, places=tuple(places))

    def _lost(self, sample: Any) -> tuple[float, int]:
        """Return the sum and the number of the cross-entropies of a sample; nothing where it does not fit."""
        rows = (
            encode_dialogues([sample], self._tokenizer, longest=self._longest)
            if isinstance(sample, Dialogue)
            else encode_texts([sample], self._tokenizer, longest=self._longest)
        ).rows
        total, terms = 0.0, 0
        model = self._attached.model
        # Not by the fast pass, which takes the adapter for on: what is judged may be the base alone.
        with evaluating(model), products(model, self._dtype):
            for group in micro_batches(rows, self._tokens):
                batch = onto(tensors(group, self._pad), model)
                total, terms = total + float(causal_loss(model, batch)), terms + self.terms(batch)
        return total, terms


class PairsAsDialogues(Instruct):
    """The objective of pairs on a causal model: the source is what the user says, the target the answer."""

    def prepare(self, samples: Sequence[Any]) -> Prepared:
        """See `Objective.prepare`."""
        return super().prepare([as_dialogue(sample) for sample in samples])

    def scores(self, samples: Sequence[Any]) -> Mapping[str, float]:
        """See `Causal.scores`."""
        scores: Mapping[str, float] = super().scores([as_dialogue(sample) for sample in samples])
        return scores

    def outcome(self, samples: Sequence[Any], *, most: int | None = None) -> Outcome:
        """See `Instruct.outcome`."""
        return super().outcome([as_dialogue(sample) for sample in samples], most=most)


def as_dialogue(sample: Pair | Dialogue) -> Dialogue:
    """Return a pair as a dialogue of one question and one answer."""
    if isinstance(sample, Dialogue):
        return sample
    turns = (Turn("user", sample.source), Turn("assistant", sample.target, trained=True))
    return Dialogue(turns, id=sample.id, group=sample.group)


def _answerable(sample: Any) -> bool:
    return isinstance(sample, Dialogue) and sample.messages[-1].role == "assistant" and sample.messages[-1].trained


def _asked(sample: Dialogue | Text) -> str:
    if isinstance(sample, Text):
        return sample.text
    return next((turn.content for turn in reversed(sample.messages[:-1]) if turn.role == "user"), "")


def _gold(sample: Dialogue | Text) -> str:
    return "" if isinstance(sample, Text) else sample.messages[-1].content
