"""Prompt tuning (Lester et al. 2021, arXiv:2104.08691): m trained vectors before the embedded tokens, nothing else.

They are added where the model embeds its tokens and taken off its hidden states again, so outputs stay aligned with
the tokens given, and token labels, spans, pooled classifiers and generation need nothing of their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trivium.errors import UsageError
from trivium.tune.methods.architecture import Base
from trivium.tune.methods.base import BERT, GPT2, LLAMA, T5, Settings
from trivium.tune.methods.own import Adapter


class Prompt(nn.Module):  # type: ignore[misc]
    """P_e of m rows, (m, d), started from embeddings of the vocabulary."""

    def __init__(self, table: torch.Tensor, ids: Sequence[int], length: int) -> None:
        super().__init__()
        chosen = torch.tensor(ids)[torch.arange(length) % len(ids)] if ids else torch.randint(len(table), (length,))
        self.vectors = nn.Parameter(table.detach()[chosen.to(table.device)].float().clone())

    def forward(self) -> torch.Tensor:
        """(m, d)."""
        return self.vectors  # type: ignore[no-any-return]


def install(adapter: Adapter, base: Base, settings: Settings) -> int:
    """Put m vectors before the tokens; in T5 before the encoder's. The size: m d.

    `ids` are the tokens whose embeddings they start from, repeated to the length; by default random ones.
    """
    length = check_length(settings)
    table = base.model.get_input_embeddings().weight
    prompt = adapter.part("prompt", Prompt(table, settings["ids"], length))
    put_before(adapter, base, prompt, length)
    return length * int(table.shape[1])


def check_length(settings: Settings) -> int:
    """The number of virtual tokens.

    Raises:
        UsageError: it is none.
    """
    length = int(settings["length"])
    if length < 1:
        raise UsageError(f"A prompt of {length} virtual tokens is none.", "Take at least 1.")
    return length


def put_before(adapter: Adapter, base: Base, vectors: Callable[[], torch.Tensor], length: int) -> None:
    """Join virtual tokens to the model: before its tokens, and off its hidden states.

    Args:
        adapter: what they belong to.
        base: the model.
        vectors: gives them, (m, d).
        length: m.
    """
    decoder = base.model.get_decoder() if base.family == T5 and hasattr(base.model, "decoder") else None
    backbone = base.model.get_encoder() if base.family == T5 else base.model.base_model
    table = base.model.get_input_embeddings()
    names = list(inspect.signature(backbone.forward).parameters)
    prepended = [False]

    def prepend(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        past = given.get("past_key_values")
        prepended[0] = past is None or int(past.get_seq_length()) == 0
        if prepended[0]:
            _embed(given, table, vectors())
        _make_room(given, length, prepended[0])
        return (), given

    def take_off(output: Any) -> Any:
        if prepended[0]:
            output[0 if isinstance(output, tuple) else "last_hidden_state"] = output[0][:, length:]
        return output

    adapter.around(backbone, prepend, None)
    if decoder is not None:
        adapter.around(decoder, lambda args, kwargs: (args, _see(kwargs, length)), None)
    else:
        # BERT pools its first token inside the backbone, after the encoder.
        adapter.around(backbone.encoder if base.family == BERT else backbone, None, take_off)


def _embed(given: dict[str, Any], table: Any, vectors: torch.Tensor) -> None:
    ids = given.pop("input_ids", None)
    embedded = table(ids) if ids is not None else given["inputs_embeds"]
    batch = embedded.shape[0]
    given["inputs_embeds"] = torch.cat((vectors.to(embedded.dtype).expand(batch, -1, -1), embedded), 1)


def _make_room(given: dict[str, Any], length: int, prepended: bool) -> None:
    """Let the mask, positions and token types know of the virtual tokens."""
    mask, positions, kinds = (given.get(name) for name in ("attention_mask", "position_ids", "token_type_ids"))
    if mask is not None:
        if mask.ndim != 2:
            raise UsageError(
                "Virtual tokens cannot be put before samples that are packed into one sequence.",
                "Train without packing, or take lora or prefix.",
            )
        given["attention_mask"] = torch.cat((mask.new_ones(mask.shape[0], length), mask), 1)
    if positions is not None:
        own = torch.arange(length, device=positions.device).expand(positions.shape[0], -1)
        given["position_ids"] = torch.cat((own, positions + length), 1) if prepended else positions + length
    if kinds is not None and prepended:
        given["token_type_ids"] = torch.cat((kinds.new_zeros(kinds.shape[0], length), kinds), 1)


def _see(given: dict[str, Any], length: int) -> dict[str, Any]:
    """T5's decoder sees the encoder's states of the virtual tokens."""
    states, mask = given.get("encoder_hidden_states"), given.get("encoder_attention_mask")
    if states is not None and mask is not None and mask.shape[1] == states.shape[1] - length:
        given["encoder_attention_mask"] = torch.cat((mask.new_ones(mask.shape[0], length), mask), 1)
    return given


def export(adapter: Adapter, base: Base, task: str, folder: Path) -> None:
    """Write PEFT's form too, where PEFT computes the same: in causal models."""
    if base.family not in (LLAMA, GPT2):
        return
    from trivium.tune.methods.with_peft import write_virtual

    with torch.no_grad():
        vectors = adapter.parts.get_submodule("prompt")()
    write_virtual(folder, task, base, vectors, "prompt", base.model.config.num_attention_heads, vectors.shape[1])
