"""What a fine-tuning method is, and what attaching one to a model gives. No torch is loaded by this file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from trivium.errors import UsageError

Settings = Mapping[str, Any]

LLAMA, GPT2, BERT, T5 = "llama", "gpt2", "bert", "t5"
FAMILIES: tuple[str, ...] = (LLAMA, GPT2, BERT, T5)

TASKS: Mapping[str, str] = {
    "causal": "next-token prediction: language modelling, instruction and preference tuning",
    "seq2seq": "a text from a text, by an encoder and a decoder",
    "classify": "one label or value for a text or a pair: classification, regression, reranking",
    "tag": "one label a token",
    "span": "the start and end of an answer in a passage",
    "masked": "masked language modelling",
    "embed": "a vector for a text",
}


@dataclass(frozen=True, slots=True)
class Method:
    """A fine-tuning method, as a row of the registry.

    `carrier` is "peft", or "own" for a file of this room with the method's name. `exact` says that at step 0 the
    model's output is still the base's; where it is False, `start` says what it is instead. `switchable` says that
    several adapters can stand on one base and be switched. `packs` says that several samples may be packed into one
    sequence. `rate` is the highest learning rate of AdamW that a short run takes where none is given.
    """

    name: str
    title: str
    paper: str
    carrier: str = "own"
    families: tuple[str, ...] = FAMILIES
    tasks: tuple[str, ...] = tuple(TASKS)
    mergeable: bool = False
    switchable: bool = True
    exact: bool = True
    start: str = ""
    packs: bool = True
    rate: float = 5e-4
    defaults: Settings = field(default_factory=dict)


class Attached(Protocol):
    """A method attached to a model. Not thread-safe: one model, one active adapter at a time."""

    model: Any
    """Called like the base: the same arguments, and outputs aligned with the tokens given; `.generate` where the base
    has it."""

    @property
    def method(self) -> Method:
        """The active adapter's method."""

    @property
    def settings(self) -> Settings:
        """Its settings."""

    @property
    def task(self) -> str:
        """A key of `TASKS`."""

    def trained(self) -> dict[str, Any]:
        """The parameters that training may change, by their names in `model.named_parameters()`."""

    def formula(self) -> int:
        """How many parameters the paper's formula says are trained, with the task's head."""

    def on_step(self, step: int, total: int) -> None:
        """Tell that optimiser step `step` (from 1) of `total` was taken, before the gradients are set to zero.

        AdaLoRA moves its budget here; the other methods do nothing.
        """

    def penalty(self) -> Any:
        """A scalar to add to a loss that was not computed by `model(labels=...)`: AdaLoRA's and AdapterFusion's
        regularisers; 0.0 elsewhere.
        """

    def save(self, folder: Path) -> None:
        """Write the active adapter: small safetensors and `adapter.json`, and PEFT's form where PEFT carries it."""

    def add(self, folder: Path, name: str) -> None:
        """Load a second saved adapter onto the same base, under `name`, without making it active."""

    def switch(self, name: str | None) -> None:
        """Make the adapter `name` the active one; None gives the base model back until the next switch.

        Raises:
            UnknownName: there is no adapter of this name.
            UsageError: the method changes the base's own weights and cannot be switched.
        """

    def names(self) -> tuple[str, ...]:
        """The adapters that stand on this base; the first is called "default"."""

    def merge(self) -> Any:
        """Make the active adapter part of the weights and return the plain base model.

        Raises:
            NotMergeable: the method adds what no weight can hold.
        """


def check_name(name: str, taken: Iterable[str]) -> None:
    """See that an adapter can have this name.

    Raises:
        UsageError: it has other signs than letters, digits and underscores, or is taken.
    """
    if not re.fullmatch(r"\w+", name):
        raise UsageError(f"{name!r} cannot name an adapter.", "Use letters, digits and underscores.")
    if name in taken:
        raise UsageError(f"There is an adapter named {name!r} already.", "Give this one another name.")


def none_active() -> UsageError:
    """The error of an act that needs an adapter while the base stands alone."""
    return UsageError("No adapter is active.", 'Switch to one first, for example switch("default").')
