"""Name the one primary failure point of a wrong answer, from its trace and the gold evidence.

The rules, in this order; the first that applies names the point:

1. The question has no answer and was answered: FP1.
2. The answer has the known answer in it, but not in the form that was asked for: FP5; or among so much else that it
   counts as wrong: FP6, too specific.
3. Where the evidence of what the answer lacks was lost, the earliest loss counts (`place.py`): stored nowhere, FP1;
   stored but not among the hits, FP2; found but not shown to the model, FP3, with the step that dropped it.
4. The evidence was shown. The answer has some of several parts: FP7; it is in another script where a language was asked
   for: FP5; it is a known answer less exactly or more exactly: FP6; anything else, a refusal too: FP4.

Where the same model was right without any passage, the point is `retrieval_not_needed`, and what the rules above say
is kept beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trivium.evaluate.failure import wording
from trivium.evaluate.failure.corpus import known_answers, needs_all
from trivium.evaluate.failure.journey import Journey, follow
from trivium.evaluate.failure.kinds import Failure, Holders, Rank, Sure
from trivium.evaluate.failure.place import Place, place_of
from trivium.evaluate.metrics.normal import loose
from trivium.evaluate.relevance import holds_answer
from trivium.evaluate.score import F1_RIGHT, spoken
from trivium.evaluate.score import right as counts_as_right
from trivium.types import Answer, Example

_PASSAGE, _TIMES, _MOST = 400, 10, 0.8
"""Characters of a whole passage at least, how many times as long it is as the known answer, and how much of it."""
_ORDER = ("missing", "missed", "dropped", "shown")


@dataclass(frozen=True, slots=True)
class _Case:
    """What the rules look at. `lacking` are the parts that the answer lacks; (None,) where it has no parts."""

    example: Example
    answer: Answer
    said: str
    scores: Mapping[str, float | None]
    journey: Journey
    place: Place
    lacking: tuple[int | None, ...]

    @property
    def known(self) -> tuple[str, ...]:
        """The known answers, of the parts that are lacking where there are parts."""
        parts = [alternative for part in self.lacking if part is not None for alternative in self.example.parts[part]]
        return tuple(parts) or known_answers(self.example)

    @property
    def texts(self) -> list[str]:
        """What the chunks say that hold the answer."""
        return [holder.chunk.text for holder in self.place.holders]


def attribute(
    example: Example,
    answer: Answer,
    scores: Mapping[str, float | None],
    *,
    corpus: Holders | None = None,
    rank: Rank | None = None,
    right: bool | None = None,
    closed_book_right: bool | None = None,
) -> Failure | None:
    """Return the primary failure point of an answer (Barnett et al. 2024, arXiv:2401.05856); None where it is right.

    Args:
        example: the question with its gold answer and evidence.
        answer: what the system said, with its trace where it has one.
        scores: of `trivium.evaluate.score.score`; "format" among them tells whether a required form was kept.
        corpus: gives the stored chunks that hold the answer (see `holders_of`); None where there is no knowledge base
            to look into.
        rank: the system's own search, for the rank of what it missed; None where it cannot be searched.
        right: whether the answer is right; None asks `trivium.evaluate.score.right`, and takes an answer that gives a
            whole passage back for wrong.
        closed_book_right: whether the same model was right without any passage; None where that was not run.
    """
    if right is None:
        right = counts_as_right(example, answer, scores) and not _gives_a_passage_back(example, answer)
    if right:
        return None
    failure = _primary(example, answer, scores, corpus, rank)
    if closed_book_right and not example.unanswerable and _retrieved(answer):
        return Failure(
            "retrieval_not_needed",
            f"The model was right without any passage, and wrong with them. Otherwise {failure.point}: "
            f"{failure.evidence}",
            {**failure.detail, "otherwise": failure.point},
            failure.sure,
            failure.unknown,
        )
    return failure


def _gives_a_passage_back(example: Example, answer: Answer) -> bool:
    """Whether an answer is most of a passage word for word, where a few words were asked for: a find, no answer."""
    said = spoken(answer)
    known = known_answers(example)
    if example.parts or not known or len(said) < max(_PASSAGE, _TIMES * max(map(len, known))):
        return False
    plain = loose(said)
    passages = (loose(hit.chunk.text) for hit in answer.hits)
    return any((plain in one and len(plain) >= _MOST * len(one)) or one in plain for one in passages if one)


def _retrieved(answer: Answer) -> bool:
    return bool(answer.hits) or any("hits" in step.detail for step in answer.trace)


def _primary(
    example: Example,
    answer: Answer,
    scores: Mapping[str, float | None],
    corpus: Holders | None,
    rank: Rank | None,
) -> Failure:
    journey = follow(answer)
    said = "" if answer.refused else spoken(answer)
    if example.unanswerable:
        return _unanswerable(said, journey)
    if not (example.answers or example.parts or example.evidence or example.choices):
        return Failure("FP4", "Nothing is known about the right answer.", sure="guess", unknown=("no gold answer",))
    if said and (failure := _in_wrong_form(example, said, scores)):
        return failure
    lacking = _lacking(example, said)
    found = _places(example, answer, journey, lacking, corpus, rank)
    # Of several parts the one that was lost first explains the answer.
    place = min(found, key=lambda one: _ORDER.index(one.stage))
    case = _Case(example, answer, said, scores, journey, place, lacking)
    failure = _lost(case) if place.stage != "shown" else _from_the_prompt(case)
    sure: Sure = "guess" if place.unknown else failure.sure
    if sure == "certain" and any(holder.by == "answer" for holder in place.holders):
        sure = "likely"
    return replace(failure, sure=sure, unknown=place.unknown)


def _unanswerable(said: str, journey: Journey) -> Failure:
    judged = journey.details.get("judge", {})
    detail = {"answered": True} | {name: judged[name] for name in ("probability", "needed") if name in judged}
    return Failure("FP1", f"Answered though nothing holds it: “{_short(said)}”.", detail)


def _in_wrong_form(example: Example, said: str, scores: Mapping[str, float | None]) -> Failure | None:
    """Rule 2: the content is there."""
    if example.parts:
        there = all(holds_answer(said, part) for part in example.parts)
    else:
        there = holds_answer(said, known_answers(example))
    wrong_form = bool(example.format) and scores.get("format") == 0.0
    if not there and not (wrong_form and (scores.get("f1") or 0.0) >= F1_RIGHT):
        return None
    if wrong_form:
        return Failure(
            "FP5",
            f"The answer is in “{_short(said)}”, but its form is not {example.format!r}.",
            {"format": example.format},
        )
    if example.choices:
        others = [choice for choice in example.choices if choice not in known_answers(example)]
        named = [choice for choice in others if holds_answer(said, [choice])]
        too = f"It names several choices: {', '.join(named)} too."
        return Failure("FP6", too, {"how": "too general", "why": too}) if named else None
    return Failure(
        "FP6",
        f"A known answer stands in it, among {len(said)} characters of other things.",
        {"how": "too specific", "why": "a known answer stands in it, among more"},
    )


def _lacking(example: Example, said: str) -> tuple[int | None, ...]:
    if not example.parts:
        return (None,)
    lacking = tuple(place for place, part in enumerate(example.parts) if not holds_answer(said, part))
    return lacking or tuple(range(len(example.parts)))


def _places(
    example: Example,
    answer: Answer,
    journey: Journey,
    lacking: Sequence[int | None],
    corpus: Holders | None,
    rank: Rank | None,
) -> list[Place]:
    """Rule 3: where the evidence of each thing that the answer lacks was lost."""
    held = None if corpus is None else list(corpus(example))
    found = []
    for part in lacking:
        own = None if held is None else [holder for holder in held if holder.part == part]
        # Where every piece of evidence is needed, each has a place of its own.
        for piece in range(len(example.evidence)) if needs_all(example) else (None,):
            group = own if own is None or piece is None else [holder for holder in own if piece in holder.gold]
            found.append(place_of(example, answer, journey, group, rank, part=part, piece=piece))
    return found


def _lost(case: _Case) -> Failure:
    place = case.place
    point = {"missing": "FP1", "missed": "FP2", "dropped": "FP3"}[place.stage]
    detail = dict(place.detail)
    if place.part is not None:
        detail["part"] = place.part
    return Failure(point, place.evidence, detail)


def _from_the_prompt(case: _Case) -> Failure:
    """Rule 4: the model was shown the evidence (or it is not known that it was not)."""
    said, example = case.said, case.example
    detail = dict(case.place.detail)
    if not said:
        return Failure("FP4", f"{case.place.evidence} The system refused.", {**detail, "refused": True})
    if failure := _incomplete(case, detail):
        return failure
    cut = case.journey.details.get("generate", {}).get("finish") == "length"
    if not cut and (failure := _inexact(case, detail)):
        return failure
    more = " It was cut off at the token limit." if cut else ""
    evidence = f"{case.place.evidence} The answer is “{_short(said)}”.{more}"
    kept = {"form_kept": False} if example.format and case.scores.get("format") == 0.0 else {}
    return Failure("FP4", evidence, {**detail, **kept, **({"finish": "length"} if cut else {})})


def _inexact(case: _Case, detail: Mapping[str, object]) -> Failure | None:
    """The right thing in other letters, or more or less exactly."""
    said, example = case.said, case.example
    # Whether the words mean the same in another language no rule can tell: it counts only where the form was asked for.
    asked_for = "language:" in example.format
    if asked_for and (script := wording.other_script(said, example.question, case.known)):
        return Failure("FP5", f"“{_short(said)}” has no {script} letters.", {**detail, "format": script}, "likely")
    if why := wording.too_general(said, case.known, example.question, case.texts):
        evidence = f"“{_short(said)}” is too general: {why}."
        return Failure("FP6", evidence, {**detail, "how": "too general", "why": why}, "likely")
    if why := wording.too_specific(said, case.known, example.question, case.texts):
        evidence = f"“{_short(said)}” is too specific: {why}."
        return Failure("FP6", evidence, {**detail, "how": "too specific", "why": why}, "likely")
    return None


def _incomplete(case: _Case, detail: Mapping[str, object]) -> Failure | None:
    parts = case.example.parts
    if parts:
        have = [place for place in range(len(parts)) if place not in case.lacking]
        if not have:
            return None
        lacks = "; ".join(" or ".join(parts[place][:2]) for place in case.lacking if place is not None)
        evidence = f"{len(have)} of {len(parts)} parts are there; it lacks {lacks}, which the model was shown."
        return Failure("FP7", evidence, {**detail, "have": have, "lacks": list(case.lacking)})
    have_items, lack_items = wording.some_items(case.said, case.known)
    if have_items:
        evidence = f"It has {', '.join(have_items)} and lacks {', '.join(lack_items)}."
        return Failure("FP7", evidence, {**detail, "have": list(have_items), "lacks": list(lack_items)}, "likely")
    return None


def _short(text: str, longest: int = 120) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
