"""Answers and hits as JSON objects and back: what is stored in the cache, and what `--json` and servers print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from trivium.types import Answer, Chunk, Citation, Hit, Step, Timing, Usage


def dump_answer(answer: Answer) -> str:
    """Return an answer as JSON text, whole. Details of the trace that JSON cannot hold become text."""
    return json.dumps(asdict(answer), ensure_ascii=False, default=str)


def load_answer(text: str) -> Answer:
    """Return the answer that `dump_answer` wrote."""
    return answer_of(json.loads(text))


def answer_of(found: Mapping[str, Any]) -> Answer:
    """Return the answer of a JSON object with its fields."""
    return Answer(
        question=found["question"],
        text=found["text"],
        refused=found["refused"],
        citations=tuple(Citation(**citation) for citation in found["citations"]),
        hits=tuple(_hit(hit) for hit in found["hits"]),
        unsupported=tuple((start, end) for start, end in found["unsupported"]),
        usage=Usage(**found["usage"]),
        seconds=Timing(**found["seconds"]),
        trace=tuple(Step(**step) for step in found["trace"]),
    )


def _hit(found: Mapping[str, Any]) -> Hit:
    chunk = dict(found["chunk"])
    chunk["headings"] = tuple(chunk["headings"])
    chunk["parent"] = tuple(chunk["parent"]) if chunk["parent"] else None
    return Hit(Chunk(**chunk), found["score"], tuple(found["found_by"]), found["scores"])
