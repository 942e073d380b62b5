"""The steps that mend errors, one for each reason why an answer was wrong (`trivium.evaluate.failure`)."""

from __future__ import annotations

import math
from collections.abc import Callable

from trivium.advise.case import Case, of_errors
from trivium.advise.values import Advice
from trivium.advise.words import count
from trivium.evaluate.failure import POINTS, Failure

RERANKED = 3
"""Hits that a reranker reads for each that is kept (`patterns/steps.py`)."""
_COVERED = 0.75
"""The share of the missed passages within reach that a larger k is to hold."""
_LARGEST_K = 20
_TOLD_BY_JUDGE = ("judge", "refuse")


def add_documents(case: Case) -> list[Advice]:
    """FP1: no stored passage holds the answer."""
    places = case.failed("FP1", such=lambda failure: not failure.detail.get("answered"))
    return case.step(
        "add_documents",
        f"Add documents on {case.topics(places)}.",
        f"{of_errors(case, places, 'FP1')}: no stored passage holds the answer",
        places,
        case.command("add", "PATH"),
        point="FP1",
        unless="A document that holds the answer and is stored already: then the search or the chunking is at fault.",
    )


def refuse(case: Case) -> list[Advice]:
    """FP1, answered: the question has no answer, and the arm gave one. More of these than of the opposite error."""
    places, silent = _answered(case), _refused(case)
    if not case.speaks or len(places) < len(silent):
        return []
    unanswerable = sum(question.unanswerable for question in case.comparison.questions)
    if not case.arm.retrieves:
        step = "Give it passages: only with them can it tell that a question has no answer."
        command = case.compare("--arms", f"{case.arm.name},advanced")
    elif not case.has("both"):
        step = "Tune the chat model on questions with and without their answer in the passages, so that it refuses."
        command = case.compare("--arms", f"{case.arm.name},{_pattern(case)}+raft")
    else:
        step = "Raise the threshold of the evidence (data/refusal.json): it refuses what has no answer."
        command = ""
    return case.step(
        "refuse",
        step,
        f"{case.arm.name} answered {len(places):,} of {count(unanswerable, 'unanswerable question')}, and refused "
        f"{len(silent):,} whose answer was found",
        places,
        command,
        point="FP1",
        unless="More answerable questions that are refused then.",
    )


def refuse_less(case: Case) -> list[Advice]:
    """FP3 by the judge of the evidence, and FP4 refused: the answer was there, and the arm refused."""
    places, answered = _refused(case), _answered(case)
    if not case.speaks or len(places) <= len(answered):
        return []
    shown = len(case.failed("FP4", such=_silent))
    return case.step(
        "refuse_less",
        "Lower the threshold of the evidence (data/refusal.json), or take a chat model that refuses less.",
        f"{case.arm.name} refused {count(len(places), 'question')} whose answer was found "
        f"({len(places) - shown:,} by the evidence, {shown:,} by the model), and answered {len(answered):,} that have "
        "none",
        places,
        case.compare("--arms", case.arm.name, "--chat", "MODEL"),
        unless="More unanswerable questions that are answered then.",
    )


def _answered(case: Case) -> list[int]:
    """Return the questions without an answer that were given one."""
    return case.failed("FP1", such=lambda failure: bool(failure.detail.get("answered")))


def _refused(case: Case) -> list[int]:
    """Return the questions that were refused though their answer was found."""
    judged = case.failed("FP3", such=lambda failure: _stage(failure) in _TOLD_BY_JUDGE)
    return judged + case.failed("FP4", such=_silent)


def _silent(failure: Failure) -> bool:
    return bool(failure.detail.get("refused"))


def rerank(case: Case) -> list[Advice]:
    """FP2 within reach, where nothing reranks yet: late interaction needs no training."""
    reach = case.k * RERANKED
    missed = case.failed("FP2", such=lambda failure: (_rank(failure) or math.inf) <= reach)
    if case.arm.settings.get("reranker", "None") != "None":
        return []
    return case.step(
        "rerank",
        f"Rerank what the search finds: late interaction reads {reach} hits and keeps the best {case.k}.",
        f"{of_errors(case, case.failed('FP2'), 'FP2')}, {len(missed):,} of them among the first {reach} hits",
        missed,
        case.compare("--arms", case.arm.name, "--reranker", "late"),
        point="FP2",
    )


def tune_reranker(case: Case) -> list[Advice]:
    """FP2 within reach, and FP3 by the reranker: the right passage stands too low."""
    reach = case.k * RERANKED
    missed = case.failed("FP2", such=lambda failure: (_rank(failure) or math.inf) <= reach)
    dropped = case.failed("FP3", such=lambda failure: _stage(failure) == "rerank")
    places = missed + dropped
    because = f"{of_errors(case, case.failed('FP2'), 'FP2')}, {len(missed):,} of them among the first {reach} hits"
    if dropped:
        because += f", and the reranker dropped {len(dropped):,} more"
    return case.step(
        "tune_reranker",
        f"Tune a reranker: it reads {reach} hits and keeps the best {case.k}.",
        because,
        places,
        case.command("tune", "reranker", case.comparison.training_questions or "TRAINING_QUESTIONS"),
        point="FP2",
    )


def more_passages(case: Case) -> list[Advice]:
    """FP2 just below the cut: a larger k keeps them."""
    ranks = sorted(
        rank for place in case.failed("FP2") if case.k < (rank := _rank(case.arm.failures[place]) or 0) <= _LARGEST_K
    )
    if not ranks or (case.needs.seconds is not None and case.arm.seconds.p95 > case.needs.seconds):
        return []
    k = int(ranks[math.ceil(_COVERED * len(ranks)) - 1])
    places = case.failed("FP2", such=lambda failure: case.k < (_rank(failure) or 0) <= k)
    return case.step(
        "more_passages",
        f"Retrieve {k} passages instead of {case.k}.",
        f"{len(places):,} of {count(len(case.failed('FP2')), 'FP2 error')} of {case.arm.name} rank "
        f"{case.k + 1} to {k}; more passages cost time, and may distract",
        places,
        case.compare("--arms", case.arm.name, "--k", str(k)),
        point="FP2",
    )


def tune_embedder(case: Case) -> list[Advice]:
    """FP2 out of reach: the search itself does not know the field's words."""
    reach = case.k * RERANKED
    places = case.failed("FP2", such=lambda failure: (_rank(failure) or math.inf) > reach)
    return case.step(
        "tune_embedder",
        "Tune the embedder to the documents.",
        f"{of_errors(case, places, 'FP2')} beyond the first {reach} hits, where no reranker reads",
        places,
        case.command("tune", "embedder", case.comparison.training_questions or "TRAINING_QUESTIONS"),
        point="FP2",
    )


def let_through(case: Case) -> list[Advice]:
    """FP3: the passage was found, and a step before the model dropped it. One advice a step of the pipeline."""
    passed_over = (*_TOLD_BY_JUDGE, "rerank", "no retrieval")
    stages: dict[str, list[int]] = {}
    for place in case.failed("FP3"):
        failure = case.arm.failures[place]
        assert failure is not None
        if (stage := _stage(failure)) not in passed_over:
            stages.setdefault(stage, []).append(place)
    found = []
    for stage, places in stages.items():
        cure = next((cure for cure in POINTS["FP3"].cures if stage in cure.stages), None)
        found += case.step(
            "let_through",
            f"Let more through at the step {stage!r}" + (f": {cure.setting} ({cure.why})." if cure else "."),
            f"{of_errors(case, places, 'FP3')}: found, and dropped by the step {stage!r}",
            places,
            "",
            point="FP3",
        )
    return found


def read(case: Case) -> list[Advice]:
    """FP4 and misleading passages: the answer was shown, or was known without, and something else was said."""
    if not (case.arm.retrieves and case.speaks):
        return []
    names = [name for name in ("FP4", "retrieval_not_needed") if case.failed(name)]
    places = case.failed(*names, such=lambda failure: not _silent(failure))
    if case.has("both"):
        step = "Take a larger chat model: it reads more surely."
        command = case.compare("--arms", case.arm.name, "--chat", "MODEL")
    else:
        step = "Tune the chat model on questions with right and distracting passages (RAFT), so that it reads them."
        command = case.compare("--arms", f"{case.arm.name},{_pattern(case)}+raft")
    return case.step("read", step, of_errors(case, places, *names), places, command, point="FP4")


def form(case: Case) -> list[Advice]:
    """FP5 and FP6: the content is right, and its form or exactness is not."""
    if not case.speaks:
        return []
    places = case.failed("FP5", "FP6")
    if case.has("tune", "both"):
        step = "Name the form in the instructions, with one example of it, or give a JSON schema with the call."
        command = case.compare("--arms", f"{case.arm.name},few_shot_nearest")
    else:
        step = "Show solved examples of the form; where they do not suffice, tune the chat model on answers in it."
        tuned = "closed_book+tuned" + (f",{_pattern(case)}+tuned" if case.arm.retrieves else "")
        arms = f"{case.arm.name},few_shot_nearest,{tuned}"
        train = ("--train", case.comparison.train) if case.comparison.train else ()
        command = case.compare("--arms", arms, *train)
    names = [name for name in ("FP5", "FP6") if case.failed(name)]
    return case.step("form", step, of_errors(case, places, *names), places, command, point="FP5")


def whole(case: Case) -> list[Advice]:
    """FP7: some of several parts."""
    places = case.failed("FP7") if case.speaks else []
    return case.step(
        "whole",
        "Ask for every part in the instructions, or take a larger chat model.",
        of_errors(case, places, "FP7"),
        places,
        case.compare("--arms", case.arm.name, "--chat", "MODEL"),
        point="FP7",
    )


def _pattern(case: Case) -> str:
    """Return the pattern that the arm answers by, or the usual one where it has none that an adapter can go with."""
    pattern = case.arm.name.partition("+")[0]
    return pattern if case.arm.road in ("ground", "both") and pattern != "retrieve_only" else "advanced"


def _rank(failure: Failure | None) -> int | None:
    rank = failure.detail.get("rank") if failure is not None else None
    return rank if isinstance(rank, int) else None


def _stage(failure: Failure) -> str:
    return str(failure.detail.get("stage", ""))


MENDING: dict[str, Callable[[Case], list[Advice]]] = {
    "add_documents": add_documents,
    "refuse": refuse,
    "refuse_less": refuse_less,
    "rerank": rerank,
    "tune_reranker": tune_reranker,
    "more_passages": more_passages,
    "tune_embedder": tune_embedder,
    "let_through": let_through,
    "read": read,
    "form": form,
    "whole": whole,
}
