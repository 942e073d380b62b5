"""What is exported: a run, an adapter, or a whole model folder, with the base and the labels that belong to it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trivium.errors import ModelNotFound, UsageError
from trivium.index.durable import read_json
from trivium.models.catalogue import catalogue
from trivium.models.pull import ensure
from trivium.tune.bases import EMBEDDED, Base, open_base
from trivium.tune.methods import card, load
from trivium.tune.methods.base import Attached

PROBES = (
    "The warranty covers defects in material and workmanship for 24 months from the date of purchase.",
    "Who approves travel expenses, and within how many days must a claim be sent in?",
    "In 1783 the first balloon that carried people rose over Paris; it stayed in the air for 25 minutes.",
    "水在一百摄氏度时沸腾，但在高山上会更早。",
    "def mean(values):\n    return sum(values) / len(values)",
)
"""Texts on which what was exported is compared with what was tuned, where the caller gives none of their own."""


@dataclass(frozen=True, slots=True)
class Source:
    """A tuned model before it leaves.

    Attributes:
        adapter: the adapter's folder; None where the model is whole already.
        base: what it was tuned from, as `open_base` takes it: empty for the embedded model.
        task: a key of `methods.base.TASKS`.
        method: a key of `methods.METHODS`, or empty.
        labels: of classification or tagging.
        whole: the folder of a model that needs no base.
        run: the run that it is of, if it is of one.
    """

    adapter: Path | None
    base: str
    task: str
    method: str = ""
    labels: tuple[str, ...] = ()
    whole: Path | None = None
    run: Path | None = None
    plan: Mapping[str, Any] = field(default_factory=dict)


def find_source(place: str | os.PathLike[str], *, base: str = "") -> Source:
    """Return what a run, an adapter folder or a model folder holds.

    Args:
        place: the folder.
        base: the model that an adapter was tuned from, where no run says so.

    Raises:
        ModelNotFound: there is no such folder.
        UsageError: it holds nothing that was tuned, or a run that did not come to its end.
    """
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise ModelNotFound(f"There is no folder {folder}.", "Give a run: `trivium runs` lists them.")
    plan = _plan(folder)
    if plan is not None:
        if (folder / "adapter" / card.CARD).is_file():
            return _adapter(folder / "adapter", base or str(plan["base"]), plan, folder)
        raise UsageError(
            f"The run {folder} has no adapter yet: it was stopped before its end.",
            f"Go on with it: trivium tune ... --resume --out {folder}",
        )
    if (folder / card.CARD).is_file():
        above = _plan(folder.parent)
        if above is not None:
            return _adapter(folder, base or str(above["base"]), above, folder.parent)
        return _adapter(folder, base, {}, None)
    if (folder / "model" / "config.json").is_file() and not (folder / "config.json").is_file():
        folder = folder / "model"  # of an embedder's or a reranker's run
    if (folder / "config.json").is_file():
        return Source(None, "", _task_of(folder), whole=folder)
    raise UsageError(
        f"{folder} holds neither a run, nor an adapter, nor a model.",
        "Give the folder of a run (run.json), of an adapter (adapter.json), or of a Transformers model (config.json).",
    )


def open_source(source: Source) -> tuple[Base, Attached]:
    """Open the base with the adapter on it.

    Raises:
        UsageError: the source is a whole model, or its adapter is of another base, or its labels are not known.
        ModelNotFound, ModelError: the base cannot be opened.
    """
    if source.adapter is None:
        raise UsageError(f"{source.whole} is a whole model: it has no adapter.", "Export it as gguf or onnx.")
    if source.task in ("classify", "tag") and not source.labels:
        raise UsageError(
            f"The adapter in {source.adapter} does not say which labels it gives.",
            "Give the run that it is of, with its training data where it was.",
        )
    # One value has no labels: a regression is opened without.
    labels = () if source.labels == ("value",) else source.labels
    base = open_base(source.base or None, source.task, labels=labels)
    return base, load(base.model, source.adapter)


def gguf_of(source: Source) -> Path | None:
    """Return the GGUF file that the base came from, or None where it came from elsewhere."""
    name = source.base or EMBEDDED.get(source.task, "")
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        return path if path.is_file() else None
    if path.is_dir() or name.lower() not in catalogue():
        return None
    found = ensure(name.lower())
    return found if found.suffix == ".gguf" else None


def free_place(out: Path) -> Path:
    """Return the place to write to, where nothing is yet.

    Raises:
        UsageError: something is there.
    """
    out = out.expanduser()
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UsageError(f"{out} is there already.", "Choose another place with --out, or remove it first.")
    return out


def _adapter(folder: Path, base: str, plan: Mapping[str, Any], run: Path | None) -> Source:
    said = card.look(folder)
    task = str(said["task"])
    labels = tuple(said.get("labels") or ())
    if not labels and task in ("classify", "tag") and plan:
        labels = _labels(plan)
    if not base and not plan and task not in EMBEDDED:
        raise UsageError(
            f"The adapter in {folder} does not say which model it was tuned from.", "Name that model with --base."
        )
    return Source(folder, base, task, str(said["method"]), labels, None, run, plan)


def _labels(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the labels that training found, from its data."""
    from trivium.tune.objectives import labels_of
    from trivium.tune.run import Plan, parts_of

    return labels_of(parts_of(Plan(**plan)).train.samples) or ("value",)


def _plan(folder: Path) -> Mapping[str, Any] | None:
    plan = read_json(folder / "run.json").get("settings", {}).get("plan")
    return plan if isinstance(plan, dict) and "method" in plan else None


def _task_of(folder: Path) -> str:
    """Return the task of a model folder, by the class that its configuration names."""
    try:
        names = json.loads((folder / "config.json").read_text("utf-8")).get("architectures") or [""]
    except ValueError as error:
        raise UsageError(f"{folder / 'config.json'} is not JSON: {error}.", "Copy the model again.") from None
    ends = {
        "ForCausalLM": "causal",
        "LMHeadModel": "causal",
        "ForSequenceClassification": "classify",
        "ForTokenClassification": "tag",
        "ForQuestionAnswering": "span",
        "ForConditionalGeneration": "seq2seq",
        "ForMaskedLM": "masked",
    }
    return next((task for end, task in ends.items() if str(names[0]).endswith(end)), "embed")
