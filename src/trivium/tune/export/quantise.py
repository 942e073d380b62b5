"""Fewer bits for a Transformers model: int8 linear layers, or NF4; measured against float32 in size, speed, agreement.

int8 is dynamic: weights of 8 bits, one scale for each output, activations quantised as they come (Jacob et al. 2017,
arXiv:1712.05877). NF4 is 4 bits with doubly quantised scales (Dettmers et al. 2023, arXiv:2305.14314): it saves
memory, not time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trivium.errors import ModelError, UnknownName, UsageError
from trivium.extras import need
from trivium.models.disk import staged
from trivium.models.gguf_convert import quiet_transformers
from trivium.tune.export.merge import outputs
from trivium.tune.export.source import PROBES, find_source, free_place
from trivium.tune.methods import nf4
from trivium.tune.methods.architecture import HEADS, take_apart

_LARGE = 1e6  # bytes of a megabyte
_RUNS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """A model in some number of bits.

    Attributes:
        name: `float32` or a key of `KINDS`.
        megabytes: of weights in memory.
        tokens_per_second: read, the fastest of three runs over the texts.
        agreement: the share of places (tokens, or texts of a classifier) with the float32 model's likeliest choice.
        divergence: KL of its distribution from the float32 model's, nats a place; for a bare encoder, one minus the
            cosine of the states.
    """

    name: str
    megabytes: float
    tokens_per_second: float
    agreement: float
    divergence: float


def int8(model: Any) -> Any:
    """Replace the linear layers by dynamic int8 ones, in place, and return the model. Heads and embeddings stay.

    Raises:
        UsageError: there is none, or this processor has no int8 products in torch.
    """
    quantised = need("torch.ao.nn.quantized.dynamic", extra="tune")
    if torch.backends.quantized.engine == "none":
        raise UsageError("torch has no int8 products on this processor.", "Take nf4.")
    found = [(name, module) for name, module in model.named_modules() if type(module) is nn.Linear and _inner(name)]
    if not found:
        raise UsageError("This model has no linear layers to quantise.", "Take a Llama, BERT or T5 model.")
    for name, module in found:
        weight = module.weight.detach().float()
        scale = weight.abs().amax(1).clamp_min(1e-12).double() / 127
        zero = torch.zeros_like(scale, dtype=torch.int64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that torch will move these layers elsewhere
            held = torch.quantize_per_channel(weight, scale, zero, 0, torch.qint8)
        layer = quantised.Linear(module.in_features, module.out_features, bias_=module.bias is not None)
        layer.set_weight_bias(held, None if module.bias is None else module.bias.detach().float())
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent) if parent else model, child, layer)
    return model.eval()


def four_bits(model: Any) -> Any:
    """Replace the linear layers of the blocks by NF4 ones, in place, and return the model; see `methods.nf4`."""
    nf4.quantise(take_apart(model))
    return model.eval()


KINDS: Mapping[str, Callable[[Any], Any]] = {"int8": int8, "nf4": four_bits}
"""Each way by its name."""


def compare(
    load: Callable[[], Any], tokenizer: Any, *, texts: Sequence[str] = PROBES, kinds: Sequence[str] = ()
) -> list[Row]:
    """Return the table: float32, then each kind.

    Args:
        load: makes the float32 model anew; each kind changes its own.
        tokenizer: the model's.
        texts: on which they are compared.
        kinds: of `KINDS`; all where there are none.

    Raises:
        UnknownName: there is no such kind.
        UsageError, MissingExtra: see `int8` and `methods.nf4.quantise`.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownName("way to quantise", kind, KINDS)
    model = load().eval()
    plain = outputs(model, tokenizer, texts)
    rows = [Row("float32", megabytes(model), speed(model, tokenizer, texts), 1.0, 0.0)]
    del model
    for kind in kinds or tuple(KINDS):
        model = KINDS[kind](load())
        same, apart = _compared(plain, outputs(model, tokenizer, texts), _has_logits(model))
        rows.append(Row(kind, megabytes(model), speed(model, tokenizer, texts), same, apart))
        del model
    return rows


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| weights | MB | tokens/s | agreement | divergence |", "|---|---:|---:|---:|---:|"]
    for row in rows:
        lines.append(
            f"| {row.name} | {row.megabytes:.1f} | {row.tokens_per_second:,.0f} | {row.agreement:.1%} | "
            f"{row.divergence:.2g} |"
        )
    return "\n".join(lines)


def save_nf4(folder: Path, out: Path) -> Path:
    """Write a causal model's folder with NF4 weights, which Transformers and bitsandbytes load as they are.

    Raises:
        UsageError: something is at `out`.
        MissingExtra: bitsandbytes is not installed.
        ModelError: the folder cannot be loaded.
    """
    transformers = need("transformers", extra="tune")
    need("bitsandbytes", extra="tune")
    free_place(out)
    how = transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    try:
        with quiet_transformers():
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, quantization_config=how, dtype="float32", local_files_only=True
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder} cannot be loaded in 4 bits: {error}.", "Check that the folder is whole.") from error
    with staged(out) as staging, quiet_transformers():
        model.save_pretrained(staging)
        tokenizer.save_pretrained(staging)
    return out


def megabytes(model: Any) -> float:
    """Return the size of a model's weights, those of tied ones once."""
    total, seen = 0, set()
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            total += tensor.numel() * tensor.element_size()
            state = getattr(tensor, "quant_state", None)
            total += sum(part.numel() * part.element_size() for part in _parts(state))
    for module in model.modules():
        packed = getattr(module, "_packed_params", None)
        if isinstance(packed, nn.Module):  # torch's int8 layers
            weight, bias = packed._weight_bias()
            total += weight.numel() + 12 * len(weight) + (0 if bias is None else bias.numel() * 4)
    return total / _LARGE


def speed(model: Any, tokenizer: Any, texts: Sequence[str]) -> float:
    """Return the tokens a second that a model reads, each text by itself, the fastest of three runs."""
    tokens = sum(min(len(tokenizer(text)["input_ids"]), 256) for text in texts)
    best = float("inf")
    for _ in range(_RUNS):
        start = time.perf_counter()
        outputs(model, tokenizer, texts)
        best = min(best, time.perf_counter() - start)
    return tokens / best


def _compared(plain: Sequence[torch.Tensor], other: Sequence[torch.Tensor], logits: bool) -> tuple[float, float]:
    """Return the share of places with one likeliest choice, and how far the distributions are apart."""
    same, apart = [], []
    for a, b in zip(plain, other, strict=True):
        if not logits:
            cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1)
            same.append((cosine > 0.9).float().flatten())
            apart.append((1 - cosine).flatten())
            continue
        same.append((a.argmax(-1) == b.argmax(-1)).float().flatten())
        p, q = torch.log_softmax(a, -1), torch.log_softmax(b, -1)
        apart.append((p.exp() * (p - q)).sum(-1).flatten())
    return float(torch.cat(same).mean()), float(torch.cat(apart).mean())


def _has_logits(model: Any) -> bool:
    return any(hasattr(model, name) for name in ("lm_head", *HEADS))


def _inner(name: str) -> bool:
    """Whether a layer is neither the output layer nor a task's head."""
    return not set(name.split(".")) & {"lm_head", *HEADS}


def _parts(state: Any) -> list[torch.Tensor]:
    """Return the scales of a 4-bit weight."""
    if state is None:
        return []
    inner = getattr(state, "state2", None)
    own = [state.absmax]
    return own + ([inner.absmax, inner.code] if inner is not None else [])


def compare_folder(folder: Path, *, texts: Sequence[str] = (), kinds: Sequence[str] = ()) -> list[Row]:
    """Return the table of a Transformers folder; see `compare`.

    Raises:
        ModelNotFound, ModelError: there is no such model, or it cannot be loaded.
        UnknownName, UsageError, MissingExtra: see `compare`.
    """
    transformers = need("transformers", extra="tune")
    source = find_source(folder)
    if source.whole is None:
        raise UsageError(f"{folder} is an adapter.", "Write the whole model first: trivium export RUN --to merged.")
    names = {"causal": "AutoModelForCausalLM", "classify": "AutoModelForSequenceClassification", "embed": "AutoModel"}
    if source.task not in names:
        raise UsageError(f"A model for {source.task} is not compared here.", f"Give one for {', '.join(names)}.")
    kind, whole = getattr(transformers, names[source.task]), source.whole

    def load() -> Any:
        with quiet_transformers():
            return kind.from_pretrained(whole, dtype="float32", local_files_only=True)

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(whole, local_files_only=True)
        return compare(load, tokenizer, texts=texts or PROBES, kinds=kinds)
    except (OSError, ValueError) as error:
        raise ModelError(f"{whole} cannot be loaded: {error}.", "Check that the folder is whole.") from error
