"""The loop: one thin layer over `transformers.Trainer`, so that several GPUs and machines are `accelerate launch`.

What is added: batches cut into micro-batches by tokens, losses that are sums divided by what the whole step learns,
checkpoints of what is trained alone that are whole or not at all, validation by the task's own score, the best
checkpoint, early stopping, and errors that say what to do.
"""

from __future__ import annotations

import contextlib
import errno
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate.utils import convert_outputs_to_fp32
from torch.utils.data import Dataset

from trivium.errors import StoreFull, TrainingFailed
from trivium.models.gguf_convert import quiet_transformers
from trivium.tune.batches import LikeLengths
from trivium.tune.checkpoints import WEIGHTS, clear, last_whole, restore, save_trained, seal, step_of
from trivium.tune.history import History
from trivium.tune.methods.base import Attached
from trivium.tune.objectives.base import Batch, Objective, Prepared
from trivium.tune.processes import agreed, count, leads, see_whole, summed

_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train.

    Attributes:
        epochs: times that each sample is seen; `steps`, where it is above 0, is the number of steps instead.
        batch: rows of one optimiser step.
        accumulate: batches whose gradients make one step.
        rate: the highest learning rate.
        schedule: `linear`, `cosine` or `constant`, each after the warm-up.
        warmup: the share of the steps in which the rate rises.
        layer_decay: each layer below the highest learns at this times the rate of the one above; 1 for the same.
        decay: of the weights (AdamW).
        clip: the largest norm of the gradient.
        every: steps between two checkpoints, each with a validation; 0 for four in the run.
        patience: validations without a better score before the run stops; 0 to never stop early.
        seconds: the longest that training may take; 0 for no limit.
        seed: of the order, the new weights and the dropout.
    """

    epochs: float = 1.0
    steps: int = 0
    batch: int = 16
    accumulate: int = 1
    rate: float = 2e-4
    schedule: str = "linear"
    warmup: float = 0.05
    layer_decay: float = 1.0
    decay: float = 0.0
    clip: float = 1.0
    every: int = 0
    patience: int = 0
    seconds: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is. `tokens` a second are those that the model reads; `left` is in seconds."""

    step: int
    steps: int
    loss: float
    rate: float
    tokens: float
    left: float


@dataclass(frozen=True, slots=True)
class Trained:
    """What came out: steps taken, the best validation and where, and the speed."""

    steps: int
    loss: float
    best: float | None
    best_step: int
    seconds: float
    tokens_per_second: float
    stopped: str = ""
    history: tuple[Mapping[str, float], ...] = field(default=())


def train(
    attached: Attached,
    objective: Objective,
    prepared: Prepared,
    settings: Settings,
    folder: Path,
    *,
    validation: Sequence[Any] = (),
    dtype: torch.dtype = torch.float32,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Trained:
    """Train what is attached, and leave it with the weights of the best validation (the last ones without any).

    Args:
        attached: the model with its method.
        objective: the task.
        prepared: what `objective.prepare` made of the training split.
        settings: how.
        folder: of the run: `checkpoints/`, `best/` and `history.jsonl` are written here.
        validation: samples that choose the best checkpoint.
        dtype: bfloat16 for automatic mixed precision.
        resume: go on from the newest whole checkpoint, where there is one.
        on_progress: told after each step.
        stop: asked after each step; true ends the run with a checkpoint, as if it had been killed then.

    Of several processes the first alone writes, validates and is asked; see `processes`.

    Raises:
        UsageError: several processes hold a part of the model each.
        TrainingFailed: the loss is no number, or the memory is used up; says what to lower.
        StoreFull: a checkpoint could not be written; the one before is whole.
    """
    see_whole()
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints = folder / "checkpoints"
    start = last_whole(checkpoints) if resume else None
    if leads():
        clear(folder, resume)
    history = History(folder / "history.jsonl" if leads() else None, keep=step_of(start))
    watch = _Watch(attached, objective, settings, folder, validation, history, on_progress, stop, prepared)
    with quiet_transformers():
        loop = _Loop(attached, objective, prepared, settings, checkpoints, dtype, watch)
        try:
            if start is not None and step_of(start) >= loop.args.max_steps:  # killed after its last step
                restore(attached, start / WEIGHTS)
                loop.state.global_step = step_of(start)
            else:
                loop.train(resume_from_checkpoint=str(start) if start else None)
        except (RuntimeError, MemoryError, OSError) as error:
            raise _explained(error, folder) from error
        finally:
            history.close()
    best = folder / "best" / WEIGHTS
    if validation and best.exists():
        restore(attached, best)
    return watch.result(loop.state.global_step)


class _Lesson(torch.nn.Module):
    """The model with its loss, as one module: what accelerate wraps.

    DDP and its like share gradients where they are called themselves. A loss that calls the model inside of them would
    train each process alone.
    """

    def __init__(self, attached: Attached, objective: Objective) -> None:
        super().__init__()
        self.model = attached.model
        self._attached, self._objective = attached, objective

    def forward(self, batch: Batch, scale: float, penalty: float) -> torch.Tensor:
        """Return the loss of a micro-batch times `scale`, and the method's own penalty times `penalty`."""
        loss: torch.Tensor = self._objective.loss(batch)[0] * scale
        return loss + self._attached.penalty() * penalty if penalty else loss


class _Loop(transformers.Trainer):
    """Trainer with our batches, our loss and our checkpoints."""

    def __init__(
        self,
        attached: Attached,
        objective: Objective,
        prepared: Prepared,
        settings: Settings,
        checkpoints: Path,
        dtype: torch.dtype,
        watch: _Watch,
    ) -> None:
        self._attached, self._objective, self._prepared, self._how = attached, objective, prepared, settings
        self._watch = watch
        on_cpu = not torch.cuda.is_available()
        batches = math.ceil(len(prepared.items) / settings.batch / count())
        total = settings.steps or max(1, math.ceil(settings.epochs * batches / settings.accumulate))
        watch.every = settings.every or max(1, math.ceil(total / 4))
        arguments = transformers.TrainingArguments(
            output_dir=str(checkpoints),
            per_device_train_batch_size=settings.batch,
            gradient_accumulation_steps=settings.accumulate,
            max_steps=total,
            learning_rate=settings.rate,
            lr_scheduler_type=_SCHEDULES[settings.schedule],
            warmup_steps=math.ceil(settings.warmup * total),
            weight_decay=settings.decay,
            max_grad_norm=settings.clip,
            seed=settings.seed,
            use_cpu=on_cpu,
            save_strategy="steps",
            save_steps=watch.every,
            save_total_limit=2,
            eval_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=not on_cpu,
        )
        arguments._n_gpu = min(arguments.n_gpu, 1)  # several GPUs are several processes
        super().__init__(
            model=_Lesson(attached, objective),
            args=arguments,
            train_dataset=_Items(prepared.items),
            data_collator=objective.collate,
            callbacks=[watch],
        )
        self.remove_callback(transformers.PrinterCallback)
        if dtype is torch.bfloat16:  # the model's own products, and not those of a loss
            half = torch.autocast(arguments.device.type, torch.bfloat16)
            attached.model.forward = convert_outputs_to_fp32(half(attached.model.forward))

    def _get_train_sampler(self, *_: Any, **__: Any) -> LikeLengths:
        return LikeLengths(self._prepared.lengths, self._how.batch, self._how.seed)

    def _get_num_items_in_batch(self, batch_samples: Sequence[Any], device: Any) -> torch.Tensor:
        terms = sum(self._objective.terms(micro) for batch in batch_samples for micro in batch)
        return summed(torch.tensor(terms, device=device)).clamp(min=1)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Take the gradients of one batch, micro-batch after micro-batch; the loss is the mean over the whole step."""
        model.train()
        batches = self._prepare_inputs(inputs)
        scale = count() / float(num_items_in_batch)  # DDP takes the mean over the processes
        total = torch.zeros((), device=self.args.device)
        for number, batch in enumerate(batches):
            last = number == len(batches) - 1
            penalty = 1 / self.current_gradient_accumulation_steps if last else 0.0
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                loss = model(batch, scale, penalty)
                self.accelerator.backward(loss)
            total += loss.detach()
        total = summed(total) / count()
        self._watch.add(float(total))
        if not bool(torch.isfinite(total)):
            raise TrainingFailed(
                f"The loss is {float(total)} at step {self.state.global_step + 1}: the run has diverged.",
                f"Lower --rate (it is {self._how.rate:g}), or raise --warmup; --resume goes on from the last good "
                "checkpoint.",
            )
        return total

    optimizer: Any

    def create_optimizer(self, *given: Any, **more: Any) -> Any:
        """AdamW over what is trained, with a rate of its own for each layer where that is asked."""
        if self.optimizer is None:
            groups = _groups(self._attached, self._how)
            fused = self.args.device.type == "cuda"
            self.optimizer = torch.optim.AdamW(groups, lr=self._how.rate, weight_decay=self._how.decay, fused=fused)
        return self.optimizer

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        if self.args.should_save:
            save_trained(self._attached, Path(output_dir or self.args.output_dir) / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        restore(self._attached, Path(resume_from_checkpoint) / WEIGHTS)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        place = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        if self.args.should_save:
            seal(place)


class _Watch(transformers.TrainerCallback):
    """What happens between steps: history, validation, the best weights, stopping."""

    def __init__(
        self,
        attached: Attached,
        objective: Objective,
        settings: Settings,
        folder: Path,
        validation: Sequence[Any],
        history: History,
        on_progress: Callable[[Progress], None] | None,
        stop: Callable[[], bool] | None,
        prepared: Prepared,
    ) -> None:
        self._attached, self._objective, self._settings = attached, objective, settings
        self._best_file = folder / "best" / WEIGHTS
        self._validation, self._history = validation, history
        self._on_progress, self._stop = on_progress, stop
        rows = settings.batch * settings.accumulate * count()
        self._tokens = sum(prepared.lengths) / len(prepared.lengths) * rows
        self.every = 1
        self.stopped = ""
        self._loss = 0.0
        self._spent = history.seconds
        self._taken = 0
        self._began = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def add(self, loss: float) -> None:
        """Add a batch's part of the step's loss."""
        self._loss += loss

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell the method."""
        self._attached.on_step(state.global_step + 1, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Take note of the step, and stop where there is reason to."""
        if leads():
            self._note(state.global_step, state.max_steps, more["lr_scheduler"].get_last_lr()[0])
        self.stopped = agreed(self.stopped)
        if self.stopped:
            control.should_training_stop = True
            control.should_save = True

    def _note(self, step: int, steps: int, rate: float) -> None:
        """Write down the step, validate where it is time, and find out whether there is reason to stop."""
        self._taken += 1
        seconds = time.perf_counter() - self._began
        self._spent = self._history.seconds + seconds
        loss, self._loss = self._loss, 0.0
        due = step % self.every == 0 or step >= steps
        line: dict[str, float] = {"step": step, "loss": loss, "rate": rate, "seconds": round(self._spent, 3)}
        enough = 0 < self._settings.seconds <= self._spent
        asked = self._stop is not None and self._stop()
        if (due or enough) and self._validation:
            self._attached.model.eval()
            line |= {f"validation_{name}": value for name, value in self._objective.scores(self._validation).items()}
            self._attached.model.train()
            self._judge(step, line)
        self._history.add(line)
        if self._on_progress is not None:
            left = seconds / self._taken * (steps - step)
            self._on_progress(Progress(step, steps, loss, rate, self._tokens * self._taken / seconds, left))
        if asked or enough:
            self.stopped = self.stopped or ("asked" if asked else "time is up")

    def _judge(self, step: int, line: Mapping[str, float]) -> None:
        """Keep the weights if the validation in `line` is the best so far; stop where too many were none."""
        before = self._validations()
        if not before or self._worth(line) > self._worth(self._best(before)):
            save_trained(self._attached, self._best_file)
            return
        best_step = self._best(before)["step"]
        since = 1 + sum(row["step"] > best_step for row in before)
        if 0 < self._settings.patience <= since:
            self.stopped = f"no better {self._objective.measure} in {since} validations"

    @property
    def _measure(self) -> str:
        return f"validation_{self._objective.measure}"

    def _validations(self) -> list[Mapping[str, float]]:
        return [row for row in self._history.rows if self._measure in row]

    def _worth(self, row: Mapping[str, float]) -> float:
        """Return the score of a validation so that larger is better."""
        return row[self._measure] if self._objective.larger_is_better else -row[self._measure]

    def _best(self, rows: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
        return max(rows, key=self._worth)  # of equals the first

    def result(self, steps: int) -> Trained:
        """Return what came out."""
        rows = self._validations()
        best = self._best(rows) if rows else None
        taken = max(time.perf_counter() - self._began, 1e-9)
        return Trained(
            steps,
            self._history.rows[-1]["loss"] if self._history.rows else float("nan"),
            best[self._measure] if best else None,
            int(best["step"]) if best else steps,
            self._spent,
            self._tokens * self._taken / taken,
            self.stopped,
            tuple(self._history.rows),
        )


class _Items(Dataset[Any]):
    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: int) -> Any:
        return self._items[place]


def _groups(attached: Attached, settings: Settings) -> list[dict[str, Any]]:
    """Return what is trained by learning rate; norms and biases are not decayed."""
    groups: dict[tuple[float, float], list[Any]] = {}
    numbers = {name: re.search(r"\.(?:layers?|h|block)\.(\d+)\.", name) for name in attached.trained()}
    highest = max((int(match[1]) for match in numbers.values() if match), default=0)
    for name, parameter in attached.trained().items():
        match = numbers[name]
        below = highest - int(match[1]) if match else (highest + 1 if "embed" in name or "wte" in name else 0)
        decay = 0.0 if parameter.ndim < 2 else settings.decay
        groups.setdefault((settings.rate * settings.layer_decay**below, decay), []).append(parameter)
    return [{"params": group, "lr": rate, "weight_decay": decay} for (rate, decay), group in groups.items()]


def _explained(error: Exception, folder: Path) -> Exception:
    """Return a clear error for what training died of, or the error itself."""
    text = str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return TrainingFailed(
            "Training ran out of memory.",
            "Lower --tokens (of a micro-batch) or --longest (of a sample), take --checkpointing or a smaller method; "
            "--resume goes on from the last good checkpoint.",
        )
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
    if full or "No space left" in text or "PytorchStreamWriter" in text or "I/O error" in text:
        return StoreFull(
            f"{folder} cannot be written: {text.splitlines()[0]}.",
            "Free some space, then go on with --resume: the checkpoint before is whole.",
        )
    return error
