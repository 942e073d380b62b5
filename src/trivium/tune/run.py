"""One tuning run from data to adapter: read, clean, divide, encode, train, and keep all that repeats it.

A run is a folder: `run.json` (settings, versions, machine), `history.jsonl` (a line a step), `checkpoints/`, `best/`,
`adapter/`, `curve.png` and `report.json`. The same settings go on with it; other ones are refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from trivium.errors import UsageError
from trivium.evaluate import record as records
from trivium.extras import need
from trivium.index.durable import read_json, write_whole
from trivium.tasks.training.clean import clean
from trivium.tasks.training.divide import divide
from trivium.tasks.training.read import read_training
from trivium.tasks.training.values import Kind, Sample, TrainingSet
from trivium.tune.processes import here, leads

REPORT = "report.json"
HISTORY = "history.jsonl"
ADAPTER = "adapter"
CURVE = "curve.png"
_TOTALS = ("rows", "samples")  # of a training set's report; the rest of it counts what is odd


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        data: the training file or folder.
        base: the model that is tuned; see `bases.open_base`. Empty for the embedded one.
        method: a key of `methods.METHODS`, with its `settings`.
        task: a key of `methods.base.TASKS`; empty for the one that the data is for.
        kind: of the samples; empty for what the file holds.
        validation: a file of its own, or empty: then a twentieth of the data.
        test: a file of its own, or empty: then a tenth of the data. None of it is trained on.
        longest: tokens of a sample. tokens: of a micro-batch. packed: pack short samples.
        training: how to train: `loop.Settings` by name.
        limit: samples used at most, 0 for all.
        tested: keep a test part and score it at the end. Without it all is for training and validation.
    """

    data: str
    base: str = ""
    method: str = "lora"
    settings: Mapping[str, Any] = field(default_factory=dict)
    task: str = ""
    kind: str = ""
    validation: str = ""
    test: str = ""
    longest: int = 1024
    tokens: int = 2048
    packed: bool = False
    checkpointing: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    limit: int = 0
    tested: bool = True


@dataclass(frozen=True, slots=True)
class Parts:
    """The data as it is used."""

    train: TrainingSet
    validation: Sequence[Sample]
    test: Sequence[Sample]
    report: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Before:
    """What is known before training starts: shown to the user, who may then still stop.

    `notes` counts the samples that were mended or left out, by the reason; of `cut` samples only the beginning is read.
    """

    task: str
    base: str
    method: str
    sizes: Mapping[str, int]
    notes: Mapping[str, int]
    cut: int
    preview: str
    trained_tokens: int
    tokens: int
    parameters: int
    all_parameters: int
    memory: Mapping[str, int]
    free: int | None
    dtype: str

    @property
    def share(self) -> float:
        """The share of the model's parameters that is trained, 0 to 1."""
        return self.parameters / max(self.all_parameters, 1)


def parts_of(plan: Plan) -> Parts:
    """Read, clean and divide the data. Test and validation share no group and no input with training.

    Raises:
        UsageError: the file cannot be read, or too little is left.
    """
    kind: Kind | None = plan.kind or None  # type: ignore[assignment]
    given = read_training(plan.data, kind=kind)
    if given.kind == "retrieval":
        raise UsageError(
            f"{plan.data} holds queries with passages.", "Use `trivium tune embedder` or `trivium tune reranker`."
        )
    held = [read_training(file, kind=given.kind).samples if file else () for file in (plan.validation, plan.test)]
    given = clean(given, test=[*held[0], *held[1]])
    if plan.limit and plan.limit < len(given.samples):
        given = _drawn(given, plan.limit)
    shares = (
        {"train": 0.85}
        | ({} if held[0] else {"validation": 0.05})
        | ({} if held[1] or not plan.tested else {"test": 0.10})
    )
    parts = dict(divide(given, shares, seed=int(plan.training.get("seed", 0))).parts) if len(shares) > 1 else {}
    train = parts.get("train", given)
    if not train.samples:
        raise UsageError(f"{plan.data} leaves no sample to train on.", "Give more data.")
    validation = held[0] or (parts["validation"].samples if "validation" in parts else ())
    test = held[1] or (parts["test"].samples if "test" in parts else ())
    return Parts(train, validation, test, given.report)


def look(plan: Plan) -> Before:
    """Return what is known of a plan before it is carried out. Nothing is written.

    Raises:
        UsageError: the plan cannot be carried out.
    """
    need("torch", extra="tune")
    parts = parts_of(plan)
    return _before(plan, parts, _lesson(plan, parts))


def tune(
    plan: Plan,
    folder: Path,
    *,
    resume: bool = False,
    score: bool = True,
    before: Callable[[Before], None] | None = None,
    on_progress: Callable[[Any], None] | None = None,
    stop: Callable[[], bool] | None = None,
    command: Sequence[str] = (),
) -> Mapping[str, Any]:
    """Carry out a plan in a folder and return the report, which is also written there.

    Args:
        plan: what to do.
        folder: of the run; one that holds the same plan is gone on with where `resume` is set.
        resume: go on from the last good checkpoint.
        score: score the test part at the end; see `score_test` for later.
        before: told what is known before training starts.
        on_progress: told after each step; see `loop.Progress`.
        stop: asked after each step.
        command: for the record.

    Of several processes (see `processes`) the first one's report is the run's.

    Raises:
        UsageError: the plan cannot be carried out; says why and what to take instead.
        TrainingFailed, StoreFull: see `loop.train`.
    """
    need("torch", extra="tune")
    from trivium.tune.export.card import write_card

    if not leads():
        return _lend_a_hand(plan, folder, resume)
    parts = parts_of(plan)
    settings = {"plan": asdict(plan), "data": digest(plan)}
    with records.holding(folder):
        record = taken_up(folder, settings, command, resume)
        if record is not None and record.complete:
            return read_json(folder / REPORT)
        lesson = _lesson(plan, parts)
        if before is not None:
            before(_before(plan, parts, lesson))
        record = record or records.begin(folder, settings, command)  # not sooner: a preview begins no run
        report = _carried_out(plan, parts, lesson, folder, resume, score, on_progress, stop)
        done = report["stopped"] != "asked"
        if done:
            write_whole(folder / REPORT, json.dumps(report, indent=1) + "\n")
            write_card(folder)
        records.end(folder, record, asked=report["steps"], seconds=report["seconds"], complete=done)
        return report


def taken_up(folder: Path, settings: Mapping[str, Any], command: Sequence[str], resume: bool) -> records.Record | None:
    """Return the record of the run that is gone on with, or None where the folder holds none.

    Raises:
        UsageError: it holds one with other settings, or this one, and `resume` is not set.
    """
    if not (folder / records.RECORD).exists():
        return None
    record = records.begin(folder, settings, command)
    if not resume:
        raise UsageError(
            f"{folder} already holds this run.", "Go on with it with --resume, or begin another with --out."
        )
    return record


def score_test(plan: Plan, run: Path, folder: Path) -> dict[str, Any]:
    """Score the test part with the best weights of a finished run; return it as the report has it.

    Args:
        plan: of the run.
        run: its folder.
        folder: where the page on the test part is written.
    """
    from trivium.tune.checkpoints import WEIGHTS, restore

    parts = parts_of(plan)
    if not parts.test:
        return {}
    lesson = _lesson(plan, parts)
    restore(lesson.attached, run / "best" / WEIGHTS)
    lesson.attached.model.eval()
    return _tested(plan, parts, lesson, folder)


@dataclass(frozen=True, slots=True)
class _Lesson:
    """The model with its method, the task, and the encoded data. `how` is a `loop.Settings`, `dtype` torch's."""

    folder: Path
    task: str
    device: str
    dtype: Any
    how: Any
    attached: Any
    objective: Any
    prepared: Any


def _lesson(plan: Plan, parts: Parts) -> _Lesson:
    import torch

    from trivium.tune.loop import Settings
    from trivium.tune.objectives import task_for
    from trivium.tune.precision import compute_dtype

    how = Settings(**plan.training)
    task = task_for(parts.train.kind, plan.task or None)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        torch.cuda.set_device(here())
    dtype = compute_dtype(device)
    folder, attached, objective = _opened(plan, parts, task, how.seed, device, dtype)
    prepared = objective.prepare(parts.train.samples)
    return _Lesson(folder, task, device, dtype, how, attached, objective, prepared)


def _opened(plan: Plan, parts: Parts, task: str, seed: int, device: str, dtype: Any) -> tuple[Path, Any, Any]:
    """Return the base's folder, the base with the method on it, and the objective: each time the same, to new heads."""
    import torch

    from trivium.tune.bases import open_base
    from trivium.tune.methods import attach
    from trivium.tune.objectives import Options, labels_of, objective_for

    torch.manual_seed(seed)
    base = open_base(plan.base, task, labels=labels_of(parts.train.samples))
    base.model.to(device)  # before the objective looks where it is
    if plan.checkpointing:
        base.model.gradient_checkpointing_enable({"use_reentrant": False})
    attached = attach(base.model, plan.method, plan.settings, task=task)
    options = Options(longest=plan.longest, tokens=plan.tokens, packed=plan.packed, dtype=dtype, seed=seed)
    return base.folder, attached, objective_for(parts.train.kind, base, attached, parts.train.samples, options)


def _before(plan: Plan, parts: Parts, lesson: _Lesson) -> Before:
    from trivium.tune import memory

    prepared, attached = lesson.prepared, lesson.attached
    share = prepared.trained / max(prepared.tokens, 1)
    estimate = memory.estimate(
        attached, tokens=plan.tokens, longest=max(prepared.lengths), labelled=share, dtype=lesson.dtype
    )
    return Before(
        task=lesson.task,
        base=str(lesson.folder),
        method=plan.method,
        sizes=_sizes(parts),
        notes=_notes(parts, prepared),
        cut=len(prepared.cut),
        preview=prepared.preview,
        trained_tokens=prepared.trained,
        tokens=prepared.tokens,
        parameters=sum(parameter.numel() for parameter in attached.trained().values()),
        all_parameters=sum(parameter.numel() for parameter in attached.model.parameters()),
        memory=memory.describe(estimate),
        free=memory.available(lesson.device),
        dtype=str(lesson.dtype).removeprefix("torch."),
    )


def _carried_out(
    plan: Plan,
    parts: Parts,
    lesson: _Lesson,
    folder: Path,
    resume: bool,
    score: bool,
    on_progress: Callable[[Any], None] | None,
    stop: Callable[[], bool] | None,
) -> dict[str, Any]:
    """Train, save the adapter and the curve, score the test part once; return the report."""
    from trivium.tune.curve import draw_curve
    from trivium.tune.loop import train

    attached, objective = lesson.attached, lesson.objective
    result = train(
        attached,
        objective,
        lesson.prepared,
        lesson.how,
        folder,
        validation=parts.validation,
        dtype=lesson.dtype,
        resume=resume,
        on_progress=on_progress,
        stop=stop,
    )
    report: dict[str, Any] = {
        "run": str(folder),
        "task": lesson.task,
        "method": plan.method,
        "steps": result.steps,
        "loss": result.loss,
        "best": {
            "score": result.best,
            "step": result.best_step,
            "measure": objective.measure,
            "larger_is_better": objective.larger_is_better,
        },
        "seconds": round(result.seconds, 1),
        "tokens_per_second": round(result.tokens_per_second, 1),
        "stopped": result.stopped,
        "parameters": sum(parameter.numel() for parameter in attached.trained().values()),
        "samples": _sizes(parts),
        "notes": _notes(parts, lesson.prepared),
        "cut": len(lesson.prepared.cut),
    }
    if result.stopped == "asked" or not leads():
        return report
    attached.save(folder / ADAPTER)
    if score and parts.test:
        attached.model.eval()
        report |= _tested(plan, parts, lesson, folder)
    draw_curve(result.history, folder / CURVE)
    return report


def _lend_a_hand(plan: Plan, folder: Path, resume: bool) -> Mapping[str, Any]:
    """Train as one of several processes that is not the first: that one keeps the folder and has the report."""
    if read_json(folder / records.RECORD).get("complete"):
        return read_json(folder / REPORT)
    parts = parts_of(plan)
    return _carried_out(plan, parts, _lesson(plan, parts), folder, resume, False, None, None)


def _tested(plan: Plan, parts: Parts, lesson: _Lesson, folder: Path) -> dict[str, Any]:
    """Score the test part, once, against the untuned base and simple systems; see `final.final_test`."""
    from trivium.tune.final import TUNED, final_test, verdict_of, write_final
    from trivium.tune.objectives.inputs import products

    with products(lesson.attached.model, lesson.dtype):  # as in the validation
        final = final_test(
            parts.train.kind,
            lesson.objective,
            lesson.attached,
            parts.train.samples,
            parts.test,
            untuned=_untuned(plan, parts, lesson),
            seed=lesson.how.seed,
        )
    write_final(final, folder)
    systems = {
        name: {score: asdict(value) for score, value in scores.items()} for name, scores in final.systems.items()
    }
    return {"test": systems.pop(TUNED), "against": systems, "verdict": verdict_of(final)}


def _sizes(parts: Parts) -> dict[str, int]:
    return {"train": len(parts.train.samples), "validation": len(parts.validation), "test": len(parts.test)}


def _notes(parts: Parts, prepared: Any) -> dict[str, int]:
    """Return how many samples were mended or left out, by the reason: by cleaning, and as they do not fit the model."""
    counts = {**parts.report, **{name: len(ids) for name, ids in prepared.dropped.items()}}
    return {name: number for name, number in counts.items() if number and name not in _TOTALS}


def _untuned(plan: Plan, parts: Parts, lesson: _Lesson) -> Any:
    """Return the objective on the base loaded anew, where the method has changed its weights; else None."""
    if lesson.attached.method.switchable:
        return None
    _, attached, objective = _opened(plan, parts, lesson.task, lesson.how.seed, lesson.device, lesson.dtype)
    attached.model.eval()
    return objective


def _drawn(given: TrainingSet, limit: int) -> TrainingSet:
    ordered = sorted(given.samples, key=lambda sample: hashlib.sha256(sample.id.encode()).hexdigest())
    return replace(given, samples=tuple(ordered[:limit]))


def digest(plan: Plan) -> str:
    """Return a fingerprint of the files that a plan reads."""
    total = hashlib.sha256()
    for file in filter(None, (plan.data, plan.validation, plan.test)):
        path = Path(file)
        for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if one.is_file():
                total.update(one.read_bytes())
    return total.hexdigest()[:16]


def default_folder(plan: Plan) -> Path:
    """Return the folder of a run that was not named: below `runs/`, by its data, method and settings."""
    name = records.settings_name({"plan": asdict(plan), "cwd": os.fspath(Path.cwd())})
    return Path("runs") / f"tune-{Path(plan.data).stem}-{plan.method}-{name}"
