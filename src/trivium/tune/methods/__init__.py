"""The ways to tune a model, one file each: `METHODS` names them, `attach` puts one on a model, `load` a saved one.

Nothing here loads torch until a method is attached.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.errors import UnknownName, UsageError
from trivium.extras import need
from trivium.tune.methods.base import TASKS, Attached, Method, Settings

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            "full",
            "Full fine-tuning",
            "Devlin et al. 2018, arXiv:1810.04805",
            mergeable=True,
            switchable=False,
        ),
        Method(
            "lora",
            "LoRA",
            "Hu et al. 2021, arXiv:2106.09685",
            "peft",
            mergeable=True,
            defaults={"rank": 8, "alpha": 16.0, "dropout": 0.0, "targets": "all"},
        ),
    )
}


def attach(model: Any, name: str, settings: Settings | None = None, *, task: str) -> Attached:
    """Freeze `model`, attach the method `name` to it, and return what is trained.

    The model is changed in place: it carries the adapter until `merge`. A head that the task needs (classifier,
    span outputs) is trained and saved with every method.

    Args:
        model: a Transformers model of a family that the method knows.
        name: a key of `METHODS`.
        settings: in place of the method's `defaults`, any of its keys.
        task: a key of `TASKS`.

    Raises:
        UnknownName: no such method, task, family or setting.
        UsageError: the method has nothing to train on this model, or cannot serve the task; says what to take instead.
        MissingExtra: torch, transformers or peft is not installed.
    """
    if name not in METHODS:
        raise UnknownName("method", name, METHODS)
    if task not in TASKS:
        raise UnknownName("task", task, TASKS)
    method = METHODS[name]
    for key in settings or {}:
        if key not in method.defaults:
            raise UnknownName(f"setting of {name}", key, method.defaults or ("(it has none)",))
    if task not in method.tasks:
        raise UsageError(
            f"{method.title} cannot serve the task {task!r}.",
            f"It serves {', '.join(method.tasks)}; take lora, which serves every task.",
        )
    carrier = _carrier(method)
    attached: Attached = carrier.attach(model, method, {**method.defaults, **(settings or {})}, task)
    return attached


def load(model: Any, folder: Path) -> Attached:
    """Attach the adapter that `Attached.save` wrote to `folder` onto `model`, which must be the base it was made on.

    Raises:
        UsageError: the folder holds no adapter, or one of another base.
    """
    need("torch", extra="tune")
    from trivium.tune.methods import card

    folder = Path(folder)
    said = card.read(folder, model)
    if said["method"] not in METHODS:
        raise UnknownName("method", said["method"], METHODS)
    method = METHODS[said["method"]]
    attached: Attached = _carrier(method).load(model, method, folder, said)
    return attached


def _carrier(method: Method) -> Any:
    need("torch", extra="tune")
    need("transformers", extra="tune")
    if method.carrier == "peft":
        need("peft", extra="tune")
        return importlib.import_module("trivium.tune.methods.with_peft")
    return importlib.import_module("trivium.tune.methods.own")
