"""The adapters that a comparison trains itself, from its training questions or from the user's training data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.advise.arms import RAFT, TUNED
from trivium.advise.bench import Bench
from trivium.errors import UsageError
from trivium.models.chat import split_spec
from trivium.types import Chunk, Example, Hit, Message

if TYPE_CHECKING:
    from trivium.index import Index
    from trivium.tasks.training.values import TrainingSet


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that was trained: where it is, in how many seconds, from how many samples, and how large."""

    place: str
    seconds: float
    samples: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Tuning:
    """How the adapters are trained: `trivium tune`'s settings by name, and the most minutes for each."""

    method: str = "lora"
    settings: Mapping[str, Any] | None = None
    epochs: float = 3.0
    rate: float = 5e-4
    batch: int = 8
    minutes: float = 15.0
    data: str = ""
    """The user's training data; "" to tune on the training questions."""


def train_adapter(
    name: str,
    bench: Bench,
    train: Sequence[Example],
    validation: Sequence[Example],
    test: Sequence[Example],
    tuning: Tuning,
    folder: Path,
    *,
    seed: int = 0,
    on_progress: Callable[[Any], None] | None = None,
) -> Adapter:
    """Train one of `arms.TRAINED`, or go on where an earlier call was stopped, or return what is there.

    Args:
        name: `tuned` learns answers to bare questions, `raft` answers from passages.
        bench: the models and the knowledge base.
        train: the questions to learn from; `tuned` learns from `tuning.data` instead, where that is given.
        validation: choose the checkpoint.
        test: never trained on; samples of the user's data that repeat one of them are left out.
        tuning: how.
        folder: where the run and the adapter are kept.
        seed: of the order and the new weights.
        on_progress: told after each step.

    Raises:
        UsageError: the model cannot be tuned here, or there is nothing to learn from.
        MissingExtra: the extra `tune` is not installed.
        TrainingFailed: see `trivium.tune.loop.train`.
    """
    from trivium.tasks.training.write import write_training
    from trivium.tune.run import Plan, tune

    if bench.remote:
        raise UsageError("A model behind an endpoint cannot be tuned here.", "Give a GGUF file or a model folder.")
    base, _ = split_spec(bench.chat)
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    material = {"train": _learnt(name, bench, train, test, tuning, seed)}
    if name == RAFT or not tuning.data:
        material["validation"] = _learnt(name, bench, validation, test, tuning, seed) if validation else None
    for part, samples in material.items():
        if samples is not None:
            files[part] = str(folder / f"{part}.jsonl")
            write_training(files[part], samples)
    training = {
        "epochs": tuning.epochs, "rate": tuning.rate, "batch": tuning.batch, "seconds": tuning.minutes * 60,
        "schedule": "cosine", "seed": seed,
    }  # fmt: skip
    plan = Plan(
        files["train"], base, tuning.method, dict(tuning.settings or {}), validation=files.get("validation", ""),
        training=training, tested=False,
    )  # fmt: skip
    run = folder / "run"
    report = tune(plan, run, resume=(run / "run.json").exists(), on_progress=on_progress)
    place = _placed(run, base)
    samples = material["train"]
    assert samples is not None
    return Adapter(str(place), float(report["seconds"]), len(samples.samples), _bytes(place))


def _learnt(
    name: str, bench: Bench, examples: Sequence[Example], test: Sequence[Example], tuning: Tuning, seed: int
) -> TrainingSet | None:
    """Return the samples of one part."""
    from trivium.tasks.training.clean import clean
    from trivium.tasks.training.convert import dialogues_of
    from trivium.tasks.training.read import read_training
    from trivium.tasks.training.values import TrainingSet

    if name == TUNED and tuning.data:
        return clean(read_training(tuning.data), test=test)
    if name == TUNED:
        found = dialogues_of(examples)
    else:
        if bench.index is None:
            raise UsageError("Grounded samples need a knowledge base.", "Give its folder with --kb.")
        found = grounded_samples(examples, bench, bench.index, seed)
    if not found:
        raise UsageError("There are no training questions with answers.", "Give more questions, or --train DATA.")
    return TrainingSet("dialogue", tuple(found), name, {}, (), name)


def grounded_samples(examples: Sequence[Example], bench: Bench, index: Index, seed: int) -> tuple[Any, ...]:
    """Return RAFT samples (Zhang et al. 2024, arXiv:2403.10131) in the prompt of run time, over the stored chunks.

    Distractors are what the knowledge base's own search finds beside the gold passage.
    """
    from trivium.generate.answer_prompt import shown
    from trivium.generate.manner import TUNED as MANNER
    from trivium.generate.tuned import REFUSAL
    from trivium.models.chat import open_chat
    from trivium.retrieve.search import search
    from trivium.tasks.training.raft import raft

    counter = open_chat(split_spec(bench.chat)[0] or None)

    def show(question: str, hits: Sequence[Hit]) -> tuple[Sequence[Message], Sequence[Hit]]:
        messages, framed = shown(question, hits, counter, MANNER)
        return messages, framed.hits

    try:
        made = raft(
            examples,
            stored_chunks(index, bench.principals),
            show=show,
            refusal=lambda _: REFUSAL,
            distractors=(0, 2),
            without=0.15,
            target="cited",
            search=lambda question, n: search(index, question, k=n, principals=bench.principals),
            seed=seed,
        )
    finally:
        getattr(counter, "close", lambda: None)()
    return made.samples


def stored_chunks(index: Index, principals: Sequence[str] | None) -> list[Chunk]:
    """Return all chunks that an asker may read."""
    from trivium.index.rows import CHUNK_COLUMNS, load_chunk
    from trivium.index.where import Among, every, readable_by

    where = every([Among("kind", ("chunk",)), readable_by(principals)])
    return [load_chunk(row) for row in index.store.rows(where, CHUNK_COLUMNS)]


def _placed(run: Path, base: str) -> Path:
    """Return the adapter in the form that the chat model takes: GGUF for llama.cpp, the folder for Transformers."""
    from trivium.tune.export.targets import Options, export

    if base and Path(base).is_dir():
        return run / "adapter"
    place = run / "adapter.gguf"
    if not place.exists():
        export(run, "gguf-adapter", place, Options(base=base))
    return place


def _bytes(place: Path) -> int:
    return (
        place.stat().st_size
        if place.is_file()
        else sum(one.stat().st_size for one in place.rglob("*") if one.is_file())
    )
