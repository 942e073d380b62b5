"""Grounding: how answers stand to their passages, and passages to their questions.

`GROUNDING` holds the forms that need no model; `judged.JUDGED` the same quantities judged by a chat model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from trivium.evaluate.grounding.answers import answer_relevance, faithfulness, groundedness
from trivium.evaluate.grounding.citations import citation_precision, citation_recall
from trivium.evaluate.grounding.contexts import context_precision, context_recall, context_relevance
from trivium.models.base import Embedder
from trivium.types import Answer, Example


class GroundingMetric(Protocol):
    """A metric from 0 to 1; None where it does not apply."""

    def __call__(self, example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None: ...


GROUNDING: Mapping[str, GroundingMetric] = {
    "faithfulness": faithfulness,
    "groundedness": groundedness,
    "answer_relevance": answer_relevance,
    "context_relevance": context_relevance,
    "context_precision": context_precision,
    "context_recall": context_recall,
    "citation_precision": citation_precision,
    "citation_recall": citation_recall,
}
"""The forms that need no model, by name."""
