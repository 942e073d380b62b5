"""Tune an embedder or a reranker for one knowledge base, from material to a decision.

The material is one of: questions with evidence; samples of a file; the knowledge base alone (`unlabelled`); questions
that a chat model writes (`written`). Questions are divided by document: what decides is never trained on.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trivium.errors import UsageError
from trivium.index import Index
from trivium.models.embed import OnnxEmbedder
from trivium.models.rerank import OnnxReranker
from trivium.retrieve.search import search
from trivium.tasks.split import split
from trivium.tasks.training.values import Retrieval
from trivium.tune.bases import Base, open_base
from trivium.tune.loop import Progress, Settings, Trained, train
from trivium.tune.methods import attach
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Objective
from trivium.tune.precision import compute_dtype
from trivium.tune.retrieval import embedder as embedding
from trivium.tune.retrieval import reranker as reranking
from trivium.tune.retrieval.adopt import Decision, adopt_embedder, adopt_reranker
from trivium.tune.retrieval.negatives import mine
from trivium.tune.retrieval.teacher import Teacher, taught
from trivium.types import Example

Role = Literal["embedder", "reranker"]
MODEL = "model"
DECISION = "decision.json"
RATES: Mapping[str, float] = {"full": 2e-5, "freeze": 5e-5, "bitfit": 1e-3}
"""The highest learning rate by method; 5e-4 for the others."""
_KEPT = {"config.json", "model.safetensors", "model.safetensors.index.json", "trivium.json", "README.md"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a retriever is tuned.

    Attributes:
        base: the model; empty for the embedded encoder.
        method: a key of `methods.METHODS`, with its `settings`.
        loss: of `embedder.LOSSES` or `reranker.LOSSES`; empty for contrastive or listwise.
        negatives: mined for each question.
        longest: tokens of a text (of a pair, for a reranker).
        dimensions: shorter vectors that an embedder is trained for too.
        training: how to train: `loop.Settings` by name.
        shares: of the questions for training, for the choice of the checkpoint, and for the decision.
        seed: of split, mining and training.
    """

    base: str = ""
    method: str = "lora"
    settings: Mapping[str, Any] = field(default_factory=dict)
    loss: str = ""
    negatives: int = 4
    longest: int = 192
    dimensions: tuple[int, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came out: the model's folder, how training went, and the decision (None where nothing could decide)."""

    folder: Path
    trained: Trained
    samples: int
    decision: Decision | None


def divided(examples: Sequence[Example], plan: Plan) -> tuple[list[Example], list[Example], list[Example]]:
    """Return the questions with evidence in three parts by document: training, checkpoint, decision."""
    fit = [example for example in examples if example.evidence and not example.unanswerable]
    names = ("train", "validation", "test")
    parts = split(fit, dict(zip(names, plan.shares, strict=True)), seed=plan.seed).parts
    return list(parts["train"]), list(parts["validation"]), list(parts["test"])


def tune_embedder(
    index: Index,
    out: Path,
    examples: Sequence[Example],
    plan: Plan,
    *,
    samples: Sequence[Retrieval] = (),
    teacher: Teacher | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    resume: bool = False,
) -> Tuned:
    """Tune an embedder, convert it to int8, and give it to the knowledge base if it finds more there.

    Args:
        index: the knowledge base.
        out: the run's folder; the model is left in `model/`, the decision in `decision.json`.
        examples: questions with evidence. Their last part decides; without any, nothing is adopted.
        plan: how.
        samples: to train on, instead of the first part of `examples`: of a file, unlabelled, or written.
        teacher: scores the passages, for the losses `margin` and `replug`.
        on_progress: told after each step.
        stop: asked after each step.
        resume: go on from the last checkpoint.

    Raises:
        UsageError: nothing to train on.
        TrainingFailed, StoreFull, ModelError: see their names.
    """
    parts = _parts(index, examples, samples, plan, teacher)
    base = open_base(plan.base or None, "embed")
    attached = attach(base.model, plan.method, plan.settings, task="embed")
    dtype = compute_dtype("cpu")
    loss: Any = plan.loss or "contrastive"
    objective = embedding.Embed(
        attached, base, longest=plan.longest, negatives=plan.negatives, loss=loss, dimensions=plan.dimensions,
        dtype=dtype,
    )  # fmt: skip
    result = _train(attached, objective, parts, plan, out, dtype, on_progress, stop, resume)
    folder = save_whole(attached, base, out / MODEL)
    decision = adopt_embedder(index, folder, OnnxEmbedder(folder), parts.test) if parts.test else None
    _write(out, decision)
    return Tuned(folder, result, len(parts.train), decision)


def tune_reranker(
    index: Index,
    out: Path,
    examples: Sequence[Example],
    plan: Plan,
    *,
    samples: Sequence[Retrieval] = (),
    teacher: Teacher | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    resume: bool = False,
) -> Tuned:
    """Tune a cross-encoder on what the search of this knowledge base finds; see `tune_embedder` for the arguments.

    It is kept with the knowledge base, as `reranker/`, if it wins on the questions that decide.
    """
    parts = _parts(index, examples, samples, plan, teacher)
    base = open_base(plan.base or None, "classify")
    attached = attach(base.model, plan.method, plan.settings, task="classify")
    dtype = compute_dtype("cpu")
    loss: Any = plan.loss or "listwise"
    objective = reranking.Rerank(
        attached, base.tokenizer, longest=plan.longest, negatives=plan.negatives, loss=loss, dtype=dtype
    )
    result = _train(attached, objective, parts, plan, out, dtype, on_progress, stop, resume)
    folder = save_whole(attached, base, out / MODEL)
    decision = adopt_reranker(index, folder, OnnxReranker(folder), parts.test) if parts.test else None
    _write(out, decision)
    return Tuned(folder, result, len(parts.train), decision)


@dataclass(frozen=True, slots=True)
class _Parts:
    train: list[Retrieval]
    validation: list[Retrieval]
    test: list[Example]


def _parts(
    index: Index, examples: Sequence[Example], samples: Sequence[Retrieval], plan: Plan, teacher: Teacher | None
) -> _Parts:
    train, validation, test = divided(examples, plan) if examples else ([], [], [])
    mined = {
        name: list(mine(index, of, negatives=plan.negatives, seed=plan.seed).samples) if of else []
        for name, of in (("train", [] if samples else train), ("validation", validation))
    }
    if samples:
        deciding = {gold.source for example in (*validation, *test) for gold in example.evidence}
        mined["train"] = [sample for sample in samples if sample.group not in deciding]
    if not mined["train"]:
        raise UsageError(
            "There is nothing to train on.",
            "Give questions with evidence in this knowledge base, or train without labels (--unlabelled).",
        )
    if not mined["validation"]:
        draw = list(mined["train"])
        random.Random(plan.seed).shuffle(draw)
        cut = max(1, len(draw) // 20)
        mined = {"train": draw[cut:] or draw, "validation": draw[:cut]}
    if teacher is not None:
        mined = {name: taught(of, teacher) for name, of in mined.items()}
    return _Parts(mined["train"], mined["validation"], test)


def _train(
    attached: Attached,
    objective: Objective,
    parts: _Parts,
    plan: Plan,
    out: Path,
    dtype: Any,
    on_progress: Callable[[Progress], None] | None,
    stop: Callable[[], bool] | None,
    resume: bool,
) -> Trained:
    how = {"rate": RATES.get(plan.method, 5e-4), "seed": plan.seed, **plan.training}
    validation = [sample for sample in parts.validation if sample.positives][:200]
    return train(
        attached,
        objective,
        objective.prepare(parts.train),
        Settings(**how),
        out,
        validation=validation,
        dtype=dtype,
        resume=resume,
        on_progress=on_progress,
        stop=stop,
    )


def save_whole(attached: Attached, base: Base, folder: Path) -> Path:
    """Merge what was trained into the base and write a model folder, with the tokenizer and the pooling of the base.

    Raises:
        NotMergeable: the method adds what no weight can hold, so that the ONNX graph cannot run it.
    """
    model = attached.merge()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    for file in sorted(base.folder.rglob("*")):
        if (file.is_file() and file.name not in _KEPT) or (file.parent != base.folder and file.is_file()):
            to = folder / file.relative_to(base.folder)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)
    return folder


def _write(out: Path, decision: Decision | None) -> None:
    if decision is None:
        return
    said = {
        "before": decision.before.mean,
        "after": decision.after.mean,
        "gain": [decision.gain.mean, decision.gain.low, decision.gain.high],
        "questions": decision.gain.n,
        "adopted": decision.adopted,
    }
    (out / DECISION).write_text(json.dumps(said, indent=2) + "\n", "utf-8")


def finder(index: Index) -> Callable[[str, int], list[tuple[str, str]]]:
    """Return the knowledge base's search as `unlabelled.with_negatives` wants it: documents and texts."""
    return lambda question, k: [(hit.chunk.document_id, hit.chunk.text) for hit in search(index, question, k=k)]
