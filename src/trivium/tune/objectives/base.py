"""What a task asks of the loop: samples into items, items into batches, a loss, and scores of the task's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Batch = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is trained on.

    Attributes:
        items: rows of tokens, or encoded samples.
        lengths: tokens of each item.
        samples: how many samples the items hold.
        trained: tokens (or labels) that the loss is taken on, of `tokens` in all.
        tokens: that the model reads.
        dropped: ids of samples that were left out, by the reason.
        preview: one sample as text, with what is trained between ⟦ and ⟧.
        cut: ids of samples of which only the beginning is read.
    """

    items: Sequence[Any]
    lengths: Sequence[int]
    samples: int
    trained: int
    tokens: int
    dropped: Mapping[str, tuple[str, ...]]
    preview: str = ""
    cut: tuple[str, ...] = ()


class Objective(Protocol):
    """A task's side of training. It holds tokenizer and model."""

    @property
    def measure(self) -> str:
        """The name of the score that chooses the best checkpoint."""

    @property
    def larger_is_better(self) -> bool:
        """Whether a larger `measure` is better."""

    def prepare(self, samples: Sequence[Any]) -> Prepared:
        """Encode samples.

        Raises:
            UsageError: nothing is left that can be trained on.
        """

    def collate(self, items: Sequence[Any]) -> list[Batch]:
        """Return a batch of items as micro-batches, each of few enough tokens."""

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """Return the sum of the losses of a micro-batch, and how many terms it has."""

    def terms(self, batch: Batch) -> int:
        """Return how many terms the loss of a micro-batch has."""

    def scores(self, samples: Sequence[Any]) -> Mapping[str, float]:
        """Return the task's own metrics on samples, `measure` among them."""
