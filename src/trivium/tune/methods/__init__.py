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
from trivium.tune.methods.base import BERT, GPT2, TASKS, Attached, Method, Settings

_LOW_RANK = {"rank": 8, "alpha": 16.0, "dropout": 0.0, "targets": "all"}
_BEFORE_KEYS = "the base's, but with m more keys and values in every attention"
_BEFORE_TOKENS = "the base's on the tokens with m vectors before them"

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            "full",
            "Full fine-tuning",
            "Devlin et al. 2018, arXiv:1810.04805",
            mergeable=True,
            switchable=False,
            rate=5e-5,
        ),
        Method(
            "freeze",
            "Freezing the lower layers",
            "Lee et al. 2019, arXiv:1911.03090",
            mergeable=True,
            switchable=False,
            rate=3e-4,
            defaults={"layers": -2, "pattern": ""},
        ),
        Method(
            "bitfit",
            "BitFit",
            "Ben Zaken et al. 2021, arXiv:2106.10199",
            families=(GPT2, BERT),
            mergeable=True,
            rate=3e-3,
        ),
        Method(
            "houlsby",
            "Houlsby adapters",
            "Houlsby et al. 2019, arXiv:1902.00751",
            defaults={"reduction": 16, "activation": "gelu"},
        ),
        Method(
            "pfeiffer",
            "Pfeiffer adapters",
            "Pfeiffer et al. 2020, arXiv:2005.00247",
            defaults={"reduction": 16, "activation": "relu"},
        ),
        Method(
            "adapter_fusion",
            "AdapterFusion",
            "Pfeiffer et al. 2020, arXiv:2005.00247",
            exact=False,
            start="a weighted mean of its adapters'",
            rate=3e-4,
            defaults={"adapters": (), "regularise": 0.01},
        ),
        Method(
            "adapter_drop",
            "AdapterDrop",
            "Rücklé et al. 2020, arXiv:2010.11918",
            defaults={"reduction": 16, "activation": "relu", "drop": "random", "inference": 0},
        ),
        Method(
            "prefix",
            "Prefix tuning",
            "Li and Liang 2021, arXiv:2101.00190",
            exact=False,
            start=_BEFORE_KEYS,
            rate=3e-4,
            defaults={"length": 20, "hidden": 128},
        ),
        Method(
            "prompt",
            "Prompt tuning",
            "Lester et al. 2021, arXiv:2104.08691",
            exact=False,
            start=_BEFORE_TOKENS,
            packs=False,
            rate=1e-2,
            defaults={"length": 20, "ids": ()},
        ),
        Method(
            "p_tuning",
            "P-tuning",
            "Liu et al. 2021, arXiv:2103.10385",
            exact=False,
            start=_BEFORE_TOKENS,
            packs=False,
            defaults={"length": 20, "hidden": 128, "encoder": "lstm"},
        ),
        Method(
            "p_tuning_v2",
            "P-tuning v2",
            "Liu et al. 2021, arXiv:2110.07602",
            exact=False,
            start=_BEFORE_KEYS,
            defaults={"length": 20},
        ),
        Method(
            "lora",
            "LoRA",
            "Hu et al. 2021, arXiv:2106.09685",
            "peft",
            mergeable=True,
            defaults=_LOW_RANK,
        ),
        Method(
            "rslora",
            "Rank-stabilised LoRA",
            "Kalajdzievski 2023, arXiv:2312.03732",
            "peft",
            mergeable=True,
            rate=3e-4,
            defaults=_LOW_RANK,
        ),
        Method(
            "dora",
            "DoRA",
            "Liu et al. 2024, arXiv:2402.09353",
            "peft",
            mergeable=True,
            defaults=_LOW_RANK,
        ),
        Method(
            "adalora",
            "AdaLoRA",
            "Zhang et al. 2023, arXiv:2303.10512",
            "peft",
            mergeable=True,
            rate=3e-3,
            defaults={
                **_LOW_RANK,
                "rank": 12,
                "target_rank": 8,
                "warmup": 0.1,
                "final": 0.3,
                "interval": 10,
                "orthogonality": 0.5,
            },
        ),
        Method(
            "qlora",
            "QLoRA",
            "Dettmers et al. 2023, arXiv:2305.14314",
            "peft",
            mergeable=True,
            exact=False,
            start="that of the base in 4 bits",
            defaults=_LOW_RANK,
        ),
        Method(
            "lora_fake_quant",
            "LoRA with fake-quantised A and B",
            "Jacob et al. 2017, arXiv:1712.05877",
            mergeable=True,
            defaults={**_LOW_RANK, "bits": 8},
        ),
        Method(
            "ia3",
            "IA3",
            "Liu et al. 2022, arXiv:2205.05638",
            "peft",
            mergeable=True,
            rate=1e-2,
        ),
        Method(
            "mam",
            "Mix-and-match adapter",
            "He et al. 2021, arXiv:2110.04366",
            exact=False,
            start=_BEFORE_KEYS,
            rate=3e-4,
            defaults={"length": 30, "hidden": 0, "bottleneck": 128, "scale": 4.0},
        ),
        Method(
            "unipelt",
            "UniPELT",
            "Mao et al. 2021, arXiv:2110.07577",
            exact=False,
            start=_BEFORE_KEYS + ", gated",
            defaults={"length": 10, "hidden": 0, "reduction": 16, "rank": 8, "alpha": 16.0},
        ),
    )
}


def method_named(name: str) -> Method:
    """Return the method of a name.

    Raises:
        UnknownName: there is none.
    """
    if name not in METHODS:
        raise UnknownName("method", name, METHODS)
    return METHODS[name]


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
        UsageError: the method has nothing to train on this model, or cannot serve the task, or the model carries an
            adapter already; says what to take instead.
        MissingExtra: torch, transformers or peft is not installed.
    """
    method = method_named(name)
    if task not in TASKS:
        raise UnknownName("task", task, TASKS)
    for key in settings or {}:
        if key not in method.defaults:
            raise UnknownName(f"setting of {name}", key, method.defaults or ("(it has none)",))
    if task not in method.tasks:
        raise UsageError(
            f"{method.title} cannot serve the task {task!r}.",
            f"It serves {', '.join(method.tasks)}; take lora, which serves every task.",
        )
    carrier = _carrier(method)
    _see_bare(model)
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
    method = method_named(said["method"])
    _see_bare(model)
    attached: Attached = _carrier(method).load(model, method, folder, said)
    return attached


def _see_bare(model: Any) -> None:
    """Two methods that do not know of each other would both change what the model gives."""
    if hasattr(model, "trivium_adapters") or hasattr(model, "peft_config"):
        raise UsageError(
            "This model carries an adapter already.",
            "Load another onto it with its `add`, merge it first, or load the base again.",
        )


def _carrier(method: Method) -> Any:
    need("torch", extra="tune")
    need("transformers", extra="tune")
    if method.carrier == "peft":
        need("peft", extra="tune")
        return importlib.import_module("trivium.tune.methods.with_peft")
    return importlib.import_module("trivium.tune.methods.own")
