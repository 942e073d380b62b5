"""Where the evidence of an answer was lost on its way into the prompt, or that it got there.

missing     no stored chunk holds it
missed      stored, but not among the hits that were kept; the rank is given
dropped     found, then dropped: by fusion, dedupe, rerank, compress, judge (the refusal threshold), passages (more
            than the manner shows), budget, sentence (a small model reads one sentence, and it was another)
shown       the model was shown it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from trivium.evaluate.failure.corpus import holders_in
from trivium.evaluate.failure.journey import Journey
from trivium.evaluate.failure.kinds import Holder, Rank
from trivium.types import Answer, Chunk, Example, Hit

Stage = Literal["missing", "missed", "dropped", "shown"]

DEEP = 200
"""Hits of a deep search for the rank of what was missed."""
_LISTED = 10
"""Hits that a system without a trace is taken to keep."""
_FAR = 2
"""Fusion is to blame where an arm alone would have kept a chunk, and fusion put it this many times as low."""
_WORDS = {
    "dedupe": "dropped as a repeat of a better one",
    "rerank": "put too low by the reranker",
    "judge": "not shown: the evidence was judged too weak to answer",
    "passages": "not shown: it is beyond the number of passages shown",
    "budget": "not shown: the passages filled the prompt's budget",
    "sentence": "not shown: the model was given another sentence",
    "refuse": "not shown: the system refused before the model was asked",
}


@dataclass(frozen=True, slots=True)
class Place:
    """How far the evidence got, in words and for JSON; `holders` are the chunks that it stands in."""

    stage: Stage
    evidence: str
    detail: Mapping[str, object] = field(default_factory=dict)
    holders: tuple[Holder, ...] = ()
    part: int | None = None
    unknown: tuple[str, ...] = ()


def place_of(
    example: Example,
    answer: Answer,
    journey: Journey,
    held: Sequence[Holder] | None,
    rank: Rank | None,
    *,
    part: int | None = None,
    piece: int | None = None,
) -> Place:
    """Return how far the evidence of an answer, or of one part of it, got.

    Args:
        example: the question.
        answer: what the system said.
        journey: what its trace tells.
        held: the stored chunks that hold it; None where the store cannot be looked into.
        rank: the system's search.
        part: which part, None where the answer has none.
        piece: which piece of evidence, None where any will do.
    """
    own = [
        holder
        for holder in holders_in([hit.chunk for hit in answer.hits])(example)
        if holder.part == part and (piece is None or piece in holder.gold)
    ]
    if held is None:
        return _by_hits(answer, journey, own, part)
    if not held and not own:
        wanted = example.evidence if piece is None else (example.evidence[piece],)
        names = ", ".join(dict.fromkeys(gold.source for gold in wanted if gold.source))
        what = f"the gold evidence ({names})" if names else "the answer beside the words of the question"
        return Place("missing", f"No stored chunk holds {what}{_of(part, example)}.", part=part)
    # What the system found somewhere else than in this store counts as well as what is stored.
    holders = tuple({holder.chunk.id: holder for holder in (*own, *held)}.values())
    if journey.traced:
        return _by_trace(example, answer, journey, holders, part, rank)
    if answer.hits:
        if own:
            return _shown(own, part, ("which passages entered the prompt",))
        return _missed(example, answer, journey, holders, part, rank, ("no trace",))
    if answer.trace:
        first = holders[0].chunk
        return Place(
            "dropped",
            f"Nothing was retrieved, and {_name(first)} holds it.",
            {"stage": "no retrieval", "chunks": [holder.chunk.id for holder in holders[:5]]},
            holders,
            part,
        )
    return _unseen(example, answer, journey, holders, part, rank)


def _by_hits(answer: Answer, journey: Journey, own: Sequence[Holder], part: int | None) -> Place:
    """The store cannot be looked into: what the system itself shows is all that is known."""
    unknown = ("no knowledge base to look into",)
    if own:
        seen = [holder for holder in own if journey.showed(holder)]
        if journey.shown is None or seen:
            return _shown(seen or own, part, unknown)
        return _dropped(own, answer, journey, part, unknown)
    if answer.hits:
        evidence = f"None of the {len(answer.hits)} passages found holds it; whether any other does is not known."
        return Place("missed", evidence, {"rank": None, "kept": len(answer.hits)}, part=part, unknown=unknown)
    nothing = "What the model was shown is not known."
    return Place("shown", nothing, part=part, unknown=("no passages and no trace", *unknown))


def _by_trace(
    example: Example,
    answer: Answer,
    journey: Journey,
    holders: Sequence[Holder],
    part: int | None,
    rank: Rank | None,
) -> Place:
    seen = [holder for holder in holders if journey.showed(holder)]
    if seen:
        return _shown(seen, part)
    found = [holder for holder in holders if holder.chunk.id in journey.found]
    if not found:
        return _missed(example, answer, journey, holders, part, rank)
    left = [holder for holder in found if holder.chunk.id in journey.left]
    if left and journey.shown is None and not answer.refused:
        return _shown(left, part, ("which passages entered the prompt",))
    dropped = [holder for holder in found if journey.lost.get(holder.chunk.id) != "k"]
    if dropped:
        return _dropped(dropped, answer, journey, part)
    best = min(found, key=lambda holder: journey.found[holder.chunk.id])
    place = journey.found[best.chunk.id]
    evidence = f"{_name(best.chunk)} holds it and ranks {_ordinal(place)}; {journey.kept or len(answer.hits)} are kept."
    detail = {"rank": place, "kept": journey.kept or len(answer.hits), "chunks": [best.chunk.id]}
    return Place("missed", evidence, detail, tuple(holders), part)


def _shown(seen: Sequence[Holder], part: int | None, unknown: tuple[str, ...] = ()) -> Place:
    names = [holder.chunk.id for holder in seen]
    sure = "may have been" if unknown else "was"
    return Place(
        "shown",
        f"{_name(seen[0].chunk)}, which holds it, {sure} in the prompt.",
        {"chunks": names[:5]},
        tuple(seen),
        part,
        unknown,
    )


def _dropped(
    found: Sequence[Holder], answer: Answer, journey: Journey, part: int | None, unknown: tuple[str, ...] = ()
) -> Place:
    """Of several chunks that hold it, the one that got furthest tells which step to look at."""
    steps = {name: number for number, name in enumerate(journey.details)}

    def reached(holder: Holder) -> tuple[int, int]:
        id = holder.chunk.id
        lost = journey.lost.get(id)
        return (len(steps) if lost is None else steps.get(lost, len(steps))), -journey.found.get(id, 0)

    best = max(found, key=reached)
    stage = _stage(best, answer, journey)
    detail: dict[str, object] = {"stage": stage, "chunks": [best.chunk.id]}
    if best.chunk.id in journey.found:
        detail["rank"] = journey.found[best.chunk.id]
    if stage == "judge":
        detail |= {name: journey.details["judge"].get(name) for name in ("probability", "needed")}
    if stage in journey.ranks:
        detail["after"] = journey.ranks[stage].get(best.chunk.id)
    how = _WORDS.get(stage, f"dropped by the step {stage!r}")
    rank = f" was found at rank {detail['rank']} and" if "rank" in detail else " was found and"
    return Place("dropped", f"{_name(best.chunk)} holds it,{rank} {how}.", detail, tuple(found), part, unknown)


def _stage(holder: Holder, answer: Answer, journey: Journey) -> str:
    lost = journey.lost.get(holder.chunk.id)
    if lost is not None:
        return lost
    if journey.shown is None:
        return "judge" if "judge" in journey.details else "refuse"
    if journey.details.keys() & {"extract", "quote"}:
        return "sentence"
    return "budget"


def _missed(
    example: Example,
    answer: Answer,
    journey: Journey,
    holders: Sequence[Holder],
    part: int | None,
    rank: Rank | None,
    unknown: tuple[str, ...] = (),
) -> Place:
    kept = journey.kept or len(answer.hits)
    ids = [holder.chunk.id for holder in holders[:5]]
    if rank is None:
        evidence = f"{_name(holders[0].chunk)} holds it and is not among the {kept} hits."
        detail: dict[str, object] = {"rank": None, "kept": kept, "chunks": ids}
        return Place("missed", evidence, detail, tuple(holders), part, (*unknown, "its rank: no search to ask"))
    deep = list(rank(_searched(example, journey), DEEP))
    places = _ranks(deep, holders)
    if not places:
        evidence = f"{_name(holders[0].chunk)} holds it and is not among the first {len(deep)} hits; {kept} are kept."
        return Place(
            "missed",
            evidence,
            {"rank": None, "beyond": len(deep), "kept": kept, "chunks": ids},
            tuple(holders),
            part,
            unknown,
        )
    best, hit = places[0]
    if arm := _lost_in_fusion(deep, hit, best, journey):
        name, own = arm
        evidence = (
            f"{_name(hit.chunk)} holds it and ranks {_ordinal(own)} in the {name} search; fusion put it at {best}, and "
            f"{kept} are kept."
        )
        detail = {"stage": "fusion", "arm": name, "arm_rank": own, "rank": best, "kept": kept, "chunks": [hit.chunk.id]}
        return Place("dropped", evidence, detail, tuple(holders), part, unknown)
    evidence = f"{_name(hit.chunk)} holds it and ranks {_ordinal(best)}; {kept} are kept."
    return Place(
        "missed", evidence, {"rank": best, "kept": kept, "chunks": [hit.chunk.id]}, tuple(holders), part, unknown
    )


def _ranks(deep: Sequence[Hit], holders: Sequence[Holder]) -> list[tuple[int, Hit]]:
    ids = {holder.chunk.id for holder in holders}
    return [(place, hit) for place, hit in enumerate(deep, start=1) if hit.chunk.id in ids]


def _lost_in_fusion(deep: Sequence[Hit], hit: Hit, fused: int, journey: Journey) -> tuple[str, int] | None:
    """Return the arm that alone would have kept a chunk, with its rank there, where fusion put it far lower.

    With a k of very few hits every list is cut where ranks still differ by chance: that is the k's fault.
    """
    if fused <= max(journey.wanted, _LISTED) or len({name for other in deep for name in other.found_by}) < 2:
        return None
    for arm in hit.found_by:
        score = hit.scores.get(arm)
        if score is None:
            continue
        own = 1 + sum(other.scores.get(arm, float("-inf")) > score for other in deep)
        if own <= journey.kept and fused > _FAR * own:
            return arm, own
    return None


def _unseen(
    example: Example,
    answer: Answer,
    journey: Journey,
    holders: Sequence[Holder],
    part: int | None,
    rank: Rank | None,
) -> Place:
    """Neither trace nor passages: a search of the store tells what a system like this one would find."""
    unknown = ("no passages and no trace",)
    places = _ranks(list(rank(example.question, DEEP)), holders) if rank is not None else []
    if rank is not None and (not places or places[0][0] > _LISTED):
        place = _missed(example, answer, journey, holders, part, rank, unknown)
        return Place("missed", place.evidence, place.detail, place.holders, part, unknown)
    return Place(
        "shown",
        f"{_name(holders[0].chunk)} holds it; what the model was shown is not known.",
        {"chunks": [holder.chunk.id for holder in holders[:5]]},
        tuple(holders),
        part,
        unknown,
    )


def _searched(example: Example, journey: Journey) -> str:
    asked = journey.details.get("question", {}).get("searched")
    return asked if isinstance(asked, str) and asked else example.question


def _of(part: int | None, example: Example) -> str:
    return "" if part is None else f" for part {part + 1} ({' or '.join(example.parts[part][:2])})"


def _name(chunk: Chunk) -> str:
    return f"Chunk {chunk.ordinal} of {chunk.source}"


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
