"""A tokenizer as GGUF metadata: the tokens, what kind each is, the merges, and how a text is cut before them.

llama.cpp knows the ways of cutting by name (`tokenizer.ggml.pre`); they are recognised here by what the tokenizer's
file says. One that is not known is refused: a file with the wrong name would load, and read texts wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.errors import ModelError, UsageError

_NORMAL, _CONTROL, _USER, _UNUSED = 1, 3, 4, 5
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_PATTERNS = {
    _CONTRACTIONS + r"\p{N}{1,3}" + _REST: "llama-bpe",
    _CONTRACTIONS + r"\p{N}" + _REST: "qwen2",
}


def read_object(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file; empty where there is no such file.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", "Copy or export the model again.") from error
    return found if isinstance(found, dict) else {}


def vocabulary(folder: Path, size: int) -> dict[str, Any]:
    """Return the `tokenizer.ggml` part of the metadata.

    Args:
        folder: with tokenizer.json.
        size: rows of the model's embeddings; tokens that the tokenizer lacks are filled in as unused.

    Raises:
        UsageError: the tokenizer is none that llama.cpp has a name for.
    """
    place = folder / "tokenizer.json"
    if not place.is_file():
        raise _unknown(folder, "it has no tokenizer.json")
    core = read_object(place)
    model = core.get("model") or {}
    if model.get("type") != "BPE":
        raise _unknown(folder, f"its model is {model.get('type')}, not BPE")
    config = read_object(folder / "tokenizer_config.json")
    if model.get("byte_fallback"):
        raise _unknown(folder, "it is SentencePiece's, whose scores its file does not hold")
    about: dict[str, Any] = {"tokenizer.ggml.model": "gpt2"}
    about["tokenizer.ggml.pre"] = _pre(core.get("pre_tokenizer"), folder)
    about["tokenizer.ggml.merges"] = [one if isinstance(one, str) else " ".join(one) for one in model["merges"]]
    tokens, kinds = _tokens(core, model, size, folder)
    about["tokenizer.ggml.tokens"], about["tokenizer.ggml.token_type"] = tokens, kinds
    numbers = {token: number for number, token in enumerate(tokens)}
    for key in ("bos", "eos", "unk", "pad"):
        given = config.get(f"{key}_token")
        text = given.get("content") if isinstance(given, dict) else given
        if text in numbers:
            name = {"unk": "unknown", "pad": "padding"}.get(key, key)
            about[f"tokenizer.ggml.{name}_token_id"] = numbers[text]
    about["tokenizer.ggml.add_bos_token"] = _begins(core, config)
    return about


def _tokens(core: Mapping[str, Any], model: Mapping[str, Any], size: int, folder: Path) -> tuple[list[str], list[int]]:
    found = {int(number): (token, _NORMAL) for token, number in model["vocab"].items()}
    for added in core.get("added_tokens") or ():
        found[int(added["id"])] = (added["content"], _CONTROL if added["special"] else _USER)
    if found and max(found) >= size:
        raise UsageError(
            f"The tokenizer in {folder} has the token {max(found)}, and the model's vocabulary {size} tokens.",
            "Give the tokenizer that the model was trained with.",
        )
    rows = [found.get(number, (f"[PAD{number}]", _UNUSED)) for number in range(size)]
    return [token for token, _ in rows], [kind for _, kind in rows]


def _pre(pre: Any, folder: Path) -> str:
    steps = pre.get("pretokenizers") or [pre] if isinstance(pre, dict) else []
    kinds = [step.get("type") for step in steps]
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True) and not steps[0].get("add_prefix_space"):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and steps[1].get("use_regex", True):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and not steps[1].get("use_regex", True):
        pattern = (steps[0].get("pattern") or {}).get("Regex", "")
        if pattern in _PATTERNS:
            return _PATTERNS[pattern]
    raise _unknown(folder, f"its texts are cut by {', '.join(map(str, kinds)) or 'nothing'} in a way that has no name")


def _begins(core: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a text gets a begin-of-text token: by the tokenizer's post-processor, or by its configuration."""
    single = (core.get("post_processor") or {}).get("single") or []
    if single and "SpecialToken" in single[0]:
        return True
    return bool(config.get("add_bos_token", False))


def _unknown(folder: Path, why: str) -> UsageError:
    return UsageError(
        f"The tokenizer in {folder} cannot be written for llama.cpp: {why}.",
        "Give the base's own GGUF file with --like MODEL.gguf.",
    )
