"""Turn a GGUF chat model into a Transformers folder, once (extra `tune`): to train it, or to score texts with it."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trivium.errors import ModelError, ModelNotFound
from trivium.extras import need
from trivium.models.disk import disk_error, staged
from trivium.models.home import home
from trivium.models.turns import fingerprint

_log = logging.getLogger("trivium.models")


def converted_folder(path: Path) -> Path:
    """Return a Transformers folder with the dequantised weights of the GGUF file `path`, made at the first call.

    The folder lies under Trivium's home, named by the file's content: float32 safetensors (a 135M model: 540 MB),
    tokenizer and chat template. Loading it takes a fraction of a second, dequantising some 10 s each time.
    The weights are those that llama.cpp computes with, already rounded to the file's few bits.

    Raises:
        MissingExtra: torch, transformers or gguf is not installed.
        ModelNotFound: no such file.
        ModelError: the file is none that Transformers can read, or there is no room.
    """
    if not path.is_file():
        raise ModelNotFound(f"There is no model file at {path}.", "Give the path of a GGUF file.")
    folder = home() / "converted" / f"{path.stem}-{fingerprint(path)}"
    if (folder / "config.json").is_file():
        return folder
    torch = need("torch", extra="tune")
    transformers = need("transformers", extra="tune")
    need("gguf", extra="tune")
    from filelock import FileLock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not (folder / "config.json").is_file():
                _log.info("%s: converting for Transformers, once", path.name)
                with staged(folder) as staging, quiet_transformers():
                    _convert(path, staging, torch, transformers)
    except OSError as error:
        raise disk_error(error, folder.parent) from error
    return folder


def _convert(path: Path, target: Path, torch: Any, transformers: Any) -> None:
    source = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name, "local_files_only": True}
    try:
        # its progress bar for dequantising heeds no setting
        with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stderr(nowhere):
            tokenizer, loaded = _load(source, torch, transformers)
    except (ValueError, KeyError, RuntimeError, NotImplementedError) as error:
        raise ModelError(
            f"Transformers cannot read {path}: {error}.", "Use the model's folder from its publisher instead."
        ) from error
    # What is loaded from GGUF counts as quantised, and is neither saved nor trained: its weights go into a plain one.
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.tie_weights()
    plain.generation_config = loaded.generation_config
    # GGUF's tokenizer data has no limit, which would stand there as 1e30
    tokenizer.model_max_length = getattr(config, "max_position_embeddings", tokenizer.model_max_length)
    plain.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _load(source: Mapping[str, object], torch: Any, transformers: Any) -> tuple[Any, Any]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
    return tokenizer, transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep Transformers' progress bars and advice off the standard streams, and restore them after."""
    logs = need("transformers.utils.logging", extra="tune")
    verbosity, bars = logs.get_verbosity(), logs.is_progress_bar_enabled()
    # PEFT imports it, and it says that an optional product is not installed.
    fourbit = logging.getLogger("bitsandbytes")
    level = fourbit.level
    fourbit.setLevel(logging.ERROR)
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of PEFT about Transformers
            yield
    finally:
        fourbit.setLevel(level)
        logs.set_verbosity(verbosity)
        if bars:
            logs.enable_progress_bar()
