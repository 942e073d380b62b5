"""The forms in which a tuned model leaves: each is written to the end and compared with what was tuned, or not at all.

| form | what it is |
|---|---|
| `merged` | a Transformers folder, base and adapter in one |
| `gguf` | one file for llama.cpp, base and adapter in one |
| `gguf-adapter` | a LoRA as a GGUF file, which llama.cpp puts on the base, switched per request |
| `onnx` | an encoder's folder with its int8 graph |
| `peft` | the adapter as PEFT reads it |
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trivium.errors import UnknownName, UsageError
from trivium.extras import need
from trivium.models.disk import staged


@dataclass(frozen=True, slots=True)
class Options:
    """What a target may be told.

    Attributes:
        base: the model that an adapter was tuned from, where no run says so.
        precision: of a GGUF file: `q8_0` or `f16`.
        like: a GGUF file whose vocabulary the model has; by default the base's own, where it came from one.
        texts: on which the result is compared with what was tuned; some of our own where there are none.
    """

    base: str = ""
    precision: str = "q8_0"
    like: Path | None = None
    texts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, how large it is, and how it compares with what was tuned."""

    form: str
    path: Path
    bytes: int
    checks: Mapping[str, float] = field(default_factory=dict)


Target = Callable[[Any, Path, Options], Exported]


def export(place: str | os.PathLike[str], form: str, out: Path, options: Options | None = None) -> Exported:
    """Write what was tuned in another form.

    Args:
        place: a run, an adapter's folder, or a model's folder.
        form: a key of `TARGETS`.
        out: the file or folder to write, where nothing is yet.
        options: see `Options`.

    Raises:
        UnknownName: there is no such form.
        UsageError, NotMergeable: the method or the model cannot take this form; says which it can.
        ModelError: the result is not what was tuned, or there is no room.
        MissingExtra: torch, transformers or peft is not installed.
    """
    if form not in TARGETS:
        raise UnknownName("form to export to", form, TARGETS)
    need("torch", extra="tune")
    need("transformers", extra="tune")
    from trivium.tune.export.source import find_source, free_place

    options = options or Options()
    return TARGETS[form](find_source(place, base=options.base), free_place(out), options)


def _merged(source: Any, out: Path, options: Options) -> Exported:
    from trivium.tune.export.merge import merge

    made = merge(source, out, **_texts(options))
    checks = {"largest difference of a logit": made.difference, "largest logit": made.scale}
    return Exported("merged", out, made.bytes, checks)


def _gguf(source: Any, out: Path, options: Options) -> Exported:
    import torch

    from trivium.tune.bases import open_base
    from trivium.tune.export.agreement import agreement, check
    from trivium.tune.export.gguf_model import write_gguf_model
    from trivium.tune.export.source import gguf_of

    _need_task(source, "causal", "GGUF is for chat models: it is for the task causal, and this is for {}.")
    like = options.like or (gguf_of(source) if source.adapter else None)
    out = out if out.suffix == ".gguf" else out.with_name(out.name + ".gguf")
    with _whole_model(source, out, options) as folder, _hidden(out) as made:
        write_gguf_model(folder, made, like=like, precision=options.precision)  # type: ignore[arg-type]
        with torch.no_grad():
            base = open_base(folder, "causal")
            found = check(agreement(base.model, base.tokenizer, made, **_texts(options)), out.name)
    return Exported("gguf", out, out.stat().st_size, asdict(found))


def _gguf_adapter(source: Any, out: Path, options: Options) -> Exported:
    from trivium.tune.export.agreement import agreement, check
    from trivium.tune.export.gguf_lora import write_gguf_lora
    from trivium.tune.export.source import gguf_of, open_source

    _need_task(source, "causal", "GGUF is for chat models: it is for the task causal, and this is for {}.")
    out = out if out.suffix == ".gguf" else out.with_name(out.name + ".gguf")
    base, attached = open_source(source)
    on = options.like or gguf_of(source)
    with _hidden(out) as made:
        write_gguf_lora(attached, made, name=out.stem)
        checks: Mapping[str, float] = {}
        if on is not None:  # without the base in GGUF there is nothing to put the adapter on
            compared = agreement(attached.model, base.tokenizer, on, adapter=made, **_texts(options))
            checks = asdict(check(compared, out.name))
    return Exported("gguf-adapter", out, out.stat().st_size, checks)


def _onnx(source: Any, out: Path, options: Options) -> Exported:
    from trivium.tune.export.onnx_folder import write_onnx

    if source.task not in ("embed", "classify"):
        raise UsageError(
            f"The ONNX graph is for encoders that embed or classify, and this model is for {source.task}.",
            "Export a chat model as gguf, others as merged.",
        )
    with _whole_model(source, out, options) as folder:
        checks = write_onnx(folder, out, source.task, **_texts(options))
    return Exported("onnx", out, _size(out), checks)


def _peft(source: Any, out: Path, options: Options) -> Exported:
    if source.adapter is None or not (source.adapter / "adapter_config.json").is_file():
        raise UsageError(
            f"PEFT has no form for {source.method or 'a whole model'}.",
            "It reads lora, rslora, dora, adalora, qlora, ia3 and the prompt and prefix methods; export others as "
            "merged, or use the adapter's folder with Trivium.",
        )
    with staged(out) as staging:
        for file in sorted(source.adapter.iterdir()):
            if file.is_file() and file.suffix in (".json", ".safetensors", ".md", ".jinja"):
                shutil.copyfile(file, staging / file.name)
    return Exported("peft", out, _size(out))


TARGETS: Mapping[str, Target] = {
    "merged": _merged,
    "gguf": _gguf,
    "gguf-adapter": _gguf_adapter,
    "onnx": _onnx,
    "peft": _peft,
}
"""Each form by its name."""


@contextmanager
def _whole_model(source: Any, out: Path, options: Options) -> Iterator[Path]:
    """Yield a model folder: the source's own, or one that is merged for the time being, on the disk of `out`."""
    from trivium.tune.export.merge import merge

    if source.adapter is None:
        yield source.whole
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".trivium-", dir=out.parent) as place:
        folder = Path(place) / (source.run or source.adapter).name
        merge(source, folder, **_texts(options))
        yield folder


@contextmanager
def _hidden(out: Path) -> Iterator[Path]:
    """Yield a place for a file that gets the name `out` when the body ends without an error."""
    from trivium.tune.export.source import free_place

    free_place(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    made = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        yield made
        made.replace(out)
    finally:
        made.unlink(missing_ok=True)


def _need_task(source: Any, task: str, problem: str) -> None:
    if source.task != task:
        raise UsageError(problem.format(source.task), "Export an encoder as onnx or merged.")


def _texts(options: Options) -> dict[str, Any]:
    return {"texts": tuple(options.texts)} if options.texts else {}


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
