"""Where a Transformer's parts are, family by family: its blocks, their attentions, feed-forwards and linear layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from trivium.errors import UsageError
from trivium.tune.methods.base import BERT, GPT2, LLAMA, T5

HEADS = ("classifier", "score", "qa_outputs", "classification_head")
"""The modules of a task's head: new where the base was made for something else, so always trained and saved."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of one block, as paths below it; "layer.-1" is the last of a list.

    `attentions` compute keys and values. `attention_outs` and `feed_out` give what is about to be added to the
    residual stream, after dropout. The feed-forward's input enters at `feed_in`.
    """

    types: tuple[str, ...]
    blocks: str
    attentions: tuple[str, ...]
    attention_outs: tuple[str, ...]
    feed_in: str
    feed_out: str
    attention_linears: tuple[str, ...]
    feed_linears: tuple[str, ...]
    query_value: tuple[str, ...]
    key_value: tuple[str, ...]
    feed_down: str


LAYOUTS: Mapping[str, Layout] = {
    LLAMA: Layout(
        types=("llama", "mistral", "qwen2", "smollm3", "granite"),
        blocks=r"(?:.*\.)?layers\.\d+",
        attentions=("self_attn",),
        attention_outs=("self_attn.o_proj",),
        feed_in="mlp",
        feed_out="mlp",
        attention_linears=("q_proj", "k_proj", "v_proj", "o_proj"),
        feed_linears=("gate_proj", "up_proj", "down_proj"),
        query_value=("q_proj", "v_proj"),
        key_value=("k_proj", "v_proj"),
        feed_down="down_proj",
    ),
    GPT2: Layout(
        types=("gpt2",),
        blocks=r"(?:.*\.)?h\.\d+",
        attentions=("attn",),
        attention_outs=("attn.resid_dropout",),
        feed_in="mlp",
        feed_out="mlp",
        attention_linears=("attn.c_attn", "attn.c_proj"),
        feed_linears=("mlp.c_fc", "mlp.c_proj"),
        query_value=("attn.c_attn",),
        key_value=("attn.c_attn",),
        feed_down="mlp.c_proj",
    ),
    BERT: Layout(
        types=("bert", "roberta", "xlm-roberta", "camembert", "electra"),
        blocks=r"(?:.*\.)?encoder\.layer\.\d+",
        attentions=("attention.self",),
        attention_outs=("attention.output.dropout",),
        feed_in="intermediate",
        feed_out="output.dropout",
        attention_linears=("query", "key", "value", "attention.output.dense"),
        feed_linears=("intermediate.dense", "output.dense"),
        query_value=("query", "value"),
        key_value=("key", "value"),
        feed_down="output.dense",
    ),
    T5: Layout(
        types=("t5", "mt5"),
        blocks=r"(?:.*\.)?block\.\d+",
        attentions=("layer.0.SelfAttention", "layer.1.EncDecAttention"),
        attention_outs=("layer.0.dropout", "layer.1.dropout"),
        feed_in="layer.-1.DenseReluDense",
        feed_out="layer.-1.dropout",
        attention_linears=("q", "k", "v", "o"),
        feed_linears=("wi", "wi_0", "wi_1", "wo"),
        query_value=("q", "v"),
        key_value=("k", "v"),
        feed_down="wo",
    ),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A module of the model and its full name."""

    name: str
    module: Any


@dataclass(frozen=True, slots=True)
class Block:
    """One Transformer block, its parts found."""

    name: str
    attentions: tuple[Place, ...]
    attention_outs: tuple[Place, ...]
    feed_in: Place
    feed_out: Place


@dataclass(frozen=True, slots=True)
class Base:
    """A model, taken apart: `width` is that of its hidden states."""

    model: Any
    family: str
    layout: Layout
    width: int
    blocks: tuple[Block, ...]

    def linears(self, suffixes: tuple[str, ...]) -> tuple[Place, ...]:
        """The linear layers inside the blocks whose names end with one of `suffixes`, in the model's order.

        "output.dense" means that of the feed-forward alone, as "attention.output.dense" names the other.
        """
        inside = tuple(block.name + "." for block in self.blocks)
        return tuple(
            Place(name, module)
            for name, module in self.model.named_modules()
            if isinstance(module, (nn.Linear, Conv1D))
            and name.startswith(inside)
            and any(_ends(name, suffix) for suffix in suffixes)
        )

    def heads(self) -> tuple[Place, ...]:
        """The modules of the task's head, if the model has one."""
        return tuple(Place(name, module) for name, module in self.model.named_children() if name in HEADS)

    def head_size(self) -> int:
        """How many parameters the task's head has."""
        return sum(parameter.numel() for head in self.heads() for parameter in head.module.parameters())


def family_of(model: Any) -> str:
    """The family of a Transformers model.

    Raises:
        UsageError: it is of none that is known here.
    """
    kind = str(getattr(model.config, "model_type", ""))
    for name, layout in LAYOUTS.items():
        if kind in layout.types:
            return name
    known = ", ".join(kind for layout in LAYOUTS.values() for kind in layout.types)
    raise UsageError(f"The tuning methods do not know the model type {kind!r}.", f"Take a model of: {known}.")


def take_apart(model: Any) -> Base:
    """Find the parts of `model` that the methods attach to.

    Raises:
        UsageError: its family is not known.
    """
    family = family_of(model)
    layout = LAYOUTS[family]
    blocks = tuple(
        _block(Place(name, module), layout)
        for name, module in model.named_modules()
        if re.fullmatch(layout.blocks, name)
    )
    return Base(model, family, layout, int(model.config.hidden_size), blocks)


def shape(linear: Any) -> tuple[int, int]:
    """Inputs and outputs of a linear layer, also of GPT-2's, whose weight lies the other way round."""
    if isinstance(linear, Conv1D):
        inputs, outputs = linear.weight.shape
        return int(inputs), int(outputs)
    return int(linear.in_features), int(linear.out_features)


def keys_of(attention: Any) -> tuple[int, int]:
    """How many heads an attention's keys have, and how wide each is."""
    config = attention.config
    for heads, width in (
        (getattr(attention, "n_heads", None), getattr(attention, "key_value_proj_dim", None)),  # T5
        (getattr(attention, "num_attention_heads", None), getattr(attention, "attention_head_size", None)),  # BERT
        (getattr(attention, "num_heads", None), getattr(attention, "head_dim", None)),  # GPT-2
        (getattr(config, "num_key_value_heads", None), getattr(attention, "head_dim", None)),  # Llama
    ):
        if heads and width:
            return int(heads), int(width)
    raise UsageError(f"The shape of {type(attention).__name__}'s keys is not known.", "Take lora or houlsby.")


def _block(block: Place, layout: Layout) -> Block:
    def all_of(paths: tuple[str, ...]) -> tuple[Place, ...]:
        return tuple(place for path in paths if (place := _find(block, path)) is not None)

    (feed_in,), (feed_out,) = all_of((layout.feed_in,)), all_of((layout.feed_out,))
    attentions = all_of(layout.attentions)
    # An encoder block of T5 has one attention, and its second layer is the feed-forward.
    outs = all_of(layout.attention_outs)[: len(attentions)]
    return Block(block.name, attentions, outs, feed_in, feed_out)


def _find(block: Place, path: str) -> Place | None:
    name, module = block.name, block.module
    for part in path.split("."):
        if part == "-1":
            part = str(len(module) - 1)
        module = getattr(module, part, None)
        if module is None:
            return None
        name = f"{name}.{part}"
    return Place(name, module)


def _ends(name: str, suffix: str) -> bool:
    if not name.endswith("." + suffix):
        return False
    return suffix != "output.dense" or not name.endswith(".attention.output.dense")
