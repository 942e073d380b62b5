"""Where each chunk went, as the trace of an answer tells: found, dropped by which step, shown to the model.

What a step's detail means, whatever its name:

    hits        pairs of chunk id and score: what a search found, or what another step left over
    dropped     chunk ids that the step took out
    left_out    chunk ids that did not fit the prompt; those in `over` were beyond the number of passages shown
    shown       chunk id, start and end in the document of each text that the model was shown

A step whose name begins with "search" finds; every other step with `hits` keeps those and loses the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trivium.evaluate.failure.kinds import Holder
from trivium.types import Answer, Span

SEARCH = "search"


@dataclass
class Journey:
    """The way of the chunks through one answer.

    Attributes:
        traced: whether there is a trace of a search at all.
        found: the ids that searches found, with their best rank from 1.
        left: the ids that are still there at the end.
        lost: the step that dropped each id.
        shown: by document id, the spans that the model was shown; None where the trace does not tell.
        asked: whether a model was asked.
        wanted: how many hits the search was to give.
        kept: how many were to be kept for the answer.
        ranks: by the name of a step that left hits over, the rank of each id after it.
        details: the details of the steps by name, the last of a name.
    """

    traced: bool = False
    found: dict[str, int] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    lost: dict[str, str] = field(default_factory=dict)
    shown: dict[str, list[Span]] | None = None
    asked: bool = False
    wanted: int = 0
    kept: int = 0
    ranks: dict[str, dict[str, int]] = field(default_factory=dict)
    details: dict[str, Mapping[str, object]] = field(default_factory=dict)

    def showed(self, holder: Holder) -> bool:
        """Whether the model saw one of the sentences of a holder: at least half of it."""
        chunk = holder.chunk
        return any(
            2 * (min(end, stop) - max(start, begin)) >= end - start
            for start, end in holder.spans
            for begin, stop in (self.shown or {}).get(chunk.document_id, ())
        )


def follow(answer: Answer) -> Journey:
    """Return the journey that an answer's trace tells."""
    journey = Journey()
    for step in answer.trace:
        detail = step.detail
        journey.details[step.name] = detail
        if "hits" in detail:
            _hits(journey, step.name, [str(row[0]) for row in _rows(detail["hits"]) if row])
        for id in _ids(detail.get("dropped")):
            _lose(journey, id, step.name)
        over = set(_ids(detail.get("over")))
        for id in _ids(detail.get("left_out")):
            _lose(journey, id, "passages" if id in over else "budget")
        if "shown" in detail:
            journey.shown = journey.shown if journey.shown is not None else {}
            for row in _rows(detail["shown"]):
                if len(row) == 3 and isinstance(row[1], int) and isinstance(row[2], int):
                    journey.shown.setdefault(document_of(str(row[0])), []).append((row[1], row[2]))
        if step.name.startswith(SEARCH):
            journey.traced = True
            journey.wanted = _number(detail.get("wanted")) or journey.wanted
            journey.kept = _number(detail.get("kept")) or journey.kept
    journey.asked = journey.shown is not None or "generate" in journey.details
    if journey.traced:
        _cut_off(journey, answer)
    return journey


def document_of(chunk_id: str) -> str:
    """Return the id of the document of a chunk, whose id is `document:ordinal`."""
    return chunk_id.rpartition(":")[0]


def _hits(journey: Journey, name: str, ids: list[str]) -> None:
    if name.startswith(SEARCH):
        for rank, id in enumerate(ids, start=1):
            journey.found[id] = min(rank, journey.found.get(id, rank))
        journey.left |= set(ids)
        return
    journey.ranks[name] = {id: rank for rank, id in enumerate(ids, start=1)}
    for id in journey.left - set(ids):
        _lose(journey, id, name)
    journey.left |= set(ids)


def _lose(journey: Journey, id: str, name: str) -> None:
    journey.left.discard(id)
    journey.lost.setdefault(id, name)


def _cut_off(journey: Journey, answer: Answer) -> None:
    """What was left and is not among the answer's hits fell off the end of the list: by the last that ordered it."""
    last = "rerank" if "rerank" in journey.details else "k"
    hits = {hit.chunk.id for hit in answer.hits}
    for id in journey.left - hits:
        _lose(journey, id, last)


def _rows(value: object) -> Iterable[list[object]]:
    return [list(row) for row in value if isinstance(row, list | tuple)] if isinstance(value, list | tuple) else []


def _ids(value: object) -> list[str]:
    return [str(id) for id in value] if isinstance(value, list | tuple) else []


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
