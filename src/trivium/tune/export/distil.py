"""Distil a model into a smaller one, on the same loop: from the teacher's distribution, or from what it says.

Logits: the student learns the teacher's softened distribution beside the labels (Hinton et al. 2015,
arXiv:1503.02531). Sequence level: the teacher answers, and the student is tuned on its answers (Kim and Rush 2016,
arXiv:1606.07947); for a classifier, on its labels. The second works over different vocabularies. A student without
weights of its own begins as every n-th layer of the teacher (Sanh et al. 2019, arXiv:1910.01108).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from trivium.errors import UnknownName, UsageError
from trivium.index.durable import write_whole
from trivium.models.disk import staged
from trivium.models.gguf_convert import quiet_transformers
from trivium.tune.bases import Base, open_base
from trivium.tune.causal import labelled_logits
from trivium.tune.export.quantise import megabytes, speed
from trivium.tune.export.source import PROBES, find_source, free_place, open_source
from trivium.tune.export.student import answered, open_whole, shrunk
from trivium.tune.loop import Progress, Settings, train
from trivium.tune.methods import METHODS, attach
from trivium.tune.methods.architecture import take_apart
from trivium.tune.methods.base import Attached
from trivium.tune.objectives import Options, labels_of, objective_for, task_for
from trivium.tune.objectives.base import Batch, Objective, Prepared
from trivium.tune.objectives.inputs import products, run_encoder
from trivium.tune.rows import IGNORED
from trivium.tune.run import Parts, Plan, parts_of

Level = Literal["logits", "sequence"]
LEVELS: tuple[Level, ...] = ("logits", "sequence")
MODEL, TABLE = "model", "distilled.json"


@dataclass(frozen=True, slots=True)
class How:
    """How to distil.

    Attributes:
        level: `logits` or `sequence`.
        student: the smaller model, as `open_base` takes one; empty: some layers of the teacher.
        layers: how many of the teacher's layers the student begins with; 0 for half of them.
        method: a key of `methods.METHODS` that merges; `full` for all of the student.
        temperature: by which both distributions are softened; its square weighs the loss, as in the paper.
        weight: of the teacher's loss, 0 to 1; the rest is the labels'.
        written: tokens that the teacher may write for an answer (sequence level).
    """

    level: Level = "logits"
    student: str = ""
    layers: int = 0
    method: str = "full"
    temperature: float = 2.0
    weight: float = 0.7
    written: int = 128


@dataclass(frozen=True, slots=True)
class Row:
    """A model of the table: `score` is the task's own on the test part, NaN without one."""

    name: str
    parameters: int
    megabytes: float
    tokens_per_second: float
    score: float


@dataclass(frozen=True, slots=True)
class Distilled:
    """What came out: the student's folder, and teacher, student before and student after in one table."""

    folder: Path
    measure: str
    larger_is_better: bool
    rows: tuple[Row, ...]
    steps: int
    seconds: float
    stopped: str = ""
    history: tuple[Mapping[str, float], ...] = field(default=())


class Distil:
    """An objective whose loss is the teacher's distribution beside the labels'; all else is the inner objective's.

    Args:
        inner: the student's objective: of dialogues and texts, or of classification.
        student: the method on the student.
        teacher: the larger model, with the student's vocabulary and labels. It is not trained.
        causal: whether the distributions are those of next tokens.
        how: see `How`.
        dtype: of the products.
    """

    def __init__(
        self, inner: Objective, student: Attached, teacher: Any, *, causal: bool, how: How, dtype: torch.dtype
    ) -> None:
        self._inner, self._student, self._teacher = inner, student, teacher.eval().requires_grad_(False)
        self._causal, self._how, self._dtype = causal, how, dtype

    @property
    def measure(self) -> str:
        """See `Objective.measure`."""
        return self._inner.measure

    @property
    def larger_is_better(self) -> bool:
        """See `Objective.larger_is_better`."""
        return self._inner.larger_is_better

    def prepare(self, samples: Sequence[Any]) -> Prepared:
        """See `Objective.prepare`."""
        return self._inner.prepare(samples)

    def collate(self, items: Sequence[Any]) -> list[Batch]:
        """See `Objective.collate`."""
        return self._inner.collate(items)

    def terms(self, batch: Batch) -> int:
        """See `Objective.terms`."""
        return self._inner.terms(batch)

    def scores(self, samples: Sequence[Any]) -> Mapping[str, float]:
        """See `Objective.scores`."""
        return self._inner.scores(samples)

    def loss(self, batch: Batch) -> tuple[Any, int]:
        """Return w T² KL(teacher ‖ student) at temperature T, plus (1 − w) times the cross-entropy, summed."""
        targets = self._targets(batch)
        with torch.no_grad(), products(self._teacher, self._dtype):
            taught = self._logits(self._teacher, batch)
        ours = self._logits(self._student.model, batch).float()
        heat, weight = self._how.temperature, self._how.weight
        soft = nn.functional.kl_div(
            torch.log_softmax(ours / heat, -1),
            torch.log_softmax(taught.float() / heat, -1),
            reduction="sum",
            log_target=True,
        )
        hard = nn.functional.cross_entropy(ours, targets, reduction="sum")
        return weight * heat * heat * soft + (1 - weight) * hard, self.terms(batch)

    def _targets(self, batch: Batch) -> torch.Tensor:
        if not self._causal:
            labels: torch.Tensor = batch["targets"].long()
            return labels
        after = batch["labels"][:, 1:]
        wanted: torch.Tensor = after[after != IGNORED]
        return wanted

    def _logits(self, model: Any, batch: Batch) -> torch.Tensor:
        if not self._causal:
            logits: torch.Tensor = run_encoder(model, batch).logits
            return logits
        wanted = torch.zeros_like(batch["labels"], dtype=torch.bool)
        wanted[:, :-1] = batch["labels"][:, 1:] != IGNORED
        return labelled_logits(model, batch, wanted)


def distil(
    plan: Plan,
    teacher: str,
    folder: Path,
    how: How | None = None,
    *,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Distilled:
    """Distil `teacher` into a smaller model on the data of `plan`, and write it to `folder/model`.

    Args:
        plan: data, lengths and training; its base and method are not used.
        teacher: a run, an adapter's folder, a model's folder, a GGUF file or a name.
        folder: of this run.
        how: see `How`.
        resume: go on from the last good checkpoint.
        on_progress: told after each step.
        stop: asked after each step; a run that was stopped has no model yet.

    Raises:
        UsageError: the data is of another kind, or teacher and student do not go together; says what to take.
        TrainingFailed, StoreFull: see `loop.train`.
    """
    how = how or How()
    _see(how)
    if not resume:
        free_place(folder)
    parts = parts_of(plan)
    kind = parts.train.kind
    if kind not in ("dialogue", "text", "labelled"):
        raise UsageError(
            f"Samples of the kind {kind!r} cannot be distilled on.", "Take dialogues, plain text or labelled texts."
        )
    settings = Settings(**plan.training)
    torch.manual_seed(settings.seed)
    task = task_for(kind, plan.task or None)
    labels = labels_of(parts.train.samples)
    if kind == "labelled" and not labels:
        raise UsageError("These samples have values, not labels.", "Distil a classifier, or tune the smaller model.")
    above = _teacher(teacher, task, labels)
    below = _student(above, how, task)
    _fit(above, below, task, how)
    if how.level == "sequence":
        parts = _taught(parts, above, how, plan)
    options = Options(longest=plan.longest, tokens=plan.tokens, seed=settings.seed, generated=0, fast=False)
    rows = [_row("teacher", above, _judge(kind, above, parts, options), parts)]
    attached = attach(below.model, how.method, None, task=task)
    inner = objective_for(kind, replace(below, model=attached.model), attached, parts.train.samples, options)
    rows.append(_row("student before", below, inner, parts))
    objective: Objective = inner
    if how.level == "logits":
        objective = Distil(inner, attached, above.model, causal=task == "causal", how=how, dtype=torch.float32)
    done = train(
        attached, objective, objective.prepare(parts.train.samples), settings, folder, validation=parts.validation,
        resume=resume, on_progress=on_progress, stop=stop,
    )  # fmt: skip
    rows.append(_row("student after", replace(below, model=attached.model), inner, parts))
    made = Distilled(
        folder / MODEL, inner.measure, inner.larger_is_better, tuple(rows), done.steps, done.seconds, done.stopped,
        done.history,
    )  # fmt: skip
    if done.stopped != "asked":
        merged = attached.merge()
        with staged(folder / MODEL) as staging, quiet_transformers():
            merged.save_pretrained(staging)
            below.tokenizer.save_pretrained(staging)
        kept = {key: value for key, value in asdict(made).items() if key != "history"}
        said = {**kept, "folder": str(made.folder), "how": asdict(how), "teacher": teacher}
        write_whole(folder / TABLE, json.dumps(said, indent=1) + "\n")
    return made


def table(made: Distilled) -> str:
    """Return the models as a Markdown table."""
    lines = [f"| model | parameters | MB | tokens/s | {made.measure} |", "|---|---:|---:|---:|---:|"]
    for row in made.rows:
        lines.append(
            f"| {row.name} | {row.parameters / 1e6:.2f} M | {row.megabytes:.1f} | {row.tokens_per_second:,.0f} | "
            f"{row.score:.4f} |"
        )
    return "\n".join(lines)


def _see(how: How) -> None:
    if how.method not in METHODS:
        raise UnknownName("method", how.method, METHODS)
    if not METHODS[how.method].mergeable:
        raise UsageError(
            f"{METHODS[how.method].title} cannot be merged, and a student is a whole model.", "Take full or lora."
        )
    if how.level not in LEVELS:
        raise UsageError(f"There is no level {how.level!r} of distillation.", f"Choose {' or '.join(LEVELS)}.")
    if not 0 <= how.weight <= 1 or how.temperature <= 0:
        raise UsageError(
            f"A weight of {how.weight} at temperature {how.temperature} is none.",
            "The weight is 0 to 1, the temperature above 0.",
        )


def _teacher(name: str, task: str, labels: tuple[str, ...]) -> Base:
    """Open the teacher, with its adapter in its weights where it has one."""
    place = Path(name).expanduser()
    if place.is_dir():
        source = find_source(place)
        if source.task != task:
            raise UsageError(
                f"{place} is for the task {source.task}, and the data is for {task}.",
                "Tune a teacher on such data first, or give other data.",
            )
        if source.adapter is not None:
            base, attached = open_source(source)
            return replace(base, model=attached.merge())
        if task == "classify":
            return open_whole(place if source.whole is None else source.whole, labels)
    elif task == "classify":
        raise UsageError(
            f"{name} is not tuned to classify.", "Tune a teacher on this data first, and name its run with --teacher."
        )
    return open_base(name or None, task, labels=labels if task == "classify" else ())


def _student(teacher: Base, how: How, task: str) -> Base:
    if not how.student:
        blocks = len(take_apart(teacher.model).blocks)
        return shrunk(teacher, how.layers or max(1, blocks // 2))
    names: tuple[str, ...] = ()
    if task == "classify":
        config = teacher.model.config
        names = tuple(str(config.id2label[number]) for number in range(int(config.num_labels)))
    return open_base(how.student, task, labels=names)


def _fit(teacher: Base, student: Base, task: str, how: How) -> None:
    sizes = [sum(one.numel() for one in base.model.parameters()) for base in (teacher, student)]
    if sizes[1] >= sizes[0]:
        raise UsageError(
            f"The student has {sizes[1]:,} parameters, the teacher {sizes[0]:,}.", "Take a smaller student."
        )
    if how.level == "logits" and teacher.tokenizer.get_vocab() != student.tokenizer.get_vocab():
        raise UsageError(
            "Teacher and student have different vocabularies, so their distributions cannot be compared.",
            "Distil at the sequence level (--level sequence), or take a student of the teacher's family.",
        )


def _taught(parts: Parts, teacher: Base, how: How, plan: Plan) -> Parts:
    """Return the parts with a training split that the teacher answered; the others keep their own answers."""
    said = answered(parts.train.samples, teacher, longest=how.written, tokens=plan.tokens)
    if not said:
        raise UsageError("The teacher answered nothing.", "Take another teacher, or let it write more (--written).")
    return replace(parts, train=replace(parts.train, samples=tuple(said)))


def _judge(kind: str, base: Base, parts: Parts, options: Options) -> Objective:
    bare: Any = _Bare(base.model)
    return objective_for(kind, base, bare, parts.train.samples, options)


def _row(name: str, base: Base, objective: Objective, parts: Parts) -> Row:
    base.model.eval()
    with torch.no_grad():
        scores = objective.scores(parts.test) if parts.test else {}
    return Row(
        name,
        sum(one.numel() for one in base.model.parameters()),
        megabytes(base.model),
        speed(base.model, base.tokenizer, PROBES),
        float(scores.get(objective.measure, float("nan"))),
    )


class _Bare:
    """A model without a method, as objectives want it."""

    settings: Mapping[str, Any] = {}

    def __init__(self, model: Any) -> None:
        self.model, self.method = model, METHODS["full"]
