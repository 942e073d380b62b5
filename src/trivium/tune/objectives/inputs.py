"""What the objectives share: room for tokens, padding, a model in evaluation, and texts that it writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import transformers

from trivium.tune.batches import micro_batches
from trivium.tune.methods.base import Attached
from trivium.tune.rows import IGNORED

_OFFSET = ("roberta", "xlm-roberta", "camembert")  # their positions start behind the padding token's id
_UNBOUNDED = 1_000_000  # tokenizers that know no limit say a larger one


@dataclass(frozen=True, slots=True)
class Tokens:
    """A sequence of an encoder: `kinds` are its token types, or empty; `place` is its sample's in the split."""

    ids: tuple[int, ...]
    kinds: tuple[int, ...] = ()
    place: int = 0

    def __len__(self) -> int:
        return len(self.ids)


def room(attached: Attached, tokenizer: Any, longest: int) -> int:
    """Return how many tokens a sample may have: `longest`, or as many as the model has positions."""
    config = attached.model.config
    limits = [longest]
    if tokenizer.model_max_length < _UNBOUNDED:
        limits.append(int(tokenizer.model_max_length))
    positions = getattr(config, "max_position_embeddings", None)
    if positions:
        offset = (config.pad_token_id or 0) + 1 if config.model_type in _OFFSET else 0
        virtual = 0 if attached.method.packs else int(attached.settings.get("length", 0))
        limits.append(int(positions) - offset - virtual)
    return max(2, min(limits))


def padded(rows: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
    """Return rows as a tensor of shape (B, T), padded at the right."""
    length = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (length - len(row))] for row in rows])


def encoder_inputs(items: Sequence[Tokens], pad: int) -> dict[str, Any]:
    """Return `ids`, `mask` and, where there are any, `kinds`, each of shape (B, T)."""
    batch = {
        "ids": padded([item.ids for item in items], pad),
        "mask": padded([[1] * len(item) for item in items], 0),
    }
    if items[0].kinds:
        batch["kinds"] = padded([item.kinds for item in items], 0)
    return batch


def run_encoder(model: Any, batch: Mapping[str, Any]) -> Any:
    """Return the output of a model on `encoder_inputs`."""
    kinds = {"token_type_ids": batch["kinds"]} if "kinds" in batch else {}
    return model(input_ids=batch["ids"], attention_mask=batch["mask"], **kinds)


def pad_of(tokenizer: Any) -> int:
    """Return the id that fills a batch."""
    return int(tokenizer.pad_token_id) if tokenizer.pad_token_id is not None else 0


def specials(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the tokens that a tokenizer puts before and behind a text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return tuple(whole[:start]), tuple(whole[start + len(bare) :])
    return (), ()


def onto(batch: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """Return a batch on the model's device."""
    device = next(model.parameters()).device
    return {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()}


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Have the model without dropout and gradients, and as it was afterwards."""
    before = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(before)


def products(model: Any, dtype: torch.dtype) -> Any:
    """Return a context in which products are in `dtype`: bfloat16 by automatic mixed precision, float32 as they are."""
    kind = next(model.parameters()).device.type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16)


def written(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], *, tokens: int, longest: int, left: bool
) -> list[str]:
    """Return what the model writes after each prompt, greedily, in the order of the prompts.

    Args:
        model: with `generate`.
        tokenizer: the model's.
        prompts: ids.
        tokens: of a batch, with padding and what is written.
        longest: tokens that may be written.
        left: pad at the left, as a causal model must; an encoder-decoder's input is padded at the right.
    """
    pad, end = pad_of(tokenizer), tokenizer.eos_token_id
    how = transformers.GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=longest,
        pad_token_id=pad,
        eos_token_id=end,
        decoder_start_token_id=getattr(model.config, "decoder_start_token_id", None),
    )
    places = [_Prompt(tuple(prompt), place) for place, prompt in enumerate(prompts)]
    texts = [""] * len(prompts)
    with evaluating(model):
        for group in micro_batches(places, max(1, tokens - longest)):
            ids, mask = padded([one.ids for one in group], pad), padded([[1] * len(one) for one in group], 0)
            if left:
                width = ids.shape[1]
                ids = torch.stack([row.roll(width - len(one)) for row, one in zip(ids, group, strict=True)])
                mask = torch.stack([row.roll(width - len(one)) for row, one in zip(mask, group, strict=True)])
            given = onto({"input_ids": ids, "attention_mask": mask}, model)
            made = model.generate(**given, generation_config=how)
            for row, one in zip(made, group, strict=True):
                new = row[ids.shape[1] :] if left else row
                texts[one.place] = tokenizer.decode(new, skip_special_tokens=True).strip()
    return texts


@dataclass(frozen=True, slots=True)
class _Prompt:
    ids: tuple[int, ...]
    place: int

    def __len__(self) -> int:
        return len(self.ids)


def token_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of each target, shape (B, T), 0 where there is none."""
    flat = torch.nn.functional.cross_entropy(
        logits.float().reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=IGNORED, reduction="none"
    )
    return flat.reshape(targets.shape)


def said_again(ids: Sequence[int], learnt: Sequence[bool], tokenizer: Any) -> str:
    """Return tokens as text, with what is learnt between ⟦ and ⟧."""
    parts: list[str] = []
    start = 0
    for end in range(1, len(ids) + 1):
        if end == len(ids) or learnt[end] != learnt[start]:
            text = tokenizer.decode(list(ids[start:end]))
            parts.append(f"⟦{text}⟧" if learnt[start] else text)
            start = end
    return " ".join(parts)
