"""The values of this room: a failure, a stored place that holds an answer, and what the caller provides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from trivium.types import Chunk, Example, Hit, Span

Sure = Literal["certain", "likely", "guess"]


@dataclass(frozen=True, slots=True)
class Failure:
    """The primary reason why an answer was wrong.

    Attributes:
        point: a key of `trivium.evaluate.failure.points.POINTS`: "FP1" to "FP7", or "retrieval_not_needed".
        evidence: one sentence that says what was seen.
        detail: what it rests on, ready for JSON: `stage` (of FP3, the step that dropped the evidence), `rank` (of FP2,
            from 1, None where it is beyond those asked for), `chunks` (ids), `part` (of FP7), `otherwise` (of
            retrieval_not_needed: the point that would have been named), and others.
        sure: "certain" where the trace and the gold evidence show it, "likely" where the evidence was recognised by the
            answer's words alone, "guess" where something had to be assumed.
        unknown: what could not be known, each a short clause: "no trace", "no knowledge base".
    """

    point: str
    evidence: str
    detail: Mapping[str, object] = field(default_factory=dict)
    sure: Sure = "certain"
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """A stored chunk that holds the answer to a question, or to one part of it.

    Attributes:
        chunk: the chunk.
        spans: the sentences of it that hold the answer, as offsets into the document; the whole chunk where the answer
            stands in no single one.
        part: which part of the answer, from 0; None where the answer has no parts.
        by: "evidence and answer", "evidence" (the gold words, where the answer is in other words), or "answer" (no
            gold evidence is known, or none of it is stored: the answer's words beside the question's).
        gold: the places in `example.evidence` of the pieces that it holds.
    """

    chunk: Chunk
    spans: tuple[Span, ...]
    part: int | None = None
    by: Literal["evidence and answer", "evidence", "answer"] = "evidence and answer"
    gold: tuple[int, ...] = ()


Holders = Callable[[Example], Sequence[Holder]]
"""`corpus(example)`: every stored chunk that holds its answer, as far as the asker may read. See `holders_of`."""

Rank = Callable[[str, int], Sequence[Hit]]
"""`rank(question, n)`: the n best hits of the system's own search, for a deep look."""
