"""Open a chat model from one word: `open_chat(spec)`.

| spec | model |
|---|---|
| None | the embedded one, SmolLM2-135M-Instruct, fetched at first use |
| `smollm2-135m-instruct-grounded` | the same with the adapter of that name that ships with Trivium |
| `smollm2-135m-instruct` | a model that `trivium pull` knows, by name |
| `model.gguf` | a GGUF file, in llama.cpp |
| `folder/` | a Transformers folder (extra `tune`) |
| `transformers:model.gguf` | a GGUF file, converted once and run by Transformers; `transformers:` is the embedded one |
| `http://host:8000/v1#name` | the model `name` of an OpenAI-compatible endpoint |

Each may be followed by adapters, `+NAME=WHERE`, which a request then chooses by name: a LoRA in GGUF for a GGUF
file, a PEFT folder for a Transformers folder, and the name under which an endpoint serves it for a URL.
`+law=law.gguf` alone is the embedded model with the adapter `law`.
"""

from __future__ import annotations

import logging
import os
import re
from importlib import resources
from pathlib import Path

from trivium.errors import ModelNotFound, UnknownName, UsageError
from trivium.models.base import Chat
from trivium.models.catalogue import catalogue
from trivium.models.disk import disk_error
from trivium.models.home import home
from trivium.models.pull import ensure

EMBEDDED = "smollm2-135m-instruct"

_TRANSFORMERS = "transformers:"
_ADAPTER = re.compile(r"\+([A-Za-z0-9_.-]+)=")
_log = logging.getLogger("trivium.models")


def open_chat(
    spec: str | os.PathLike[str] | None = None,
    *,
    context: int | None = None,
    parallel: int = 1,
    prefix_cache: bool = True,
) -> Chat:
    """Return the chat model that `spec` names; the module's docstring has the table.

    Args:
        spec: what to open.
        context: limit of prompt plus completion in tokens, instead of the model's own.
        parallel: how many requests run at once; the others wait.
        prefix_cache: let a GGUF model keep what it read of earlier prompts; `LlamaChat` says what that changes.

    Raises:
        UsageError, UnknownName: `spec` names nothing that can be opened.
        ModelNotFound: the model is not here and could not be fetched.
        MissingExtra: a Transformers folder without the extra `tune`.
    """
    base, adapters = split_spec("" if spec is None else os.fspath(spec))
    if base.startswith(("http://", "https://")):
        from trivium.models.remote_chat import RemoteChat

        url, _, model = base.partition("#")
        if not model:
            raise UsageError(f"The endpoint {base} is named without a model.", f"Write it as {base.rstrip('#')}#MODEL.")
        return RemoteChat(url, model, context=context, parallel=max(parallel, 4), adapters=adapters)
    for name, shipped in shipped_adapters().items():
        if base.lower() == f"{EMBEDDED}-{name}":
            base, adapters = EMBEDDED, {name: shipped, **adapters}
    wanted = base.removeprefix(_TRANSFORMERS)
    path, pulled = _local(wanted)
    if path.is_dir() or wanted != base:
        from trivium.models.transformers_chat import TransformersChat

        return TransformersChat(path, context=context, adapters=adapters)
    from trivium.models.llama import LlamaChat

    # a file that the user names is used as it is
    file = _fast(path) if pulled else path
    return LlamaChat(file, context=context, parallel=parallel, adapters=adapters, prefix_cache=prefix_cache)


def shipped_adapters() -> dict[str, str]:
    """Return the adapters of the embedded model that ship with Trivium: their files by the name a request gives."""
    folder = Path(str(resources.files("trivium").joinpath("data/adapters")))
    files = sorted(folder.glob(f"{EMBEDDED}-*.gguf")) if folder.is_dir() else []
    return {file.stem.removeprefix(f"{EMBEDDED}-"): str(file) for file in files}


def split_spec(spec: str) -> tuple[str, dict[str, str]]:
    """Split `BASE+NAME=WHERE+…` into the base and its adapters.

    Raises:
        UsageError: a name without a place, or twice the same name.
    """
    base, *parts = _ADAPTER.split(spec)
    names, places = parts[::2], parts[1::2]
    for name, place in zip(names, places, strict=True):
        if not place or names.count(name) > 1:
            raise UsageError(f"The adapter {name!r} in {spec!r} has no place or two.", "Write it as +NAME=WHERE.")
    return base, dict(zip(names, places, strict=True))


def _local(base: str) -> tuple[Path, bool]:
    """Return the file or folder of a local model, and whether it is one that Trivium fetches by name."""
    path = Path(base).expanduser()
    if base and path.exists():
        return path, False
    if path.suffix == ".gguf" or len(path.parts) > 1:
        raise ModelNotFound(f"There is no chat model at {base}.", "Give the path of a GGUF file or a model's folder.")
    chats = [model.name for model in catalogue().values() if model.role == "chat"]
    name = base.lower() or EMBEDDED
    if name not in chats:
        adapted = [f"{EMBEDDED}-{adapter}" for adapter in shipped_adapters()]
        raise UnknownName("chat model", base, [*chats, *adapted, "MODEL.gguf", "FOLDER", "http://HOST/v1#MODEL"])
    return ensure(name), True


def _fast(model: Path) -> Path:
    """Return a copy of the 4-bit `model` in the type whose prompts llama.cpp reads 1.6 times as fast.

    The copy is made once (some 3 s) and kept under Trivium's home; without room for it, `model` itself serves.
    """
    if ".Q4_1" not in model.name:
        return model
    copy = home() / "converted" / model.name.replace(".Q4_1", ".Q8_0")
    if copy.exists() and copy.stat().st_mtime >= model.stat().st_mtime:
        return copy
    from filelock import FileLock

    from trivium.models.gguf import requantise

    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{copy}.lock"):
            if not copy.exists() or copy.stat().st_mtime < model.stat().st_mtime:
                _log.info("%s: converting for faster reading, once", model.name)
                requantise(model, copy)
    except OSError as error:
        _log.warning("%s is used as it is, slower: %s", model.name, disk_error(error, copy.parent))
        return model
    return copy
