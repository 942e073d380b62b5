"""Prefix tuning (Li and Liang 2021, arXiv:2101.00190): trained keys and values before those of every attention.

They are put in inside the attention itself, not through a cache of past keys: so they work under gradient
checkpointing, where caches are dropped, in encoders, with packed samples, and in generation, where the cache holds
the tokens' keys alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers.integrations.sdpa_attention import repeat_kv
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from trivium.errors import UsageError
from trivium.tune.methods.architecture import Base, Place, keys_of
from trivium.tune.methods.base import GPT2, LLAMA, Settings
from trivium.tune.methods.own import Adapter, nest

KERNEL = "trivium_prefix"
_SLOT = "trivium_prefix"  # the attribute of an attention module that holds its prefix

KeysValues = tuple[torch.Tensor, torch.Tensor]


class Prefix(nn.Module):  # type: ignore[misc]
    """P_θ: m keys and values for each attention, (heads, m, width) each.

    With `hidden`, they come from m smaller vectors by a two-layer network (section 4.3); its second layer is kept in
    one piece an attention. Without, they are free parameters (P-tuning v2).

    Args:
        length: m.
        width: of the m vectors.
        attentions: the attentions and the shape of their keys.
        hidden: the network's middle, 0 for none.
    """

    def __init__(self, length: int, width: int, attentions: tuple[Place, ...], hidden: int) -> None:
        super().__init__()
        if length < 1:
            raise UsageError(f"A prefix of {length} tokens is none.", "Take at least 1.")
        self.length = length
        self.shapes = {place.name: keys_of(place.module) for place in attentions}
        self.hidden = hidden
        if hidden:
            self.tokens = nn.Parameter(torch.randn(length, width))
            self.first = nn.Linear(width, hidden)
        self.second = nn.Module()
        for name, (heads, each) in self.shapes.items():
            size = 2 * heads * each
            nest(self.second, name, nn.Linear(hidden, size) if hidden else _Free(length, size))

    def flat(self, name: str) -> torch.Tensor:
        """The keys, then the values, of one attention: (m, 2 · heads · width)."""
        second: Any = self.second.get_submodule(name)
        made: torch.Tensor = second(torch.tanh(self.first(self.tokens))) if self.hidden else second.vectors
        return made

    def of(self, name: str) -> KeysValues:
        """Keys and values of one attention, (heads, m, width) each."""
        heads, width = self.shapes[name]
        keys, values = self.flat(name).view(self.length, 2, heads, width).permute(1, 2, 0, 3)
        return keys, values


class _Free(nn.Module):  # type: ignore[misc]
    """Vectors that are trained as they are, (m, size)."""

    def __init__(self, length: int, size: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(0.02 * torch.randn(length, size))


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Put a prefix before every attention: in T5 the encoder's, the decoder's, and the one between them.

    The size: m d + (d + 1) h for the network's first layer, and (h + 1) times the width of all keys and values.
    """
    length, hidden = int(settings["length"]), int(settings["hidden"])
    attentions = tuple(place for block in base.blocks for place in block.attentions)
    prefix = adapter.part("prefix", Prefix(length, base.width, attentions, hidden))
    put(adapter, base, prefix, attentions)
    return size(base, length, hidden)


def size(base: Base, length: int, hidden: int) -> int:
    """The number of parameters of a prefix."""
    every = sum(
        2 * heads * width
        for block in base.blocks
        for heads, width in (keys_of(place.module) for place in block.attentions)
    )
    if not hidden:
        return length * every
    return length * base.width + (base.width + 1) * hidden + (hidden + 1) * every


def put(
    adapter: Adapter,
    base: Base,
    prefix: Prefix,
    attentions: tuple[Place, ...],
    gates: dict[str, Callable[[], torch.Tensor]] | None = None,
) -> None:
    """Join a prefix to the attentions, and in causal models move the tokens' positions on by its length.

    Args:
        adapter: what the prefix belongs to.
        base: the model.
        prefix: its keys and values.
        attentions: where.
        gates: by the attention, what gives each query's weight for the prefix, (batch, queries, 1); UniPELT's.
    """
    ALL_ATTENTION_FUNCTIONS.register(KERNEL, attention_with_prefix)
    ALL_MASK_ATTENTION_FUNCTIONS.register(KERNEL, eager_mask)
    configs = list({id(place.module.config): place.module.config for place in attentions}.values())
    before: list[str | None] = []

    def enter() -> None:
        before[:] = [config._attn_implementation for config in configs]
        for config in configs:
            config._attn_implementation = KERNEL
        for place in attentions:
            name = place.name
            place.module.__dict__[_SLOT] = (lambda name=name: prefix.of(name), (gates or {}).get(name))

    def leave() -> None:
        for config, kind in zip(configs, before, strict=True):
            config._attn_implementation = kind
        for place in attentions:
            place.module.__dict__.pop(_SLOT, None)

    adapter.turns.append((enter, leave))
    if base.family in (LLAMA, GPT2):
        shift_positions(adapter, base.model.base_model, prefix.length)


def attention_with_prefix(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    position_bias: torch.Tensor | None = None,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention with the module's prefix before its keys and values, open to every query.

    Shapes: query (batch, heads, T, width); key and value (batch, key heads, S, width); the mask (batch, 1, T, S),
    added to the scores; T5's position bias (1, heads, T, S), which has none for the prefix. Returns (batch, T,
    heads, width).
    """
    slot = module.__dict__.get(_SLOT)
    mask = _mask(module, query, key, attention_mask, position_bias)
    if slot is None:
        return _plain(module, query, key, value, mask, dropout, scaling), None
    get, gate = slot
    batch = query.shape[0]
    keys, values = (x.to(key.dtype).expand(batch, -1, -1, -1) for x in get())
    if gate is not None:
        return _gated(module, query, (keys, values), (key, value), mask, scaling, gate()), None
    if mask is not None:
        mask = pad(mask, (keys.shape[2], 0))
    joined = (torch.cat((keys, key), 2), torch.cat((values, value), 2))
    return _plain(module, query, *joined, mask, dropout, scaling), None


def _mask(
    module: Any, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, bias: torch.Tensor | None
) -> torch.Tensor | None:
    """One mask to add to the scores, or None where every query sees every key."""
    queries, keys = query.shape[2], key.shape[2]
    if mask is None and getattr(module, "is_causal", False) and queries > 1:
        mask = torch.ones(queries, keys, dtype=torch.bool, device=query.device).tril(keys - queries)[None, None]
    if mask is not None and mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=query.dtype, device=mask.device).masked_fill(
            ~mask, torch.finfo(query.dtype).min
        )
    if bias is not None:
        mask = bias if mask is None else bias + mask
    return None if mask is None else mask.to(query.dtype)


def _plain(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    groups = getattr(module, "num_key_value_groups", 1)
    mixed = scaled_dot_product_attention(
        query, repeat_kv(key, groups), repeat_kv(value, groups), attn_mask=mask, dropout_p=dropout, scale=scaling
    )
    return mixed.transpose(1, 2).contiguous()


def _gated(
    module: Any,
    query: torch.Tensor,
    prefix: KeysValues,
    tokens: KeysValues,
    mask: torch.Tensor | None,
    scaling: float | None,
    gate: torch.Tensor,
) -> torch.Tensor:
    """The same with the prefix's keys and values multiplied by each query's gate."""
    groups = getattr(module, "num_key_value_groups", 1)
    (keys, values), (key, value) = (tuple(repeat_kv(x, groups) for x in pair) for pair in (prefix, tokens))
    gate = gate.unsqueeze(1).to(query.dtype)  # batch, 1, T, 1
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    before = gate * (query @ keys.transpose(2, 3)) * scale
    scores = query @ key.transpose(2, 3) * scale
    if mask is not None:
        scores = scores + mask
    weights = torch.cat((before, scores), -1).softmax(-1, dtype=torch.float32).to(query.dtype)
    length = keys.shape[2]
    mixed = gate * (weights[..., :length] @ values) + weights[..., length:] @ value
    return mixed.transpose(1, 2).contiguous()


def shift_positions(adapter: Adapter, backbone: Any, length: int) -> None:
    """Count the tokens' positions from `length`: the prefix has those before."""
    names = list(inspect.signature(backbone.forward).parameters)

    def shift(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        positions = given.get("position_ids")
        if positions is None:
            ids = given.get("input_ids")
            tokens: Any = given["inputs_embeds"] if ids is None else ids
            past = given.get("past_key_values")
            seen = int(past.get_seq_length()) if past is not None else 0
            positions = torch.arange(seen, seen + tokens.shape[1], device=tokens.device)[None]
        given["position_ids"] = positions + length
        return (), given

    adapter.around(backbone, shift, None)


def export(adapter: Adapter, base: Base, task: str, folder: Path) -> None:
    """Write PEFT's form too, where PEFT computes the same: in causal models, whose positions move on."""
    if base.family not in (LLAMA, GPT2):
        return
    from trivium.tune.methods.with_peft import write_virtual

    prefix: Any = adapter.parts.get_submodule("prefix")
    with torch.no_grad():
        flat = torch.cat([prefix.flat(name) for name in prefix.shapes], dim=1)
    heads, width = next(iter(prefix.shapes.values()))
    write_virtual(folder, task, base, flat, "prefix", heads, heads * width)
