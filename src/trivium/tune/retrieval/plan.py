"""What is to be done to tune a retriever. No torch is loaded by this file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["embedder", "reranker"]
CHAT = "chat"
"""The teacher that is the chat model."""
TEMPERATURE = 0.05
"""An embedder's cosines are divided by it, in every loss."""
LOSSES: Mapping[Role, tuple[str, ...]] = {
    "embedder": ("contrastive", "margin", "replug"),
    "reranker": ("listwise", "binary", "margin"),
}
"""Of each role; the first where there is no teacher."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a retriever is tuned.

    Attributes:
        data: the files that are learnt from, for the record.
        base: the model; empty for the knowledge base's own, where it has one, else the embedded encoder.
        method: a key of `methods.METHODS` that can be merged, with its `settings`.
        loss: of `LOSSES`; empty for the one that fits the teacher.
        teacher: scores the passages: `chat`, the spec of a reranker (see `models.rerank.open_reranker`), or empty.
        unlabelled: learn from headings and sentences of the knowledge base too.
        written: learn from so many questions that the chat model writes, too.
        negatives: mined for each question.
        longest: tokens of a text (of a pair, for a reranker).
        dimensions: shorter vectors that an embedder is trained for too.
        training: how to train: `loop.Settings` by name.
        shares: of the questions for training, for the choice of the checkpoint, and for the decision.
        seed: of split, mining, writing and training.
    """

    data: str = ""
    base: str = ""
    method: str = "lora"
    settings: Mapping[str, Any] = field(default_factory=dict)
    loss: str = ""
    teacher: str = ""
    unlabelled: bool = False
    written: int = 0
    negatives: int = 4
    longest: int = 192
    dimensions: tuple[int, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    seed: int = 0
