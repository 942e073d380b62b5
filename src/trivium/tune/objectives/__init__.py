"""The tasks that a model is tuned for, one file each: `objective_for` makes the one that a set of samples asks for.

Nothing here loads torch until an objective is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trivium.errors import UnknownName, UsageError
from trivium.tasks.training.values import Labelled, Pair, Tagged
from trivium.tune.objectives.base import Objective

if TYPE_CHECKING:
    from trivium.tune.bases import Base
    from trivium.tune.methods.base import Attached


@dataclass(frozen=True, slots=True)
class Options:
    """What an objective may be told. Each reads its own.

    Attributes:
        longest: tokens that a sample may have.
        tokens: of a micro-batch, with padding.
        packed: pack short rows (causal).
        dtype: a torch dtype for the products, bfloat16 or float32; None for float32.
        fast: use the hand-written pass where it fits the model (causal).
        balanced: weigh the classes so that all count alike (classification, tagging).
        stride: tokens that two windows on one passage share (spans).
        longest_answer: tokens that a span may have.
        beta: how closely a preferred model is held to the model it was.
        generated: samples of a validation whose text is written and scored; 0 for the loss alone.
        longest_written: tokens that may be written.
        masked: the share of tokens that masked language modelling hides.
        seed: of what is drawn: the masks.
    """

    longest: int = 512
    tokens: int = 2048
    packed: bool = False
    dtype: Any = None
    fast: bool = True
    balanced: bool = False
    stride: int = 128
    longest_answer: int = 30
    beta: float = 0.1
    generated: int = 64
    longest_written: int = 128
    masked: float = 0.15
    seed: int = 0


Factory = Callable[["Base", "Attached", Sequence[Any], Options], Objective]


def _dtype(options: Options) -> Any:
    import torch

    return options.dtype or torch.float32


def _causal(base: Base, attached: Attached, samples: Sequence[Any], options: Options) -> Objective:
    from trivium.tune.objectives.dialogue import Instruct, PairsAsDialogues

    maker = PairsAsDialogues if any(isinstance(sample, Pair) for sample in samples[:1]) else Instruct
    return maker(
        attached,
        base.tokenizer,
        longest=options.longest,
        tokens=options.tokens,
        packed=options.packed,
        dtype=_dtype(options),
        fast=options.fast,
        generated=options.generated,
        longest_written=options.longest_written,
    )


def _seq2seq(base: Base, attached: Attached, samples: Sequence[Any], options: Options) -> Objective:
    from trivium.tune.objectives.seq2seq import Seq2Seq

    return Seq2Seq(
        attached,
        base.tokenizer,
        longest=options.longest,
        tokens=options.tokens,
        generated=options.generated,
        longest_written=options.longest_written,
    )


def _masked(base: Base, attached: Attached, samples: Sequence[Any], options: Options) -> Objective:
    from trivium.tune.objectives.masked import Masked

    return Masked(
        attached,
        base.tokenizer,
        longest=options.longest,
        tokens=options.tokens,
        share=options.masked,
        seed=options.seed,
    )


def _labelled(base: Base, attached: Attached, samples: Sequence[Any], options: Options) -> Objective:
    from trivium.tune.objectives.classify import Classify, Regress

    sizes = {"longest": options.longest, "tokens": options.tokens}
    if samples and all(sample.label is None for sample in samples):
        return Regress(attached, base.tokenizer, samples, **sizes)
    return Classify(attached, base.tokenizer, samples, **sizes, balanced=options.balanced)


def _tagged(base: Base, attached: Attached, samples: Sequence[Any], options: Options) -> Objective:
    from trivium.tune.objectives.tag import Tag

    return Tag(
        attached,
        base.tokenizer,
        samples,
        longest=options.longest,
        tokens=options.tokens,
        balanced=options.balanced,
    )


def _span(base: Base, attached: Attached, samples: Sequence[Any], options: Options) -> Objective:
    from trivium.tune.objectives.span import Span

    return Span(
        attached,
        base.tokenizer,
        samples,
        longest=options.longest,
        tokens=options.tokens,
        stride=options.stride,
        longest_answer=options.longest_answer,
    )


def _preference(base: Base, attached: Attached, samples: Sequence[Any], options: Options) -> Objective:
    from trivium.tune.objectives.preference import DPO

    return DPO(
        attached,
        base.tokenizer,
        longest=options.longest,
        tokens=options.tokens,
        beta=options.beta,
        dtype=_dtype(options),
    )


def _rated(base: Base, attached: Attached, samples: Sequence[Any], options: Options) -> Objective:
    from trivium.tune.objectives.preference import KTO

    return KTO(
        attached,
        base.tokenizer,
        samples,
        balanced=options.balanced,
        longest=options.longest,
        tokens=options.tokens,
        beta=options.beta,
        dtype=_dtype(options),
    )


OBJECTIVES: Mapping[str, Mapping[str, Factory]] = {
    "dialogue": {"causal": _causal},
    "text": {"causal": _causal, "masked": _masked},
    "pair": {"seq2seq": _seq2seq, "causal": _causal},
    "preference": {"causal": _preference},
    "rated": {"causal": _rated},
    "labelled": {"classify": _labelled},
    "tagged": {"tag": _tagged},
    "span": {"span": _span},
}
"""For each kind of sample, the heads of a base (`methods.base.TASKS`) that learn it, the usual one first."""


def task_for(kind: str, asked: str | None = None) -> str:
    """Return the head that a base needs for samples of `kind`: the usual one, or the one asked for where it fits.

    Raises:
        UnknownName: no objective takes such samples.
        UsageError: the one asked for does not.
    """
    if kind not in OBJECTIVES:
        raise UnknownName("kind of training sample", kind, OBJECTIVES)
    heads = OBJECTIVES[kind]
    if asked is not None and asked not in heads:
        raise UsageError(
            f"Samples of the kind {kind!r} cannot train a base for {asked!r}.", f"Take {' or '.join(heads)}."
        )
    return asked or next(iter(heads))


def labels_of(samples: Sequence[Any]) -> tuple[str, ...]:
    """Return the labels of a training split, sorted, for `open_base`; none where its samples have none.

    Tags come with the `I-` of every `B-`, so that an entity longer than any in training can be tagged.
    """
    found: set[str] = set()
    for sample in samples:
        if isinstance(sample, Labelled) and sample.label is not None:
            found.add(sample.label)
        elif isinstance(sample, Tagged):
            found.update(sample.tags)
            found.update(f"I-{tag[2:]}" for tag in sample.tags if tag.startswith("B-"))
    return tuple(sorted(found, key=lambda label: (label != "O", label)))


def objective_for(
    kind: str, base: Base, attached: Attached, samples: Sequence[Any], settings: Options | None = None
) -> Objective:
    """Return the objective for samples of `kind` on a base.

    Args:
        kind: a key of `OBJECTIVES`.
        base: opened with the head that `task_for` named, and the labels that `labels_of` found.
        attached: the method on `base.model`.
        samples: of the training split: what the objective may know before it trains, as how frequent each class is.
        settings: see `Options`.

    Raises:
        UnknownName, UsageError: as `task_for`.
    """
    head = task_for(kind, base.task)
    return OBJECTIVES[kind][head](base, attached, samples, settings or Options())
