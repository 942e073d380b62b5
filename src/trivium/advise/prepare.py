"""From what the user gives to what `measure.compare` takes: the arms, the bench, the parts, the folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.advise.arms import Arm, arm_of, default_arms
from trivium.advise.ask import plain
from trivium.advise.bench import Bench, answer_room
from trivium.advise.measure import solved
from trivium.advise.parts import SHARES, Parts, divide
from trivium.advise.prices import Prices
from trivium.advise.train import Tuning
from trivium.advise.values import CLOSED_BOOK
from trivium.errors import UsageError
from trivium.evaluate.failure import holders_of
from trivium.evaluate.record import digest, settings_name
from trivium.evaluate.run import distinct
from trivium.evaluation import RUNS, drawn
from trivium.models.base import Embedder, Reranker
from trivium.models.chat import EMBEDDED, shipped_adapters
from trivium.patterns.instructed import INSTRUCTIONS
from trivium.types import Answer, Example

if TYPE_CHECKING:
    from trivium.index import Index


@dataclass(frozen=True)
class Job:
    """A comparison ready to be run: the arguments of `measure.compare`."""

    arms: tuple[Arm, ...]
    bench: Bench
    parts: Parts
    folder: Path
    tuning: Tuning


def prepare(
    examples: Sequence[Example],
    *,
    name: str = "questions",
    arms: Sequence[str] = (),
    callables: Mapping[str, Callable[[str], Answer]] | None = None,
    chat: str = "",
    index: Index | None = None,
    embedder: Callable[[], Embedder] | None = None,
    reranker: Reranker | None = None,
    adapters: Mapping[str, str] | None = None,
    tuning: Tuning | None = None,
    tune: bool = False,
    instructions: str = "",
    max_tokens: int = 0,
    k: int | None = None,
    principals: Sequence[str] | None = None,
    prices: Prices | None = None,
    parallel: int = 1,
    shares: Mapping[str, float] = SHARES,
    limit: int | None = None,
    folder: Path | None = None,
    seed: int = 0,
) -> Job:
    """Return the job for what was given.

    Args:
        examples: the questions.
        name: of the question set.
        arms: words, see `arms.py`; empty for every road that can be taken. The closed-book arm is always among them.
        callables: arms of the user's, by name.
        chat: the spec of the chat model, "" for the embedded one.
        index, embedder, reranker, k, principals, prices, parallel: see `Bench`.
        adapters: the user's, by name.
        tuning: how adapters are trained, and on what data.
        tune: add the tuned arms to the default ones; so does `tuning.data`.
        instructions: of the arms that are told how to answer.
        max_tokens: of an answer without passages; 0 for what the training and validation answers need.
        shares: of the parts.
        limit: use so many questions, drawn by the seed.
        folder: of the comparison; None for one below `runs/`, named by the questions and models.
        seed: of every draw.

    Raises:
        UsageError, UnknownName: an arm or a part cannot be.
    """
    examples = drawn(distinct(examples), limit, seed)
    if not examples:
        raise UsageError("There are no questions to ask.", "Give a question set with at least one question.")
    parts = divide(examples, shares=shares, seed=seed)
    adapters, tuning = dict(adapters or {}), tuning or Tuning()
    words = list(arms) or default_arms(
        kb=index is not None,
        shots=bool(solved(parts.train)) and embedder is not None,
        train=tune or bool(tuning.data),
        shipped=not chat or (chat.lower() == EMBEDDED and bool(shipped_adapters())),
        adapters=list(adapters),
    )
    made = [arm_of(word, list(adapters)) for word in words]
    made += [Arm(key, "", "", "other") for key in callables or {}]
    if all(arm.name != CLOSED_BOOK for arm in made):
        made.insert(0, arm_of(CLOSED_BOOK))
    bench = Bench(
        chat=chat,
        index=index.snapshot() if index is not None else None,
        embedder=embedder,
        reranker=reranker,
        adapters=adapters,
        callables=dict(callables or {}),
        instructions=instructions or INSTRUCTIONS,
        max_tokens=max_tokens or answer_room([*parts.train, *parts.validation]),
        k=k,
        principals=principals,
        prices=prices or Prices(),
        parallel=parallel,
        corpus=holders_of(index, principals=principals) if index is not None else None,
    )
    unique = tuple({arm.name: arm for arm in made}.values())
    return Job(unique, bench, parts, folder or _default_folder(name, examples, bench, tuning, seed), tuning)


def fewer(job: Job, arms: Sequence[Arm], questions: int, seed: int) -> Job:
    """Return the job with the arms and the number of test questions that a budget leaves."""
    return replace(job, arms=tuple(arms), parts=replace(job.parts, test=tuple(drawn(job.parts.test, questions, seed))))


def _default_folder(name: str, examples: Sequence[Example], bench: Bench, tuning: Tuning, seed: int) -> Path:
    settings: dict[str, Any] = {
        "questions": digest(examples), "chat": bench.chat, "k": bench.k, "seed": seed, "data": tuning.data,
        "kb": str(bench.index.root) if bench.index is not None else None, "instructions": bench.instructions,
    }  # fmt: skip
    return RUNS / f"compare-{plain(name)}-{settings_name(settings)}"
