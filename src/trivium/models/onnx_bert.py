"""Build the ONNX graph of a BERT-family encoder straight from its safetensors, in float32 or dynamic int8.

Devlin et al. 2018 (arXiv:1810.04805), Liu et al. 2019 (RoBERTa, arXiv:1907.11692), Sanh et al. 2019
(DistilBERT, arXiv:1910.01108); pooling as in Reimers and Gurevych 2019 (arXiv:1908.10084).

The graph takes `input_ids` of shape (batch, length), int64, **without padding**: all texts of a batch have
the same length, so that neither attention nor pooling needs a mask. A classification head also takes
`token_type_ids`. The output is `vectors` (batch, hidden), of norm 1, or `logits` (batch, labels).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trivium.errors import ModelError
from trivium.models.encoder_config import EncoderConfig, read_config
from trivium.models.weights import Floats, Weights

Head = Literal["embedding", "classification"]
Precision = Literal["int8", "fp32"]

BUILDER = 1
"""Raise it when the graph changes: graphs in the cache are of one builder."""

_MICROSOFT = "com.microsoft"
_OPSETS = {"": 18, _MICROSOFT: 1}
_IR_VERSION = 9


def build(folder: Path, *, head: Head = "embedding", precision: Precision = "int8", weight_bits: int = 8) -> Any:
    """Return the `onnx.ModelProto` of a model folder.

    Args:
        head: pooled unit vectors, or the scores of a sequence classifier (a cross-encoder).
        precision: `int8` stores the matrices as int8 per output channel and quantises activations as it runs.
        weight_bits: 7 for processors whose int8 multiply saturates at 16 bits (x86 without VNNI).

    Raises:
        ModelNotFound: a file is missing.
        ModelError: the architecture is not supported, or the weights do not fit it.
    """
    config = read_config(folder)
    graph = _Graph(precision, weight_bits)
    _Encoder(graph, Weights(folder), config).write(head)
    inputs = ["input_ids", "token_type_ids"] if head == "classification" and config.token_types > 1 else ["input_ids"]
    return graph.model(inputs, "vectors" if head == "embedding" else "logits")


class _Graph:
    """Collects nodes and constants. An operator's method returns the name of its output."""

    def __init__(self, precision: Precision, weight_bits: int) -> None:
        self.precision = precision
        self._limit = 2 ** (weight_bits - 1) - 1
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}

    def op(self, kind: str, inputs: Sequence[str], *, domain: str = "", output: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        from onnx import helper

        name = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, domain=domain, **attributes))
        return name

    def split(self, value: str, parts: int) -> list[str]:
        """Cut the last axis into equal parts."""
        from onnx import helper

        names = [f"Split_{len(self._nodes)}_{part}" for part in range(parts)]
        self._nodes.append(helper.make_node("Split", [value], names, name=names[0], axis=-1, num_outputs=parts))
        return names

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant."""
        name = f"constant_{len(self._constants)}"
        self._constants[name] = np.ascontiguousarray(value)
        return name

    def numbers(self, *values: int) -> str:
        """Add a constant vector of integers."""
        return self.constant(np.array(values, np.int64))

    def linear(self, value: str, weight: Floats, bias: Floats) -> str:
        """Multiply (..., inputs) by `weight` (inputs, outputs) and add `bias`.

        In int8 the activation gets one scale for the whole tensor, found as it runs, and the weight a
        scale for each output channel.
        """
        if self.precision == "fp32":
            return self.op("Add", [self.op("MatMul", [value, self.constant(weight)]), self.constant(bias)])
        rounded, scale = quantise(weight, self._limit)
        zero = self.constant(np.zeros(len(scale), np.int8))
        inputs = [value, self.constant(rounded), self.constant(scale), zero, self.constant(bias)]
        return self.op("DynamicQuantizeMatMul", inputs, domain=_MICROSOFT)

    def lookup(self, table: Floats, indices: str) -> str:
        """Return rows of a table; in int8 the table is stored with a scale for each row."""
        if self.precision == "fp32":
            return self.op("Gather", [self.constant(table), indices])
        rounded, scale = quantise(table.T, 127)
        rows = self.op("Cast", [self.op("Gather", [self.constant(rounded.T), indices])], to=_float_type())
        return self.op("Mul", [rows, self.op("Gather", [self.constant(scale[:, None]), indices])])

    def layer_norm(self, value: str, gain: Floats, bias: Floats, epsilon: float) -> str:
        """Normalise the last axis."""
        return self.op(
            "LayerNormalization", [value, self.constant(gain), self.constant(bias)], axis=-1, epsilon=epsilon
        )

    def model(self, inputs: Sequence[str], output: str) -> Any:
        """Return the model proto."""
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


def _float_type() -> int:
    from onnx import TensorProto

    return int(TensorProto.FLOAT)


def quantise(weight: Floats, limit: int) -> tuple[NDArray[np.int8], Floats]:
    """Return the weight (inputs, outputs) as int8 in [-limit, limit], and the scale (outputs,) of each column."""
    scale = np.abs(weight).max(axis=0) / limit
    scale[scale == 0] = 1.0
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)


class _Encoder:
    """Writes one encoder into a graph. The comments give the shapes: B texts, S tokens, H hidden."""

    def __init__(self, graph: _Graph, weights: Weights, config: EncoderConfig) -> None:
        self.g, self.weights, self.config = graph, weights, config
        marker = "embeddings.word_embeddings.weight"
        found = [name for name in weights.names if name.endswith(marker)]
        if not found:
            raise ModelError(
                f"The weights in {weights.folder} are not those of an encoder: none is named {marker!r}.",
                "Give the folder of a whole model; an adapter must be merged into its base model first.",
            )
        self.prefix = min(found, key=len).removesuffix(marker)

    def write(self, head: Head) -> None:
        """Write the whole graph."""
        hidden = self._embeddings(segments=head == "classification")  # (B, S, H)
        for layer in range(self.config.layers):
            hidden = self._layer(hidden, layer)
        if head == "classification":
            self._classify(hidden)
        else:
            self.g.op("LpNormalization", [self._pool(hidden)], output="vectors", axis=-1, p=2)

    def _read(self, name: str) -> Floats:
        # Models converted from TensorFlow call the gain and bias of a layer norm gamma and beta.
        for old, new in (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")):
            if name.endswith(old) and self.prefix + name not in self.weights.names:
                name = name.removesuffix(old) + new
        return self.weights.read(self.prefix + name)

    def _matrix(self, name: str) -> tuple[Floats, Floats]:
        """Return a linear layer's weight (inputs, outputs) and bias; torch stores (outputs, inputs)."""
        return self._read(f"{name}.weight").T, self._read(f"{name}.bias")

    def _norm(self, value: str, name: str) -> str:
        gain, bias = self._read(f"{name}.weight"), self._read(f"{name}.bias")
        return self.g.layer_norm(value, gain, bias, self.config.epsilon)

    def _embeddings(self, *, segments: bool) -> str:
        g, config = self.g, self.config
        words = g.lookup(self._read("embeddings.word_embeddings.weight"), "input_ids")
        positions = self._read("embeddings.position_embeddings.weight")[config.position_offset :]
        if config.token_types:
            types = self._read("embeddings.token_type_embeddings.weight")
            if segments and config.token_types > 1:
                words = g.op("Add", [words, g.op("Gather", [g.constant(types), "token_type_ids"])])
            else:
                positions = positions + types[0]
        length = g.op("Shape", ["input_ids"], start=1, end=2)
        places = g.op("Slice", [g.constant(positions), g.numbers(0), length])  # (S, H)
        return self._norm(g.op("Add", [words, places]), "embeddings.LayerNorm")

    def _layer(self, hidden: str, number: int) -> str:
        g, names = self.g, _LAYER_NAMES["distilbert" if self.config.family == "distilbert" else "bert"]
        at = {part: name.format(number) for part, name in names.items()}
        attended = g.linear(self._attention(hidden, at), *self._matrix(at["output"]))
        hidden = self._norm(g.op("Add", [attended, hidden]), at["attention_norm"])
        wide = self._activation(g.linear(hidden, *self._matrix(at["up"])))  # (B, S, 4H)
        down = g.linear(wide, *self._matrix(at["down"]))
        return self._norm(g.op("Add", [down, hidden]), at["norm"])

    def _attention(self, hidden: str, at: dict[str, str]) -> str:
        # One product for the three: the activation is then quantised once.
        parts = [self._matrix(at[part]) for part in ("query", "key", "value")]
        weight = np.concatenate([weight for weight, _ in parts], axis=1)
        bias = np.concatenate([bias for _, bias in parts])
        query, key, value = self.g.split(self.g.linear(hidden, weight, bias), 3)
        # Without a mask the operator works in blocks that stay in the cache (flash attention).
        inputs = [query, key, value]
        return self.g.op("MultiHeadAttention", inputs, domain=_MICROSOFT, num_heads=self.config.heads)

    def _activation(self, value: str) -> str:
        if self.config.activation == "relu":
            return self.g.op("Relu", [value])
        kind = "Gelu" if self.config.activation == "gelu" else "FastGelu"
        return self.g.op(kind, [value], domain=_MICROSOFT)

    def _first(self, hidden: str) -> str:
        """Return the first token's state, (B, H)."""
        g = self.g
        return g.op("Squeeze", [g.op("Slice", [hidden, *map(g.numbers, (0, 1, 1))]), g.numbers(1)])

    def _pool(self, hidden: str) -> str:
        if self.config.pooling == "cls":
            return self._first(hidden)
        kind = "ReduceMean" if self.config.pooling == "mean" else "ReduceMax"
        return self.g.op(kind, [hidden, self.g.numbers(1)], keepdims=0)

    def _classify(self, hidden: str) -> None:
        """Write the head of BertFor, RobertaFor or DistilBertForSequenceClassification."""
        g, names, first = self.g, self.weights.names, self._first(hidden)
        if "classifier.dense.weight" in names:  # RoBERTa
            steps = [("classifier.dense", "Tanh"), ("classifier.out_proj", "")]
        elif "pre_classifier.weight" in names:  # DistilBERT
            steps = [("pre_classifier", "Relu"), ("classifier", "")]
        elif "classifier.weight" in names and self.prefix + "pooler.dense.weight" in names:
            steps = [(self.prefix + "pooler.dense", "Tanh"), ("classifier", "")]
        else:
            raise ModelError(
                f"The model in {self.weights.folder} has no classification head, so it cannot rerank.",
                "Give a cross-encoder (a sequence classifier with one label).",
            )
        for number, (name, activation) in enumerate(steps):
            weight, bias = self.weights.read(f"{name}.weight").T, self.weights.read(f"{name}.bias")
            product = g.op("MatMul", [first, g.constant(weight)])
            last = "logits" if number == len(steps) - 1 else ""
            first = g.op("Add", [product, g.constant(bias)], output=last)
            if activation:
                first = g.op(activation, [first])


_LAYER_NAMES = {
    "bert": {
        "query": "encoder.layer.{}.attention.self.query",
        "key": "encoder.layer.{}.attention.self.key",
        "value": "encoder.layer.{}.attention.self.value",
        "output": "encoder.layer.{}.attention.output.dense",
        "attention_norm": "encoder.layer.{}.attention.output.LayerNorm",
        "up": "encoder.layer.{}.intermediate.dense",
        "down": "encoder.layer.{}.output.dense",
        "norm": "encoder.layer.{}.output.LayerNorm",
    },
    "distilbert": {
        "query": "transformer.layer.{}.attention.q_lin",
        "key": "transformer.layer.{}.attention.k_lin",
        "value": "transformer.layer.{}.attention.v_lin",
        "output": "transformer.layer.{}.attention.out_lin",
        "attention_norm": "transformer.layer.{}.sa_layer_norm",
        "up": "transformer.layer.{}.ffn.lin1",
        "down": "transformer.layer.{}.ffn.lin2",
        "norm": "transformer.layer.{}.output_layer_norm",
    },
}
