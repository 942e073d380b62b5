"""A small writer of ONNX graphs for encoders, in float32 or dynamic int8.

In int8 every matrix has a scale for each output channel, and every activation one scale, found as the graph
runs. A few channels of an encoder are ten times larger than the rest and would take the resolution of all
others, so the writer carries a small sample through the layers as it writes them, and uses what it sees:
each activation channel shares its range with its row of the matrix (SmoothQuant, Xiao et al. 2022,
arXiv:2211.10438), and the loudest units of the feed-forward layer get a product of their own (as Dettmers
et al. 2022, arXiv:2208.07339, keep outliers apart).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trivium.models.weights import Floats

Precision = Literal["int8", "fp32"]

_MICROSOFT = "com.microsoft"
_OPSETS = {"": 18, _MICROSOFT: 1}
_IR_VERSION = 9
_SAMPLE_TEXTS, _SAMPLE_TOKENS = 8, 64
_LOUD_UNITS = 16


class Value(NamedTuple):
    """A tensor of the graph: its name, and what it is for the sample (texts, tokens, channels).

    In float32 there is no need of a sample, and it has 0 texts.
    """

    name: str
    sample: Floats


class Linear(NamedTuple):
    """A linear layer: weight (inputs, outputs) and bias (outputs,)."""

    weight: Floats
    bias: Floats


class Graph:
    """Collects nodes and constants. The methods of layers return a `Value`.

    Args:
        weight_bits: 7 for processors whose int8 multiply saturates at 16 bits, else 8.
    """

    def __init__(self, precision: Precision, weight_bits: int = 8) -> None:
        self.precision = precision
        self._limit = 2 ** (weight_bits - 1) - 1
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}

    def op(self, kind: str, inputs: Sequence[str], *, domain: str = "", output: str = "", **attributes: Any) -> str:
        """Add a node with one output; return the output's name."""
        return self.ops(kind, inputs, [output or f"{kind}_{len(self._nodes)}"], domain=domain, **attributes)[0]

    def ops(
        self, kind: str, inputs: Sequence[str], outputs: list[str], *, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs; return their names."""
        from onnx import helper

        node = helper.make_node(kind, list(inputs), outputs, name=outputs[0], domain=domain, **attributes)
        self._nodes.append(node)
        return outputs

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant."""
        name = f"constant_{len(self._constants)}"
        self._constants[name] = np.ascontiguousarray(value)
        return name

    def numbers(self, *values: int) -> str:
        """Add a constant vector of integers."""
        return self.constant(np.array(values, np.int64))

    def model(self, inputs: Sequence[str], output: str) -> Any:
        """Return the `onnx.ModelProto`; the inputs are int64 of shape (batch, length)."""
        from onnx import TensorProto, helper, numpy_helper

        graph = helper.make_graph(
            self._nodes,
            "encoder",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in inputs],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "width"])],
            initializer=[numpy_helper.from_array(value, name) for name, value in self._constants.items()],
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="trivium")

    # --- layers, each with its twin in numpy for the sample ---------------------------------------------

    def embedding(self, words: Floats, positions: Floats, types: Floats | None) -> Value:
        """Sum the embeddings of `input_ids`, of their places, and of `token_type_ids` where `types` is given.

        The sample is of words drawn at random: which channels are loud hardly depends on the text.
        """
        name = self._rows(words, "input_ids")
        if types is not None:
            name = self.op("Add", [name, self.op("Gather", [self.constant(types), "token_type_ids"])])
        length = self.op("Shape", ["input_ids"], start=1, end=2)
        places = self.op("Slice", [self.constant(positions), self.numbers(0), length])  # (length, channels)
        texts = _SAMPLE_TEXTS if self.precision == "int8" else 0
        size = (texts, min(_SAMPLE_TOKENS, len(positions)))
        ids = np.random.default_rng(0).integers(0, len(words), size)
        sample = words[ids] + positions[: size[1]] + (0 if types is None else types[0])
        return Value(self.op("Add", [name, places]), sample)

    def _rows(self, table: Floats, indices: str) -> str:
        """Look up rows of a table; in int8 each row is stored with a scale of its own."""
        if self.precision == "fp32":
            return self.op("Gather", [self.constant(table), indices])
        from onnx import TensorProto

        rounded, scale = quantise(table.T, 127)
        rows = self.op("Gather", [self.constant(rounded.T), indices])
        scales = self.op("Gather", [self.constant(scale[:, None]), indices])
        return self.op("Mul", [self.op("Cast", [rows], to=int(TensorProto.FLOAT)), scales])

    def add_norm(self, value: Value, residual: Value | None, gain: Floats, bias: Floats, epsilon: float) -> Value:
        """Add the residual and normalise the channels."""
        name, sample = value
        if residual is not None:
            # Never SkipLayerNormalization, which does the same ten times slower on processors.
            name, sample = self.op("Add", [name, residual.name]), sample + residual.sample
        scaled = [self.constant(gain), self.constant(bias)]
        name = self.op("LayerNormalization", [name, *scaled], axis=-1, epsilon=epsilon)
        centred = sample - sample.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
        return Value(name, centred / deviation * gain + bias)

    def linear(self, value: Value, layer: Linear) -> Value:
        """Multiply by a matrix and add its bias."""
        if self.precision == "fp32":
            product = self.op("MatMul", [value.name, self.constant(layer.weight)])
            name = self.op("Add", [product, self.constant(layer.bias)])
        else:
            name = self._int8_product(self._quantised(value.name), layer)
        return Value(name, value.sample @ layer.weight + layer.bias)

    def attention(self, value: Value, query_key_value: Linear, heads: int) -> Value:
        """Multi-head self-attention (Vaswani et al. 2017), without the output layer.

        The three products are one (channels, 3 * channels), so that the activation is quantised once.
        No mask: all texts of a batch have the same length.
        """
        sample = _attention(value.sample, query_key_value, heads)
        if self.precision == "fp32":
            parts = [f"{part}_{len(self._nodes)}" for part in ("query", "key", "value")]
            whole = self.linear(value, query_key_value).name
            inputs = self.ops("Split", [whole], parts, axis=-1, num_outputs=3)
            return Value(self.op("MultiHeadAttention", inputs, domain=_MICROSOFT, num_heads=heads), sample)
        value, layer = self._smooth(value, query_key_value)
        rounded, scale = quantise(layer.weight, self._limit)
        quantised, step, zero = self._quantised(value.name)
        inputs = [quantised, self.constant(rounded), self.constant(layer.bias), step, self.constant(scale)]
        inputs += ["", zero, self.constant(np.zeros(len(scale), np.int8))]
        return Value(self.op("QAttention", inputs, domain=_MICROSOFT, num_heads=heads), sample)

    def feed_forward(self, value: Value, up: Linear, down: Linear, activation: str) -> Value:
        """Two linear layers with an activation between."""
        if self.precision == "fp32":
            return self.linear(self.activation(self.linear(value, up), activation), down)
        sample = _ACTIVATIONS[activation](value.sample @ up.weight + up.bias)  # (texts, tokens, units)
        loudest = np.argsort(-_peaks(sample))
        loud = max(1, min(_LOUD_UNITS, len(loudest) // 8))
        smooth, layer = self._smooth(value, up)
        quantised = self._quantised(smooth.name)
        names = []
        for units, bias in (
            (np.sort(loudest[loud:]), down.bias),
            (np.sort(loudest[:loud]), np.zeros_like(down.bias)),
        ):
            part = Linear(layer.weight[:, units], layer.bias[units])
            wide = self.activation(Value(self._int8_product(quantised, part), value.sample[:0]), activation)
            narrow = Linear(down.weight[units], bias)
            names.append(self._int8_product(self._quantised(wide.name), narrow))
        return Value(self.op("Add", names), sample @ down.weight + down.bias)

    def activation(self, value: Value, kind: str) -> Value:
        """Apply `gelu` (exact), `gelu_tanh` or `relu`."""
        if kind == "relu":
            name = self.op("Relu", [value.name])
        else:
            name = self.op("Gelu" if kind == "gelu" else "FastGelu", [value.name], domain=_MICROSOFT)
        return Value(name, _ACTIVATIONS[kind](value.sample))

    # --- int8 -------------------------------------------------------------------------------------------

    def _quantised(self, name: str) -> list[str]:
        """Return the names of the activation as uint8, its scale, and its zero point."""
        outputs = [f"{part}_{len(self._nodes)}" for part in ("uint8", "scale", "zero")]
        return self.ops("DynamicQuantizeLinear", [name], outputs)

    def _int8_product(self, quantised: list[str], layer: Linear) -> str:
        rounded, scale = quantise(layer.weight, self._limit)
        value, step, zero = quantised
        inputs = [value, self.constant(rounded), step, self.constant(scale), zero, "", self.constant(layer.bias)]
        return self.op("MatMulIntegerToFloat", inputs, domain=_MICROSOFT)

    def _smooth(self, value: Value, layer: Linear) -> tuple[Value, Linear]:
        """Move range from the activation's loud channels to their rows of the weight: the product is the same."""
        factor = np.sqrt(np.maximum(_peaks(value.sample), 1e-5) / np.maximum(np.abs(layer.weight).max(axis=1), 1e-5))
        factor = np.maximum(factor / np.median(factor), 1e-3).astype(np.float32)
        name = self.op("Mul", [value.name, self.constant(1 / factor)])
        return Value(name, value.sample / factor), Linear(layer.weight * factor[:, None], layer.bias)


def quantise(weight: Floats, limit: int) -> tuple[NDArray[np.int8], Floats]:
    """Return the weight (inputs, outputs) as int8 in [-limit, limit], and the scale (outputs,) of each column."""
    scale = np.abs(weight).max(axis=0) / limit
    scale[scale == 0] = 1.0
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)


def _peaks(sample: Floats) -> Floats:
    """Return the largest magnitude of each channel in a text, averaged over the texts."""
    peaks: Floats = np.abs(sample).max(axis=1).mean(axis=0)
    return peaks


def _attention(hidden: Floats, layer: Linear, heads: int) -> Floats:
    texts, tokens, channels = hidden.shape
    whole = (hidden @ layer.weight + layer.bias).reshape(texts, tokens, 3, heads, channels // heads)
    query, key, value = whole.transpose(2, 0, 3, 1, 4)  # each (texts, heads, tokens, channels / heads)
    scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(channels // heads)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    context: Floats = (weights @ value).transpose(0, 2, 1, 3).reshape(texts, tokens, channels)
    return context


def _gelu(value: Floats) -> Floats:
    # The tanh form: near enough for the sample, and numpy has no error function.
    inner = 0.7978845608 * value * (1 + 0.044715 * value * value)
    result: Floats = (0.5 * value * (1 + np.tanh(inner))).astype(np.float32, copy=False)
    return result


def _relu(value: Floats) -> Floats:
    positive: Floats = np.maximum(value, np.float32(0))
    return positive


_ACTIVATIONS = {"gelu": _gelu, "gelu_tanh": _gelu, "relu": _relu}
