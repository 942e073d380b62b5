"""Tune an embedder or a reranker for one knowledge base, from material to a decision.

A run is a folder, as any tuning run's: `run.json`, `history.jsonl`, `checkpoints/`, `best/`, `curve.png` and
`report.json`; `model/` is the whole model, which runs without torch.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trivium.errors import NotMergeable, UnknownName, UsageError
from trivium.evaluate import record as records
from trivium.extras import need
from trivium.index import Index
from trivium.index.durable import read_json, write_whole
from trivium.models.adapters import SETTINGS
from trivium.models.base import Chat
from trivium.models.embed import OnnxEmbedder
from trivium.models.encoder_config import read_config
from trivium.models.gguf_convert import quiet_transformers
from trivium.models.rerank import OnnxReranker
from trivium.tune.bases import Base, base_folder
from trivium.tune.methods import METHODS, attach
from trivium.tune.processes import count
from trivium.tune.retrieval.adopt import DEPTH, EMBEDDER, Decision, adopt_embedder, adopt_reranker, check_room
from trivium.tune.retrieval.material import Given, Material, OnStage, gather
from trivium.tune.retrieval.plan import CHAT, LOSSES, Plan, Role
from trivium.tune.run import CURVE, REPORT, taken_up

MODEL = "model"
RATES: Mapping[str, float] = {"full": 2e-5, "freeze": 5e-5, "bitfit": 1e-3}
"""The highest learning rate by method; 5e-4 for the others."""
_TASKS: Mapping[Role, str] = {"embedder": "embed", "reranker": "classify"}
_LEFT = {"config.json", "model.safetensors", "model.safetensors.index.json", "trivium.json", "README.md", SETTINGS}

Watch = tuple[Callable[[Any], None] | None, Callable[[], bool] | None]
"""Told after each step (`loop.Progress`), and asked whether to stop."""


@dataclass(frozen=True, slots=True)
class _Lesson:
    """The model with its method, the objective and the encoded samples. `how` is a `loop.Settings`, `dtype` torch's."""

    base: Base
    attached: Any
    objective: Any
    prepared: Any
    how: Any
    dtype: Any
    prior: float


def tune_retriever(
    role: Role,
    index: Index,
    plan: Plan,
    out: Path,
    *,
    given: Given | None = None,
    chat: Callable[[], Chat] | None = None,
    on_stage: OnStage | None = None,
    watching: Callable[[], AbstractContextManager[Watch]] | None = None,
    resume: bool = False,
    command: Sequence[str] = (),
) -> Mapping[str, Any]:
    """Tune a retriever, convert it to int8, and give it to the knowledge base if it finds more there.

    Args:
        role: what is tuned. An embedder that wins re-embeds the knowledge base, next to its old vectors; a reranker
            that wins is kept with it.
        index: the knowledge base.
        plan: how.
        out: the run's folder.
        given: questions and samples; the last part of the questions decides, and without any nothing is adopted.
        chat: gives the chat model, for a plan that needs one.
        on_stage: told how everything but training goes.
        watching: entered while it trains; gives what is told after each step and asked whether to stop.
        resume: go on from the last checkpoint.
        command: for the record.

    Returns:
        The report, which is also written into the run's folder unless training was stopped.

    Raises:
        UsageError: the plan cannot be carried out; says why and what to take instead.
        TrainingFailed, StoreFull, StoreBusy, ModelError: see their names.
    """
    need("torch", extra="tune")
    given = given or Given()
    tell: OnStage = on_stage or (lambda what, done, total: None)
    base = _base(role, index, plan)
    _check(role, index, plan, base, given)
    settings = {"role": role, "plan": asdict(plan), "data": given.digest, "kb": str(index.root)}
    with records.holding(out):
        record = taken_up(out, settings, command, resume)
        if record is not None and record.complete:
            return read_json(out / REPORT)
        material = gather(index, given, plan, chat=chat, on_stage=tell)
        record = record or records.begin(out, settings, command)
        lesson = _lesson(role, base, plan, material)
        with watching() if watching else nullcontext((None, None)) as (show, stop):
            trained = _train(lesson, material, out, show, stop, resume)
        report = _report(role, plan, material, lesson, trained, out)
        done = trained.stopped != "asked"
        if done:
            folder = _save(lesson, out / MODEL)
            report |= {"model": str(folder), **_judged(_adopted(role, index, folder, material, tell))}
            write_whole(out / REPORT, json.dumps(report, indent=1) + "\n")
        records.end(out, record, asked=trained.steps, seconds=trained.seconds, complete=done)
        return report


def _base(role: Role, index: Index, plan: Plan) -> str:
    """Return the spec of the model that is tuned; empty for the embedded encoder."""
    own = index.root / role
    return plan.base or (str(own) if (own / "config.json").is_file() else "")


def _check(role: Role, index: Index, plan: Plan, base: str, given: Given) -> None:
    """See that nothing will fail at the end of the training that can be known before it."""
    if count() > 1:
        raise UsageError(
            f"{count()} processes would each tune and judge a retriever.", "Run it without `accelerate launch`."
        )
    if plan.loss and plan.loss not in LOSSES[role]:
        raise UnknownName("loss", plan.loss, LOSSES[role])
    if plan.method not in METHODS:
        raise UnknownName("method", plan.method, [name for name, method in METHODS.items() if method.mergeable])
    if not METHODS[plan.method].mergeable:
        raise NotMergeable(
            f"{METHODS[plan.method].title} adds what no weight can hold, so that no ONNX graph could run it.",
            "Take a method that merges: " + ", ".join(name for name, method in METHODS.items() if method.mergeable),
        )
    hidden = read_config(base_folder(base, _TASKS[role])).hidden
    if plan.dimensions and role == "reranker":
        raise UsageError("A reranker has no vectors to shorten.", "Leave --dimensions away.")
    for size in plan.dimensions:
        if not 0 < size <= hidden:
            raise UsageError(
                f"Vectors of {size} dimensions cannot be cut from {hidden}.", f"Name lengths from 1 to {hidden}."
            )
    if role == "embedder" and given.examples:
        check_room(index)


def _lesson(role: Role, base: str, plan: Plan, material: Material) -> _Lesson:
    import torch

    from trivium.tune.bases import open_base
    from trivium.tune.loop import Settings
    from trivium.tune.precision import compute_dtype
    from trivium.tune.retrieval.embedder import Embed
    from trivium.tune.retrieval.reranker import Rerank, best_prior

    torch.manual_seed(plan.seed)
    opened = open_base(base, _TASKS[role])
    attached = attach(opened.model, plan.method, plan.settings, task=_TASKS[role])
    dtype = compute_dtype("cuda" if torch.cuda.is_available() else "cpu")
    loss: Any = _loss(role, plan)
    prior = best_prior(material.train) if role == "reranker" and loss != "margin" else 0.0
    objective: Any
    if role == "embedder":
        objective = Embed(
            attached, opened, longest=plan.longest, negatives=plan.negatives, loss=loss, dimensions=plan.dimensions,
            dtype=dtype,
        )  # fmt: skip
    else:
        objective = Rerank(
            attached, opened.tokenizer, longest=plan.longest, negatives=plan.negatives, loss=loss, prior=prior,
            dtype=dtype,
        )  # fmt: skip
    how = Settings(**{"rate": RATES.get(plan.method, 5e-4), "seed": plan.seed, **plan.training})
    return _Lesson(opened, attached, objective, objective.prepare(material.train), how, dtype, prior)


def _loss(role: Role, plan: Plan) -> str:
    if plan.loss or not plan.teacher:
        return plan.loss or LOSSES[role][0]
    return "replug" if role == "embedder" and plan.teacher == CHAT else "margin"


def _train(lesson: _Lesson, material: Material, out: Path, show: Any, stop: Any, resume: bool) -> Any:
    from trivium.tune.loop import train

    return train(
        lesson.attached,
        lesson.objective,
        lesson.prepared,
        lesson.how,
        out,
        validation=material.validation,
        dtype=lesson.dtype,
        resume=resume,
        on_progress=show,
        stop=stop,
    )


def _report(role: Role, plan: Plan, material: Material, lesson: _Lesson, trained: Any, out: Path) -> dict[str, Any]:
    from trivium.tune.curve import draw_curve

    draw_curve(trained.history, out / CURVE)
    validations = [row for row in trained.history if f"validation_{lesson.objective.measure}" in row]
    best: Mapping[str, float] = next((row for row in validations if row["step"] == trained.best_step), {})
    dropped = {name: len(ids) for name, ids in lesson.prepared.dropped.items() if ids}
    return {
        "run": str(out),
        "task": role,
        "method": plan.method,
        "samples": lesson.prepared.samples,
        "validation_samples": len(material.validation),
        "deciding": len(material.test),
        "left_out": {**material.left_out, **dropped},
        "steps": trained.steps,
        "loss": trained.loss,
        "best": {"score": trained.best, "step": trained.best_step, "measure": lesson.objective.measure},
        "validation": {name.removeprefix("validation_"): best[name] for name in best if name.startswith("validation_")},
        "seconds": round(trained.seconds, 1),
        "tokens_per_second": round(trained.tokens_per_second, 1),
        "stopped": trained.stopped,
        "parameters": sum(parameter.numel() for parameter in lesson.attached.trained().values()),
    }


def _save(lesson: _Lesson, folder: Path) -> Path:
    save_whole(lesson.attached, lesson.base, folder)
    if lesson.prior:
        write_whole(folder / SETTINGS, json.dumps({"prior": lesson.prior}) + "\n")
    return folder


def save_whole(attached: Any, base: Base, folder: Path) -> Path:
    """Merge what was trained into the base and write a model folder, with the tokenizer and the pooling of the base.

    Raises:
        NotMergeable: the method adds what no weight can hold, so that the ONNX graph cannot run it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with quiet_transformers():
        attached.merge().save_pretrained(folder)
    for file in sorted(base.folder.rglob("*")):
        inside = file.relative_to(base.folder)
        if file.is_file() and str(inside) not in _LEFT:
            to = folder / inside
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)
    return folder


def _adopted(role: Role, index: Index, folder: Path, material: Material, tell: OnStage) -> Decision | None:
    if not material.test:
        return None
    if role == EMBEDDER:
        return adopt_embedder(
            index, folder, OnnxEmbedder, material.test, on_rows=lambda done, total: tell("Embedding anew", done, total)
        )
    return adopt_reranker(index, folder, OnnxReranker, material.test)


def _judged(decision: Decision | None) -> dict[str, Any]:
    """Return a decision as it stands in the report; `test` and `against` are what `trivium runs` compares."""
    if decision is None:
        return {"decision": None}
    measure = f"ndcg@{DEPTH}"
    return {
        "decision": {
            "gain": asdict(decision.gain), "adopted": decision.adopted, "kept": decision.kept, "said": str(decision),
        },
        "test": {measure: asdict(decision.after)},
        "against": {"before": {measure: asdict(decision.before)}},
    }  # fmt: skip
