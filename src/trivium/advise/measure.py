"""Run every arm on the same questions: divide, train, choose on validation, measure on the test part once.

A comparison is a folder:

    run.json           what was compared with what (`trivium.evaluate.record`)
    adapters/NAME/     what was trained for it
    choices/…/         what was chosen on the validation part
    training-questions.jsonl   the part that may be learnt from
    arms/NAME/         each arm's answers, as `trivium evaluate` keeps them
    comparison.json    all figures (`store.py`)

Whatever is there and whole is not done again: a comparison that was stopped or killed goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from trivium.advise.arms import FEW_SHOT, TRAINED, Arm
from trivium.advise.ask import Spent, Told, asked, plain
from trivium.advise.bench import Bench
from trivium.advise.budget import Budget
from trivium.advise.memory import forget_peak, peak_mib
from trivium.advise.parts import Parts
from trivium.advise.store import save
from trivium.advise.train import Adapter, Tuning, train_adapter
from trivium.advise.trials import tried
from trivium.advise.values import ArmResult, Comparison, Question, Seconds, Trial
from trivium.errors import StoreFull, TriviumError
from trivium.evaluate import record as records
from trivium.evaluate.results import Result, read_results
from trivium.evaluate.run import ByExample, RunProgress
from trivium.evaluate.summary import RIGHT, Report, known_answer
from trivium.index.durable import write_whole
from trivium.patterns.few_shot import Shot
from trivium.systems import OpenSystem, described
from trivium.tasks.questions import write_questions
from trivium.tasks.split import documents_of
from trivium.types import Example, Usage

TRAINING_QUESTIONS = "training-questions.jsonl"
SHOTS = (1, 2, 4, 8)
"""Numbers of solved examples that are tried."""
_CHOOSING = 40
"""Validation questions that a choice is made on."""
_SHORT = 400
"""Characters of a solved example at most: a prompt of eight must stay readable."""


def compare(
    arms: Sequence[Arm],
    bench: Bench,
    parts: Parts,
    folder: Path,
    *,
    name: str = "questions",
    metric: str = RIGHT,
    tuning: Tuning | None = None,
    budget: Budget | None = None,
    given: Mapping[str, str] = MappingProxyType({}),
    command: Sequence[str] = (),
    trying: bool = True,
    seed: int = 0,
    tell: Callable[[Told], None] | None = None,
) -> Comparison:
    """Return what every arm came to on the test part. A failed arm is named with its error, and the rest goes on.

    Args:
        arms: what is compared.
        bench: the models, the knowledge base and the limits, the same for all.
        parts: the questions.
        folder: of the comparison; one that was begun with the same settings is gone on with.
        name: of the question set.
        metric: by which arms are ranked, higher is better.
        tuning: how adapters are trained.
        budget: what it may take; arms that it leaves nothing for are named as failed.
        given: the user's own words for `questions_file`, `kb` and `train`, for the advice.
        command: how to repeat it.
        trying: try the cheap next steps of the best searching arm on the validation part (`trials.py`).
        seed: of every draw.
        tell: told how it goes.

    Raises:
        UsageError: the folder holds a comparison with other settings.
        StoreFull: the disk is full; what was answered is kept.
        KeyboardInterrupt: Ctrl-C; what was answered is kept.
    """
    tell = tell or (lambda _: None)
    budget = budget or Budget()
    tuning = tuning or Tuning()
    started = time.monotonic()
    settings = _settings(arms, bench, parts, name, metric, tuning, seed)
    with records.holding(folder):
        record = records.begin(folder, settings, command)
        adapters, failed = _adapters(arms, bench, parts, tuning, folder, seed, budget, tell)
        bench = replace(bench, adapters={**bench.adapters, **{key: one.place for key, one in adapters.items()}})
        shots = solved(parts.train)
        found = []
        for arm in arms:
            trained = adapters.get(arm.adapter)
            if arm.adapter in failed:
                found.append(ArmResult(arm.name, arm.road, error=failed[arm.adapter]))
            elif budget.spent:
                found.append(ArmResult(arm.name, arm.road, error="the budget was spent before it began"))
            else:
                found.append(_measured(arm, bench, parts, shots, trained, folder, metric, seed, budget, tell))
        trials = _trials(arms, found, bench, parts, folder, metric, seed, budget, tell) if trying else ()
        learnt = folder / TRAINING_QUESTIONS
        write_questions(learnt, parts.train)
        comparison = Comparison(
            tuple(_question(example) for example in parts.test), tuple(found), metric, str(folder), trials=trials,
            questions_file=given.get("questions_file", ""), kb=given.get("kb", ""), train=given.get("train", ""),
            training_questions=str(learnt), currency=bench.prices.currency, seed=seed,
        )  # fmt: skip
        save(comparison, folder)
        whole = all(not one.error for one in found)
        records.end(folder, record, asked=len(parts.test), seconds=time.monotonic() - started, complete=whole)
    return comparison


def solved(examples: Sequence[Example]) -> tuple[Shot, ...]:
    """Return training questions with their answers as solved examples, without those that are too long to show."""
    shots = (Shot(one.question, min(one.answers, key=len)) for one in examples if one.answers)
    return tuple(shot for shot in shots if len(shot.question) + len(shot.answer) <= _SHORT)


def _settings(
    arms: Sequence[Arm], bench: Bench, parts: Parts, name: str, metric: str, tuning: Tuning, seed: int
) -> dict[str, Any]:
    """Return what the figures depend on. The arms are left out: more of them may be added later."""
    sets = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    return {
        "questions": {"name": name, **{part: records.digest(examples) for part, examples in sets.items()}},
        "chat": bench.chat,
        "kb": described(bench.index) if bench.index is not None else None,
        "reranker": bench.reranker.name if bench.reranker is not None else None,
        "k": bench.k,
        "max_tokens": bench.max_tokens,
        "instructions": bench.instructions,
        "principals": sorted(set(bench.principals or ())),
        "tuning": {"method": tuning.method, "epochs": tuning.epochs, "rate": tuning.rate, "data": tuning.data},
        "metric": metric,
        "seed": seed,
    }


def _adapters(
    arms: Sequence[Arm],
    bench: Bench,
    parts: Parts,
    tuning: Tuning,
    folder: Path,
    seed: int,
    budget: Budget,
    tell: Callable[[Told], None],
) -> tuple[dict[str, Adapter], dict[str, str]]:
    """Train what the arms need, each once; return the adapters, and why others failed."""
    made: dict[str, Adapter] = {}
    failed: dict[str, str] = {}
    for name in dict.fromkeys(arm.adapter for arm in arms if arm.adapter in TRAINED):
        tell(Told(f"tuning {name}"))

        def show(at: Any, name: str = name) -> None:
            if budget.spent:
                raise Spent
            tell(Told(f"tuning {name}", at.step, at.steps, f"loss {at.loss:.3f}, {at.tokens:.0f} tokens/s"))

        try:
            made[name] = train_adapter(
                name, bench, parts.train, parts.validation, parts.test, tuning, folder / "adapters" / name,
                seed=seed, on_progress=show,
            )  # fmt: skip
        except Spent:
            failed[name] = "the budget was spent while it was tuned"
        except StoreFull:
            raise
        except Exception as error:
            failed[name] = _reason(error)
    return made, failed


def _measured(
    arm: Arm,
    bench: Bench,
    parts: Parts,
    shots: Sequence[Shot],
    trained: Adapter | None,
    folder: Path,
    metric: str,
    seed: int,
    budget: Budget,
    tell: Callable[[Told], None],
) -> ArmResult:
    """Return what one arm came to; an error of it is a part of that."""
    room = folder / "arms" / plain(arm.name)
    try:
        n = _chosen(arm, bench, parts, shots, folder, metric, seed, budget, tell) if arm.pattern in FEW_SHOT else 0
        forget_peak()
        with bench.opened(arm, shots, n) as system:
            timed = _Warm(system, parts.validation or parts.test, bench, budget)
            report = asked(timed.system, parts.test, room, bench, seed, budget, lambda at: tell(_told(arm.name, at)))
            settings = _words(system.settings) | ({"shots": str(n)} if n else {})
        if not report.asked:
            return ArmResult(arm.name, arm.road, error=report.errors[0].reason if report.errors else "no answer")
        return _result(arm, bench, report, trained, timed.seconds, settings)
    except Spent:
        return ArmResult(arm.name, arm.road, error="the budget was spent before its last question")
    except StoreFull:
        raise
    except Exception as error:
        return ArmResult(arm.name, arm.road, error=_reason(error))


def _trials(
    arms: Sequence[Arm],
    found: Sequence[ArmResult],
    bench: Bench,
    parts: Parts,
    folder: Path,
    metric: str,
    seed: int,
    budget: Budget,
    tell: Callable[[Told], None],
) -> tuple[Trial, ...]:
    """Try the next steps of the searching arm that did best; a trial that fails is none."""
    rated = [
        (float(np.nanmean(one.values[metric])), -place)
        for place, (arm, one) in enumerate(zip(arms, found, strict=True))
        if arm.searches and arm.pattern == "advanced" and metric in one.values
    ]
    if not rated or budget.spent:
        return ()
    arm = arms[-max(rated)[1]]
    try:
        return tried(
            arm, bench, parts.validation, folder / "trials", metric=metric, budget=budget, seed=seed, tell=tell
        )
    except (Spent, TriviumError) as error:
        if isinstance(error, StoreFull):
            raise
        why = "the budget was spent" if isinstance(error, Spent) else _reason(error)
        tell(Told(f"the next steps were not tried: {why}", 1, 1))
        return ()


def _chosen(
    arm: Arm,
    bench: Bench,
    parts: Parts,
    shots: Sequence[Shot],
    folder: Path,
    metric: str,
    seed: int,
    budget: Budget,
    tell: Callable[[Told], None],
) -> int:
    """Return the number of solved examples that does best on the validation part; of equals the smallest."""
    examples = parts.validation[:_CHOOSING]
    numbers = [n for n in SHOTS if n <= len(shots)]
    if len(numbers) < 2 or not examples:
        return numbers[-1] if numbers else 0
    scores = {}
    for n in numbers:
        place = folder / "choices" / f"{plain(arm.name)}-{n}"

        def show(at: RunProgress, n: int = n) -> None:
            tell(_told(f"{arm.name}: {n} examples, on validation", at))

        with bench.opened(arm, shots, n) as system:
            report = asked(system, examples, place, bench, seed, budget, show)
        scores[n] = report.metrics[metric].mean if metric in report.metrics else 0.0
    return max(scores, key=lambda n: (scores[n], -n))


class _Warm:
    """A system whose first call, which loads models and fills caches, is made on another question and timed apart.

    What its answers cost is taken from the budget.
    """

    def __init__(self, system: OpenSystem, examples: Sequence[Example], bench: Bench, budget: Budget) -> None:
        self.seconds = 0.0
        self._bench, self._budget = bench, budget
        self._model = str(system.settings.get("chat", system.name))
        self._ask, self._first = system.ask, examples[0]
        self._warm = system.settings.get("kind") == "answers"
        self.system = replace(system, ask=ByExample(self._answer))

    def _answer(self, example: Example) -> Any:
        if not self._warm:
            self._warm = True
            began = time.monotonic()
            self._said(self._first)
            self.seconds = time.monotonic() - began
        return self._said(example)

    def _said(self, example: Example) -> Any:
        said = self._ask.answer(example) if isinstance(self._ask, ByExample) else self._ask(example.question)
        cost = self._bench.prices.of_answers(self._model, said.usage, said.seconds.total, remote=self._bench.remote)
        self._budget.pay(cost)
        return said


def _result(
    arm: Arm,
    bench: Bench,
    report: Report,
    trained: Adapter | None,
    warmup: float,
    settings: Mapping[str, str],
) -> ArmResult:
    """Return the figures of an arm whose questions were answered."""
    tally = report.tally
    results = {result.example.id: result for result in read_results(report.folder)}
    ordered = [results.get(key) for key in tally.ids]
    usage = sum((one.answer.usage for one in ordered if one and one.answer), Usage())
    times = sorted(one.answer.seconds.total or one.seconds for one in ordered if one and one.answer)
    costs = _kept(
        report.folder, {"warmup": warmup, "memory_mib": peak_mib()} if report.asked > report.answered_before else {}
    )
    seconds = Seconds(_percentile(times, 50), _percentile(times, 95), sum(times), costs.get("warmup", 0.0))
    model = settings.get("chat", arm.name)
    return ArmResult(
        arm.name,
        arm.road,
        values={name: tuple(column) for name, column in tally.values.items()},
        failures=tuple(one.failure if one else None for one in ordered),
        said=tuple(_said(one) for one in ordered),
        tokens=usage.prompt_tokens + usage.completion_tokens,
        cost=bench.prices.of_answers(model, usage, seconds.total, remote=bench.remote),
        seconds=seconds,
        train_seconds=trained.seconds if trained else None,
        train_samples=trained.samples if trained else None,
        train_cost=bench.prices.of_time(trained.seconds) if trained else None,
        memory_mib=costs.get("memory_mib"),
        disk_bytes=bench.disk_of(arm),
        k=max((len(one.answer.hits) for one in ordered if one and one.answer), default=0) or None,
        remote=bench.remote or settings.get("kind") == "endpoint",
        settings=settings,
    )


def _said(result: Result | None) -> str:
    if result is None or result.answer is None:
        return f"(not answered: {result.error})" if result else ""
    return result.answer.text


def _kept(folder: Path, measured: Mapping[str, float | None]) -> dict[str, float]:
    """Return the largest values that any session of a run measured; they are kept beside its answers."""
    file = folder / "costs.json"
    try:
        kept: dict[str, float] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        kept = {}
    larger = {name: value for name, value in measured.items() if value and value > kept.get(name, 0.0)}
    if larger:
        kept |= larger
        write_whole(file, json.dumps(kept) + "\n")
    return kept


def _question(example: Example) -> Question:
    unanswerable = ("unanswerable",) if example.unanswerable else ()
    classes = dict.fromkeys([*example.tags, *([example.language] if example.language else []), *unanswerable])
    document = next(iter(documents_of(example)), "")
    return Question(example.id, example.question, known_answer(example), document, tuple(classes), example.unanswerable)


def _told(name: str, at: RunProgress) -> Told:
    right = f"{at.right:.1%} right" if at.right is not None else ""
    return Told(name, at.done, at.total, right)


def _words(settings: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in settings.items() if isinstance(value, str | int)}


def _percentile(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, round(share / 100 * (len(ordered) - 1)))]


def _reason(error: Exception) -> str:
    words = f"{error.problem} {error.cure}" if isinstance(error, TriviumError) else f"{type(error).__name__}: {error}"
    return " ".join(words.split())[:500]
