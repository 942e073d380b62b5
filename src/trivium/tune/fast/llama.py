"""A training pass of a Llama-family model with LoRA for the CPU: the same loss as Transformers', in half the time.

What it saves: no padding is multiplied; q, k, v and gate, up are one product each; no gradient of a frozen weight; no
copy between number formats; attention without repeated keys; logits only where there is a label, and the last layer's
queries and feed-forward only there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trivium.tune.batches import visible
from trivium.tune.fast.functions import Attention, LabelLoss, LoraLinear, Norm, Swiglu

_ACTIVATIONS = ("silu", "swish")


@dataclass(frozen=True)
class _Join:
    """Projections of one input: their frozen weights one below the other, and the LoRA layers that add to each."""

    weight: Tensor
    layers: tuple[Any, ...]
    adapter: str

    def __call__(self, x: Tensor) -> Tensor:
        # A projection without LoRA adds no columns, only rows of zeros.
        downs, ups = [], []
        for layer in self.layers:
            if hasattr(layer, "lora_A"):
                downs.append(layer.lora_A[self.adapter].weight)
                ups.append(layer.lora_B[self.adapter].weight * layer.scaling[self.adapter])
            else:
                ups.append(torch.zeros(layer.weight.shape[0], 0))
        if not downs:
            return x @ self.weight.T
        return LoraLinear.apply(x, self.weight, torch.cat(downs).to(x.dtype), torch.block_diag(*ups).to(x.dtype))


@dataclass(frozen=True)
class _Layer:
    before: Tensor
    qkv: _Join
    out: _Join
    between: Tensor
    gate_up: _Join
    down: _Join


@dataclass(frozen=True)
class _View:
    """What the attention of a batch sees: where its N tokens stand in (B, T), their angles, what is hidden."""

    batch: int
    length: int
    place: Tensor | None
    cos: Tensor
    sin: Tensor
    hidden: Tensor


class FastLlama:
    """The training pass over a PEFT LoRA model of the Llama family.

    Args:
        model: a `PeftModel` over `LlamaForCausalLM` (or a model of the same layers) whose only trainable parameters
            are LoRA's; its frozen weights are used in `dtype` from here on, and freed as float32.
        dtype: bfloat16 where the processor multiplies it, else float32.
    """

    def __init__(self, model: Any, dtype: torch.dtype = torch.bfloat16) -> None:
        why = unsuited(model)
        if why:
            raise ValueError(why)
        causal = model.get_base_model()
        config = causal.config
        self._adapter = model.active_adapter
        self._dtype = dtype
        self._heads, self._groups = config.num_attention_heads, config.num_key_value_heads
        self._width = getattr(config, "head_dim", None) or config.hidden_size // self._heads
        self._epsilon = config.rms_norm_eps
        self._embedding = causal.get_input_embeddings().weight.detach()
        self._head = causal.get_output_embeddings().weight.detach().to(dtype)
        self._rotary = causal.model.rotary_emb
        self._last = causal.model.norm.weight.detach()
        self._layers = [self._layer(layer) for layer in causal.model.layers]

    def _layer(self, layer: Any) -> _Layer:
        attention, forward = layer.self_attn, layer.mlp
        return _Layer(
            before=layer.input_layernorm.weight.detach(),
            qkv=self._join(attention.q_proj, attention.k_proj, attention.v_proj),
            out=self._join(attention.o_proj),
            between=layer.post_attention_layernorm.weight.detach(),
            gate_up=self._join(forward.gate_proj, forward.up_proj),
            down=self._join(forward.down_proj),
        )

    def _join(self, *layers: Any) -> _Join:
        weights = [getattr(layer, "base_layer", layer).weight.detach().to(self._dtype) for layer in layers]
        joined = torch.cat(weights)
        for layer, part in zip(layers, joined.split([len(weight) for weight in weights]), strict=True):
            getattr(layer, "base_layer", layer).weight.data = part  # one copy of the weights, not two
        return _Join(joined, layers, self._adapter)

    def loss(self, ids: Tensor, positions: Tensor, labels: Tensor, branches: Tensor | None = None) -> Tensor:
        """Return the sum of the cross-entropies of all labelled tokens, a float32 scalar.

        Args:
            ids: (B, T) token numbers, padded at the right.
            positions: (B, T) each token's place in its sequence, -1 for padding.
            labels: (B, T), -100 where no token is to be learnt.
            branches: (B, T), where rows are trees: 0 for a beginning that several samples share, and a number for
                each sample's own rest, which sees the beginning and itself. None where each row is one sample.
        """
        batch, length = ids.shape
        real = positions >= 0
        place = None if bool(real.all()) else real.flatten().nonzero()[:, 0]
        targets = torch.full_like(labels, -100)
        targets[:, :-1] = labels[:, 1:]
        targets = targets[real]
        wanted = (targets != -100).nonzero()[:, 0]
        seen = visible(length, branches)
        hidden = torch.zeros(seen.shape, dtype=self._dtype).masked_fill_(~seen, float("-inf"))
        cos, sin = (
            part[..., None, : self._width // 2].to(self._dtype) for part in self._rotary(self._last, positions.clamp(0))
        )
        view = _View(batch, length, place, cos, sin, hidden)

        stream = torch.nn.functional.embedding(ids[real], self._embedding).float()
        for layer in self._layers[:-1]:
            stream = stream + self._attended(layer, stream, view)
            stream = stream + self._fed(layer, stream)
        last = self._layers[-1]
        stream = stream[wanted] + self._attended(last, stream, view, wanted)
        stream = stream + self._fed(last, stream)
        return LabelLoss.apply(Norm.apply(stream, self._last, self._epsilon, self._dtype), self._head, targets[wanted])

    def _attended(self, layer: _Layer, stream: Tensor, view: _View, wanted: Tensor | None = None) -> Tensor:
        joined = layer.qkv(Norm.apply(stream, layer.before, self._epsilon, self._dtype))
        if view.place is not None:
            joined = joined.new_zeros(view.batch * view.length, joined.shape[1]).index_copy(0, view.place, joined)
        heads = joined.view(view.batch, view.length, -1, self._width)
        q, k, v = heads.split([self._heads, self._groups, self._groups], 2)
        mixed = Attention.apply(q, k, v, view.cos, view.sin, view.hidden).reshape(view.batch * view.length, -1)
        if view.place is not None:
            mixed = mixed[view.place]
        return layer.out(mixed if wanted is None else mixed[wanted])

    def _fed(self, layer: _Layer, stream: Tensor) -> Tensor:
        return layer.down(Swiglu.apply(layer.gate_up(Norm.apply(stream, layer.between, self._epsilon, self._dtype))))


def unsuited(model: Any) -> str:
    """Return why the fast pass does not fit this model, or the empty text where it does."""
    if type(model).__name__ not in ("PeftModelForCausalLM", "PeftModel"):
        return "it is no PEFT model"
    causal = model.get_base_model()
    config = causal.config
    if config.model_type not in ("llama",):
        return f"its architecture is {config.model_type}"
    if config.hidden_act not in _ACTIVATIONS or getattr(config, "attention_bias", False) or config.mlp_bias:
        return "it has biases or another activation"
    if any(parameter.device.type != "cpu" for parameter in causal.parameters()):
        return "it is not on the CPU"
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and ".lora_" not in name:
            return f"{name} is trained too"
    for module in causal.modules():
        if hasattr(module, "lora_A"):
            if getattr(dict(module.lora_dropout).get(model.active_adapter), "p", 0):
                return "LoRA has dropout"
            if (
                type(module).__name__ != "Linear"
                or module.use_dora.get(model.active_adapter)
                or len(module.lora_A) != 1
            ):
                return "it is no plain LoRA"
    return ""
