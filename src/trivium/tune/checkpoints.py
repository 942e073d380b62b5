"""The checkpoints of a run: what is trained alone, and each whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from trivium.errors import ModelError
from trivium.tune.methods.base import Attached

WEIGHTS = "trained.safetensors"
_WHOLE = "whole"  # written last into a checkpoint
_STEP = re.compile(r"checkpoint-(\d+)$")


def save_trained(attached: Attached, file: Path) -> None:
    """Write what is trained, whole or not at all: a file beside it takes its place when it is on the disk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    # Tied weights have two names and one storage: each is written once, by its first.
    weights: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, parameter in attached.trained().items():
        if parameter.data_ptr() not in seen:
            seen.add(parameter.data_ptr())
            weights[name] = parameter.detach().cpu().contiguous()
    save_file(weights, new)
    _flush(new)
    os.replace(new, file)


@torch.no_grad()
def restore(attached: Attached, file: Path) -> None:
    """Put back what `save_trained` wrote.

    Raises:
        ModelError: the file is of another model or method.
    """
    weights = load_file(file)
    trained = attached.trained()
    if not weights.keys() <= trained.keys():
        raise ModelError(f"{file} was written by another method or for another model.", "Start the run anew.")
    for name, value in weights.items():
        trained[name].copy_(value)


def last_whole(checkpoints: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end, or None."""
    found = [place for place in checkpoints.glob("checkpoint-*") if (place / _WHOLE).exists()]
    return max(found, key=step_of, default=None)


def step_of(checkpoint: Path | None) -> int:
    match = _STEP.search(checkpoint.name) if checkpoint is not None else None
    return int(match[1]) if match else 0


def clear(folder: Path, resume: bool) -> None:
    """Take away what an earlier run left: all of it, or the torn checkpoints of the one that is gone on with."""
    checkpoints = folder / "checkpoints"
    torn = [place for place in checkpoints.glob("checkpoint-*") if not (place / _WHOLE).exists()]
    for old in torn if resume else (checkpoints, folder / "best"):  # a torn one would count among those that are kept
        shutil.rmtree(old, ignore_errors=True)


def seal(checkpoint: Path) -> None:
    """Call a checkpoint whole, when all of it is on the disk."""
    for file in checkpoint.iterdir():
        _flush(file)
    (checkpoint / _WHOLE).write_text("", "utf-8")
    _flush(checkpoint / _WHOLE)


def _flush(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
