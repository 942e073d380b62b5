"""One method is tuned on one task at some learning rates; the best one, by validation, answers the test split.

`carry_out` is called in a process of its own, which the peak memory is that of.
"""

from __future__ import annotations

import gc
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lessons import GROUNDED, STRANGER, UNTUNED, Lesson
from trivium.errors import TrainingFailed, UsageError

os.environ["HF_HUB_OFFLINE"] = "1"


@dataclass(frozen=True, slots=True)
class Tuned:
    """A method after training, on a base of `size` parameters: its validation, and the processor seconds it took."""

    attached: Any
    objective: Any
    size: int
    rate: float
    worth: float
    seconds: float


def carry_out(lesson: Lesson, method: str, rates: Sequence[float], threads: int) -> dict[str, Any]:
    """Return what is trained, the peak memory, processor seconds, the validation at each rate, and what was said.

    Args:
        lesson: the task.
        method: of `METHODS`, or `untuned`, or `grounded`.
        rates: that are tried.
        threads: to compute with.
    """
    import torch

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        try:
            return {"method": method, **run(lesson, method, rates, Path(folder))}
        except UsageError as error:
            return {"method": method, "refused": str(error)}


def run(lesson: Lesson, method: str, rates: Sequence[float], folder: Path) -> dict[str, Any]:
    """Tune at each rate and let the best one answer; `untuned` answers without training, `grounded` by retrieval."""
    if method == GROUNDED:
        return {"said": grounded(lesson, folder)}
    if method == UNTUNED:
        attached, objective, _ = lesson_on(lesson, "lora", {})
        attached.switch(None)
        return {"said": said(lesson, objective)}
    tried: dict[str, float | None] = {}
    best: Tuned | None = None
    memory = 0.0
    settings, before = settings_of(lesson, method, folder)
    for rate in rates:
        tuned = tune(lesson, method, settings, rate, folder / "run")
        tried[f"{rate:g}"] = tuned.worth if tuned else None
        memory = memory or peak()  # of the first: what is measured is one training
        if tuned and (best is None or better(tuned, best)):
            best = tuned
        del tuned
        gc.collect()
    if best is None:
        raise UsageError(f"{method} diverged at each of the rates {', '.join(tried)}.", "Give lower ones.")
    trained = sum(parameter.numel() for parameter in best.attached.trained().values())
    return {
        "rates": tried,
        "measure": best.objective.measure,
        "rate": best.rate,
        "trained": trained,
        "share": trained / best.size,
        "peak_mib": memory,
        "cpu_seconds": best.seconds + before,
        "said": said(lesson, best.objective),
    }


def lesson_on(lesson: Lesson, method: str, settings: dict[str, Any]) -> tuple[Any, Any, int]:
    """Return the method on a fresh base, the objective, and how many parameters the base has."""
    import torch

    from trivium.tune.bases import open_base
    from trivium.tune.methods import attach
    from trivium.tune.objectives import Options, labels_of, objective_for, task_for
    from trivium.tune.precision import compute_dtype

    torch.manual_seed(0)
    task = task_for(lesson.kind)
    base = open_base(lesson.base, task, labels=labels_of(lesson.train))
    size = sum(parameter.numel() for parameter in base.model.parameters())
    attached = attach(base.model, method, settings, task=task)
    options = Options(longest=256, tokens=1024, dtype=compute_dtype("cpu"), longest_written=lesson.written or 1)
    return attached, objective_for(lesson.kind, base, attached, lesson.train, options), size


def tune(lesson: Lesson, method: str, settings: dict[str, Any], rate: float, folder: Path) -> Tuned | None:
    """Train once, as `trivium tune` does, with one validation at the end; None where the loss diverged."""
    from trivium.tune.loop import Settings, train
    from trivium.tune.precision import compute_dtype

    attached, objective, size = lesson_on(lesson, method, settings)
    prepared = objective.prepare(lesson.train)
    how = Settings(rate=rate, every=10**6, **lesson.training)
    began = time.process_time()
    try:
        result = train(
            attached, objective, prepared, how, folder, validation=lesson.validation, dtype=compute_dtype("cpu")
        )
    except TrainingFailed as error:
        print(f"{method} at {rate:g}: {error}", file=sys.stderr)
        return None
    seconds = time.process_time() - began
    shutil.rmtree(folder)
    assert result.best is not None
    print(f"{method} at {rate:g}: {objective.measure} {result.best:.4f}, {seconds:.0f} s", file=sys.stderr)
    return Tuned(attached, objective, size, rate, result.best, seconds)


def settings_of(lesson: Lesson, method: str, folder: Path) -> tuple[dict[str, Any], float]:
    """Return the settings of a method, and the seconds that they cost.

    AdapterFusion joins adapters that were trained before: its two are made here, each on one half of the samples.
    """
    if method != "adapter_fusion":
        return {}, 0.0
    from trivium.tune.methods import METHODS

    seconds, places = 0.0, []
    for half in (0, 1):
        own = replace(lesson, train=lesson.train[half::2])
        member = tune(own, "pfeiffer", {}, METHODS["pfeiffer"].rate, folder / f"half-{half}")
        assert member is not None
        places.append(str(folder / f"member-{half}"))
        member.attached.save(Path(places[-1]))
        seconds += member.seconds
    return {"adapters": places}, seconds


def better(one: Tuned, other: Tuned) -> bool:
    """Whether a training ended better than another, by validation."""
    return one.worth > other.worth if one.objective.larger_is_better else one.worth < other.worth


def said(lesson: Lesson, objective: Any) -> list[list[Any]]:
    """Return of each test sample its id, what is right, what was said, and the loss."""
    asked = sum(not one.id.startswith(STRANGER) for one in lesson.test)
    outcome = objective.outcome(lesson.test, most=asked)
    return [[one.id, one.gold, one.said, one.loss] for one in outcome.verdicts]


def grounded(lesson: Lesson, folder: Path) -> list[list[Any]]:
    """Return what the embedded pipeline says over the sentences that the others are tuned on, each a document."""
    import trivium
    from trivium.types import Document

    kb = trivium.open(folder / "kb")
    kb.add([Document(f"{place}.txt", _sentence(one)) for place, one in enumerate(lesson.train)])
    asked = [one for one in lesson.test if not one.id.startswith(STRANGER)]
    return [
        [one.id, one.messages[-1].content, trivium.ask(kb, one.messages[-2].content).text, float("nan")]
        for one in asked
    ]


def _sentence(sample: Any) -> str:
    question, answer = sample.messages[-2:]
    return f"{question.content} {answer.content.strip()}"


def peak() -> float:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
