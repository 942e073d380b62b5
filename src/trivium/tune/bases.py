"""Open the model that is tuned: from a word, a folder or a GGUF file, with the head that the task needs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium.errors import ModelError, ModelNotFound, UnknownName
from trivium.extras import need
from trivium.models.catalogue import catalogue
from trivium.models.gguf_convert import converted_folder, quiet_transformers
from trivium.models.pull import ensure

EMBEDDED = {"causal": "smollm2-135m-instruct"}
_ENCODER = "all-minilm-l6-v2"
_HEADS = {
    "causal": "AutoModelForCausalLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "classify": "AutoModelForSequenceClassification",
    "tag": "AutoModelForTokenClassification",
    "span": "AutoModelForQuestionAnswering",
    "masked": "AutoModelForMaskedLM",
    "embed": "AutoModel",
}


@dataclass(frozen=True, slots=True)
class Base:
    """A model to be tuned. `folder` is its Transformers folder, `name` what the user called it."""

    name: str
    folder: Path
    task: str
    model: Any
    tokenizer: Any


def base_folder(spec: str | os.PathLike[str] | None, task: str) -> Path:
    """Return the Transformers folder of a base: the embedded chat model or encoder where `spec` is None.

    Raises:
        ModelNotFound, UnknownName: nothing is there, or no model has that name.
    """
    name = os.fspath(spec) if spec else EMBEDDED.get(task, _ENCODER)
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelNotFound(f"{path} holds no config.json.", "Give a Transformers model folder or a GGUF file.")
        return path
    if path.suffix == ".gguf":
        return converted_folder(path)
    if name.lower() not in catalogue():
        raise UnknownName("base model", name, [*catalogue(), "FOLDER", "MODEL.gguf"])
    found = ensure(name.lower())
    return converted_folder(found) if found.suffix == ".gguf" else found


def open_base(
    spec: str | os.PathLike[str] | None,
    task: str,
    *,
    labels: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Base:
    """Return the model with the head that `task` needs, in float32.

    Args:
        spec: None for the embedded model, a name that `trivium pull` knows, a Transformers folder, or a GGUF file.
        task: a key of `methods.base.TASKS`.
        labels: of classification or tagging; none for one value.
        settings: more of the model's configuration.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ModelNotFound, UnknownName: there is no such model.
        ModelError: it cannot be loaded with this head.
    """
    need("torch", extra="tune")
    transformers = need("transformers", extra="tune")
    folder = base_folder(spec, task)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False, **(settings or {})}
    if task in ("classify", "tag"):
        names = list(labels) or ["value"]
        options |= {
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: number for number, name in enumerate(names)},
        }
    try:
        with quiet_transformers():
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            model = getattr(transformers, _HEADS[task]).from_pretrained(folder, dtype="float32", **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"{folder} cannot be opened for {task}: {str(error).splitlines()[0]}",
            "Check that the folder is whole, and that the architecture has this task.",
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if getattr(model.config, "pad_token_id", None) is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    return Base(os.fspath(spec) if spec else folder.name, folder, task, model, tokenizer)
