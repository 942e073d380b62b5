"""Build the ONNX graph of a BERT-family encoder straight from its safetensors, in float32 or dynamic int8.

Devlin et al. 2018 (arXiv:1810.04805), Liu et al. 2019 (RoBERTa, arXiv:1907.11692), Sanh et al. 2019
(DistilBERT, arXiv:1910.01108); pooling as in Reimers and Gurevych 2019 (arXiv:1908.10084).

The graph takes `input_ids` of shape (batch, length), int64, **without padding**: all texts of a batch have
the same length, so that neither attention nor pooling needs a mask. A classification head also takes
`token_type_ids`. The output is `vectors` (batch, hidden), of norm 1, or `logits` (batch, labels); for the tokens of one
text, `vectors` (length, hidden).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from trivium.errors import ModelError
from trivium.models.encoder_config import EncoderConfig, read_config
from trivium.models.onnx_graph import Graph, Linear, Precision, Value
from trivium.models.weights import Floats, Weights

Head = Literal["embedding", "classification", "tokens"]

BUILDER = 2
"""Raise it when the graph changes: graphs in the cache are of one builder."""


def build(folder: Path, *, head: Head = "embedding", precision: Precision = "int8", weight_bits: int = 8) -> Any:
    """Return the `onnx.ModelProto` of a model folder.

    Args:
        head: pooled unit vectors, the scores of a sequence classifier (a cross-encoder), or a unit vector for each
            token of one text.
        precision: `int8` stores the matrices as int8 per output channel and quantises activations as it runs.
        weight_bits: 7 for processors whose int8 multiply saturates at 16 bits (x86 without VNNI).

    Raises:
        ModelNotFound: a file is missing.
        ModelError: the architecture is not supported, or the weights do not fit it.
    """
    config = read_config(folder)
    graph = Graph(precision, weight_bits)
    _Encoder(graph, Weights(folder), config).write(head)
    inputs = ["input_ids", "token_type_ids"] if head == "classification" and config.token_types > 1 else ["input_ids"]
    return graph.model(inputs, "logits" if head == "classification" else "vectors")


class _Encoder:
    """Writes one encoder into a graph. The comments give the shapes: B texts, S tokens, H hidden."""

    def __init__(self, graph: Graph, weights: Weights, config: EncoderConfig) -> None:
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
            self._classify(hidden.name)
        elif head == "tokens":
            states = self.g.op("Squeeze", [hidden.name, self.g.numbers(0)])  # (S, H)
            self.g.op("LpNormalization", [states], output="vectors", axis=-1, p=2)
        else:
            self.g.op("LpNormalization", [self._pool(hidden.name)], output="vectors", axis=-1, p=2)

    def _read(self, name: str) -> Floats:
        # Models converted from TensorFlow call the gain and bias of a layer norm gamma and beta.
        for old, new in (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")):
            if name.endswith(old) and self.prefix + name not in self.weights.names:
                name = name.removesuffix(old) + new
        return self.weights.read(self.prefix + name)

    def _linear(self, name: str) -> Linear:
        """Return a linear layer; torch stores its weight as (outputs, inputs)."""
        return Linear(self._read(f"{name}.weight").T, self._read(f"{name}.bias"))

    def _norm(self, value: Value, residual: Value | None, name: str) -> Value:
        gain, bias = self._read(f"{name}.weight"), self._read(f"{name}.bias")
        return self.g.add_norm(value, residual, gain, bias, self.config.epsilon)

    def _embeddings(self, *, segments: bool) -> Value:
        config, types = self.config, None
        words = self._read("embeddings.word_embeddings.weight")
        positions = self._read("embeddings.position_embeddings.weight")[config.position_offset :]
        if config.token_types:
            types = self._read("embeddings.token_type_embeddings.weight")
            if not (segments and config.token_types > 1):  # all tokens are of type 0
                positions, types = positions + types[0], None
        return self._norm(self.g.embedding(words, positions, types), None, "embeddings.LayerNorm")

    def _layer(self, hidden: Value, number: int) -> Value:
        names = _LAYER_NAMES["distilbert" if self.config.family == "distilbert" else "bert"]
        at = {part: name.format(number) for part, name in names.items()}
        parts = [self._linear(at[part]) for part in ("query", "key", "value")]
        together = Linear(
            np.concatenate([part.weight for part in parts], axis=1), np.concatenate([part.bias for part in parts])
        )
        context = self.g.attention(hidden, together, self.config.heads)
        attended = self.g.linear(context, self._linear(at["output"]))
        hidden = self._norm(attended, hidden, at["attention_norm"])
        up, down = self._linear(at["up"]), self._linear(at["down"])
        return self._norm(self.g.feed_forward(hidden, up, down, self.config.activation), hidden, at["norm"])

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
