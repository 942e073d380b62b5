"""The methods that PEFT carries, and the only file that imports it: LoRA, rsLoRA, DoRA, AdaLoRA, QLoRA, IA3.

Saved folders are PEFT's own form with `adapter.json` beside it, so that anything that reads PEFT reads them.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peft
import torch
from safetensors.torch import save_file

from trivium.errors import UnknownName, UsageError
from trivium.tune.methods import card, nf4
from trivium.tune.methods.architecture import Base, shape, take_apart
from trivium.tune.methods.base import Method, Settings, check_name, none_active
from trivium.tune.methods.targets import suffixes

_TASK_TYPES: Mapping[str, str | None] = {
    "causal": "CAUSAL_LM",
    "seq2seq": "SEQ_2_SEQ_LM",
    "classify": "SEQ_CLS",
    "tag": "TOKEN_CLS",
    "span": "QUESTION_ANS",
    "masked": None,
    "embed": None,
}
_UNKNOWN_STEPS = 1_000_000  # until the first optimiser step tells how many there are


class WithPeft:
    """An adapter of PEFT on a model; see `Attached`."""

    def __init__(self, model: Any, method: Method, settings: Settings, task: str, formula: int) -> None:
        self.model = model
        self.method = method
        self.settings = settings
        self.task = task
        self._formula = formula
        self._active: str | None = "default"

    def trained(self) -> dict[str, Any]:
        """See `Attached.trained`."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    def formula(self) -> int:
        """LoRA: the sum of r (d_in + d_out) over the layers. DoRA adds d_out, AdaLoRA r, to each. IA3: d_out of
        each key and value, d_in of each feed-forward's second layer. With the task's head.
        """
        return self._formula

    def on_step(self, step: int, total: int) -> None:
        """Move AdaLoRA's budget: after the optimiser's step, before the gradients are set to zero."""
        if self.method.name != "adalora":
            return
        config = self.model.peft_config[self._name()]
        if config.total_step != total:
            _schedule(config, self.settings, total)
        self.model.base_model.update_and_allocate(step)

    def penalty(self) -> Any:
        """AdaLoRA's: how far its P and Q are from orthogonal (Zhang et al. 2023, equation 4), weighted."""
        if self.method.name != "adalora":
            return 0.0
        weight = self.model.peft_config[self._name()].orth_reg_weight
        factors = [
            parameter if "lora_A" in name else parameter.T
            for name, parameter in self.trained().items()
            if "lora_A" in name or "lora_B" in name
        ]
        gaps = [torch.linalg.matrix_norm(p @ p.T - torch.eye(len(p), dtype=p.dtype, device=p.device)) for p in factors]
        return weight * torch.stack(gaps).mean()

    def save(self, folder: Path) -> None:
        """See `Attached.save`."""
        name = self._name()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place, _quiet():
            self.model.save_pretrained(place, selected_adapters=[name], save_embedding_layers=False)
            made = Path(place) / name if name != "default" else Path(place)
            for file in ("adapter_config.json", "adapter_model.safetensors"):
                shutil.move(made / file, folder / file)
        card.write(folder, self)

    def add(self, folder: Path, name: str) -> None:
        """See `Attached.add`."""
        check_name(name, self.names())
        said = card.read(folder, self.model)
        if said["method"] != self.method.name:
            raise UsageError(
                f"The adapter in {folder} was made by {said['method']}, and this base carries {self.method.name}.",
                "Load it onto a base of its own.",
            )
        with _quiet():
            self.model.load_adapter(str(folder), adapter_name=name, is_trainable=False)

    def names(self) -> tuple[str, ...]:
        """See `Attached.names`."""
        return tuple(self.model.peft_config)

    def switch(self, name: str | None) -> None:
        """See `Attached.switch`."""
        if name is not None and name not in self.names():
            raise UnknownName("adapter", name, self.names())
        if name is None:
            self.model.base_model.disable_adapter_layers()
        else:
            if self._active is None:
                self.model.base_model.enable_adapter_layers()
            self.model.set_adapter(name)
        self._active = name

    def merge(self) -> Any:
        """See `Attached.merge`. The result of QLoRA is dense: merging into 4 bits would round the adapter away."""
        name = self._name()
        if self.method.name != "qlora":
            return _thawed(self.model.merge_and_unload(safe_merge=True, adapter_names=[name]))
        layers = {
            place.removeprefix("base_model.model."): layer.get_delta_weight(name).float().clone()
            for place, layer in self.model.named_modules()
            if hasattr(layer, "get_delta_weight") and name in getattr(layer, "lora_A", {})
        }
        base = self.model.unload()
        nf4.dequantise(base, layers)
        return _thawed(base)

    def _name(self) -> str:
        if self._active is None:
            raise none_active()
        return self._active


def attach(model: Any, method: Method, settings: Settings, task: str) -> WithPeft:
    """Put PEFT's adapter on `model`; see `trivium.tune.methods.attach`."""
    base = take_apart(model)
    formula = _formula(base, method, settings) + base.head_size()
    config = _config(base, method, settings, task)
    if method.name == "qlora":
        nf4.quantise(base)
    with _quiet():
        wrapped = peft.get_peft_model(model, config, adapter_name="default")
    return WithPeft(wrapped, method, settings, task, formula)


def load(model: Any, method: Method, folder: Path, said: Mapping[str, Any]) -> WithPeft:
    """Put a saved adapter on `model`."""
    base = take_apart(model)
    settings = said["settings"]
    formula = _formula(base, method, settings) + base.head_size()
    if method.name == "qlora":
        nf4.quantise(base)
    with _quiet():
        wrapped = peft.PeftModel.from_pretrained(model, str(folder), is_trainable=True)
    return WithPeft(wrapped, method, settings, said["task"], formula)


def _config(base: Base, method: Method, settings: Settings, task: str) -> Any:
    shared: dict[str, Any] = {"task_type": _TASK_TYPES[task]}
    if heads := [head.name for head in base.heads()]:
        shared["modules_to_save"] = heads
    if method.name == "ia3":
        layout = base.layout
        down = _only_feed([layout.feed_down])
        return peft.IA3Config(
            target_modules=_pattern([*layout.key_value, *down]), feedforward_modules=_pattern(down), **shared
        )
    shared |= _targets(base, settings["targets"])
    shared |= {"lora_alpha": settings["alpha"], "lora_dropout": settings["dropout"]}
    if method.name == "adalora":
        config = peft.AdaLoraConfig(
            init_r=settings["rank"],
            target_r=settings["target_rank"],
            deltaT=settings["interval"],
            orth_reg_weight=settings["orthogonality"],
            total_step=_UNKNOWN_STEPS,
            **shared,
        )
        _schedule(config, settings, _UNKNOWN_STEPS)
        return config
    return peft.LoraConfig(
        r=settings["rank"], use_rslora=method.name == "rslora", use_dora=method.name == "dora", **shared
    )


def _schedule(config: Any, settings: Settings, total: int) -> None:
    """Warm up for the first share of the steps, and keep the budget as it is for the last."""
    config.total_step = total
    config.tinit = int(settings["warmup"] * total)
    config.tfinal = int(settings["final"] * total)


def _targets(base: Base, targets: Any) -> dict[str, Any]:
    """The layers by the ends of their names, as other readers of PEFT's form expect them."""
    names = list(suffixes(base, targets))
    where: dict[str, Any] = {"target_modules": names}
    if "output.dense" in names and "attention.output.dense" not in names:
        where["exclude_modules"] = r".*\.attention\.output\.dense"
    return where


def _only_feed(names: list[str]) -> list[str]:
    """In BERT "output.dense" ends two names: the feed-forward's is directly below its layer."""
    return [rf"layer\.\d+\.{suffix}" if suffix == "output.dense" else suffix for suffix in names]


def _pattern(names: list[str]) -> str:
    return rf".*\.(?:{'|'.join(names)})"


def _formula(base: Base, method: Method, settings: Settings) -> int:
    if method.name == "ia3":
        keys = sum(shape(place.module)[1] for place in base.linears(base.layout.key_value))
        return keys + sum(shape(place.module)[0] for place in base.linears((base.layout.feed_down,)))
    rank = settings["rank"]
    count = 0
    for place in base.linears(suffixes(base, settings["targets"])):
        inputs, outputs = shape(place.module)
        extra = {"dora": outputs, "adalora": rank}.get(method.name, 0)
        count += rank * (inputs + outputs) + extra
    return count


def _thawed(model: Any) -> Any:
    """The plain model, without the mark that PEFT leaves on it."""
    if hasattr(model, "peft_config"):
        del model.peft_config
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_(True)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """PEFT advises on stderr, through warnings and logs, about what is decided here."""
    log = logging.getLogger("peft")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def write_virtual(
    folder: Path, task: str, base: Base, vectors: torch.Tensor, kind: str, heads: int, width: int
) -> None:
    """Write virtual tokens that were trained by a method of our own in PEFT's form.

    Args:
        folder: where.
        task: a key of `TASKS`.
        base: the model.
        vectors: (m, width) for a prompt, (m, layers · 2 · width) for a prefix.
        kind: "prompt" or "prefix".
        heads: of the keys.
        width: of one key or vector.
    """
    maker = {"prompt": peft.PromptTuningConfig, "prefix": peft.PrefixTuningConfig}[kind]
    config = maker(
        task_type=_TASK_TYPES[task],
        num_virtual_tokens=len(vectors),
        token_dim=width,
        num_attention_heads=heads,
        num_layers=len(base.blocks),
        num_transformer_submodules=1,
        inference_mode=True,
    )
    config.save_pretrained(str(folder))
    save_file({"prompt_embeddings": vectors.detach().cpu().contiguous()}, folder / "adapter_model.safetensors")
