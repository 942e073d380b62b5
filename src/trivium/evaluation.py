"""Put an evaluation together: a system, its scorer, the folder of its run, and what is recorded of all three."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from trivium.errors import UsageError
from trivium.evaluate.failure import unheld
from trivium.evaluate.grounding.judged import JUDGED
from trivium.evaluate.grounding.judged import judged as by_judge
from trivium.evaluate.judge import Judge
from trivium.evaluate.record import settings_name
from trivium.evaluate.run import RunProgress, evaluate, whole_settings
from trivium.evaluate.score import score
from trivium.evaluate.score_all import cores, measuring
from trivium.evaluate.scoring import More, scorer_of
from trivium.evaluate.summary import Report
from trivium.models.base import Chat, Embedder
from trivium.systems import OpenSystem
from trivium.types import Example

RUNS = Path("runs")
"""Where runs are kept that are given no folder."""
_MOST_NAMED = 1_000
_MANY = 500
"""Stored answers from which starting other processes, which takes a second, is repaid."""


def evaluate_system(
    examples: Sequence[Example],
    system: OpenSystem,
    *,
    name: str = "questions",
    folder: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 4,
    judge: Chat | None = None,
    judged: Sequence[str] | None = None,
    embedder: Embedder | None = None,
    closed_book: bool = True,
    command: Sequence[str] = (),
    missing: Callable[[Sequence[str]], None] | None = None,
    progress: Callable[[RunProgress], None] | None = None,
) -> Report:
    """Ask a system the questions, score its answers with everything that is at hand, and return what it came to.

    Args:
        examples: the questions.
        system: what `trivium.systems` opened.
        name: of the question set.
        folder: of the run; None is one below `runs/` that is named by the settings, so that the same command goes on
            with the same run, and other settings make another one.
        limit: ask so many, drawn at random by the seed.
        seed: of the draw and of the intervals.
        workers: questions asked at once.
        judge: a chat model that judges the answers too.
        judged: what it judges, names of `trivium.evaluate.grounding.judged.JUDGED`; None is all.
        embedder: adds the metrics of meaning.
        closed_book: ask the model alone where the answer was wrong.
        command: how to repeat the run, for the record.
        missing: told before the first question which ones no stored passage holds the answer to (their ids).
        progress: told after each question.

    Raises:
        UsageError: there are no questions, or the folder holds a run with other settings.
        StoreFull: the disk is full; what was answered is kept.
    """
    examples = drawn(examples, limit, seed)
    alone = system.alone if closed_book else None
    judged = list(JUDGED if judged is None else judged)
    settings: dict[str, Any] = {
        "questions": {"name": name, "limit": limit},
        "system": dict(system.settings),
        "judge": {"model": judge.name, "metrics": judged} if judge is not None else None,
        "embedder": embedder.name if embedder is not None else None,
        "closed_book": alone is not None,
    }
    at = folder or default_folder(name, system.name, whole_settings(examples, settings, seed))
    notes = _looked_ahead(system, examples, missing)
    more: list[More] = []
    if judge is not None:
        more.append(by_judge(Judge(judge), judged, embedder))
    # Answers that are there already come as fast as they are scored: then the scoring is worth all the cores.
    ready = system.settings.get("kind") == "answers" and len(examples) >= _MANY
    with measuring() if ready else nullcontext(score) as measure:
        return evaluate(
            examples,
            system.ask,
            at,
            scorer=scorer_of(
                corpus=system.corpus, rank=system.rank, alone=alone, embedder=embedder, more=more, measure=measure
            ),
            settings=settings,
            command=command,
            notes=notes,
            workers=max(workers, 2 * cores()) if ready else workers,
            seed=seed,
            progress=progress,
        )


def drawn(examples: Sequence[Example], limit: int | None, seed: int) -> Sequence[Example]:
    """Return at most `limit` of the questions, drawn at random, in their order.

    Raises:
        UsageError: the limit is less than 1.
    """
    if limit is None or limit >= len(examples):
        return examples
    if limit < 1:
        raise UsageError(f"A limit of {limit} leaves no question.", "Give at least 1.")
    places = random.Random(seed).sample(range(len(examples)), limit)
    return [examples[place] for place in sorted(places)]


def default_folder(questions: str, system: str, settings: Mapping[str, Any]) -> Path:
    """Return the folder of a run that was given none: named by the question set, the system and all settings."""
    return RUNS / f"{_plain(questions)}-{_plain(system)}-{settings_name(settings)}"


def _looked_ahead(
    system: OpenSystem, examples: Sequence[Example], missing: Callable[[Sequence[str]], None] | None
) -> dict[str, Any]:
    """Return, and tell, which questions will fail for want of a passage, before any is asked."""
    if system.corpus is None:
        return {}
    found = unheld(examples, system.corpus)
    if found and missing is not None:
        missing(found)
    return {"fp1_candidates": {"count": len(found), "ids": found[:_MOST_NAMED]}} if found else {}


def _plain(words: str) -> str:
    """Return words as a part of a folder's name."""
    return re.sub(r"[^\w.-]+", "-", words.split("://", 1)[-1]).strip("-.")[:48] or "run"
