"""Folders that hold one training set: a saved or published data set, files side by side, plain documents."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from trivium.errors import UnknownName, UsageError
from trivium.tasks.records import open_bytes
from trivium.tasks.training.names import language

_PLAIN = (".parquet", ".arrow", ".jsonl", ".json", ".csv", ".tsv", ".txt", ".md", ".ndjson", ".xlsx")
_ENDINGS = (*_PLAIN, *(f"{ending}.gz" for ending in _PLAIN))
_NOT_DATA = ("dataset_info.json", "dataset_dict.json", "state.json", "dataset_infos.json", "config.json")
_SPLIT = re.compile(r"(?:^|[-_./])(train(?:ing)?|validation|valid|dev|val|test|eval)(?=$|[-_.])", re.IGNORECASE)
_SPLITS = {"training": "train", "valid": "validation", "dev": "validation", "val": "validation", "eval": "test"}


def split_of(path: Path) -> str:
    """Return the split that a file's name says it is of: train, validation, test; or the empty text."""
    match = _SPLIT.search(path.name) or _SPLIT.search(path.parent.name)
    return "" if match is None else _SPLITS.get(match[1].lower(), match[1].lower())


def splits_of(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each split of a folder, in order; files of no named split stand under the empty name."""
    saved = _saved(folder)
    if saved:
        return saved
    files = [path for path in sorted(folder.rglob("*")) if _is_data(path, folder)]
    stems = {path.parent / stem_and_language(path)[0] for path in folder.iterdir() if translations(path)}
    if stems:
        return {split_of(stem): sorted(path for path in folder.iterdir() if _of(path, stem)) for stem in sorted(stems)}
    kinds = {path.suffix.lower() for path in files}
    for columnar in (".parquet", ".arrow"):  # what lies beside them describes them
        if columnar in kinds:
            files = [path for path in files if path.suffix.lower() == columnar]
            break
    found: dict[str, list[Path]] = {}
    for path in files:
        found.setdefault(split_of(path), []).append(path)
    return found


def _is_data(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.is_file() and path.name not in _NOT_DATA and not hidden and path.name.lower().endswith(_ENDINGS)


def _of(path: Path, stem: Path) -> bool:
    """Whether a file holds the lines of a parallel text in one language."""
    name, own = stem_and_language(path)
    return path.is_file() and name == stem.name and bool(own)


def _saved(folder: Path) -> dict[str, list[Path]]:
    """Return the shards of what `save_to_disk` wrote: a data set, or a dictionary of them."""
    whole = _shards(folder)
    if whole:
        return {split_of(folder): whole}
    names = _json(folder / "dataset_dict.json").get("splits")
    if not isinstance(names, list):
        return {}
    found = {str(name): _shards(folder / str(name)) for name in names}
    missing = [name for name, shards in found.items() if not shards]
    if missing:
        raise UsageError(f"{folder} names the split {missing[0]!r}, which has no data.", "Save the data set again.")
    return found


def _shards(folder: Path) -> list[Path]:
    listed = _json(folder / "state.json").get("_data_files")
    names = [one.get("filename") for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    shards = [folder / str(name) for name in names]
    missing = [shard for shard in shards if not shard.is_file()]
    if missing:
        raise UsageError(f"{folder} lacks its file {missing[0].name}.", "Save or fetch the data set again.")
    return shards


def _json(path: Path) -> Mapping[str, object]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def chosen_split(folder: Path, splits: Mapping[str, list[Path]], wanted: str) -> str:
    """Return the split to read: the one that is wanted, or the only one, or `train`.

    Raises:
        UnknownName: the folder has no such split.
        UsageError: it has several, and none of them is for training.
    """
    if wanted:
        if wanted not in splits:
            raise UnknownName(f"split of {folder}", wanted, filter(None, splits))
        return wanted
    if len(splits) == 1:
        return next(iter(splits))
    if "train" in splits:
        return "train"
    raise UsageError(
        f"{folder} has the splits {', '.join(sorted(filter(None, splits)))}.", "Say which one to read with split."
    )


# --- files side by side ----------------------------------------------------------------------------------------


def lines_of(path: Path) -> list[str]:
    """Return the lines of a text, without their ends; the file may be packed with gzip."""
    from trivium.documents.decode import decode

    with open_bytes(path) as stream:
        text = decode(stream.read()).text
    lines = text.replace("\r\n", "\n").removeprefix("\ufeff").split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


def stem_and_language(path: Path) -> tuple[str, str]:
    """Return `train` and `en` of `train.en` and `train.en.gz`; no language where the name says none."""
    name = path.name.removesuffix(".gz").removesuffix(".txt")
    stem, dot, ending = name.rpartition(".")
    return (stem, language(ending)) if dot and language(ending) else (name, "")


def translations(path: Path) -> list[Path]:
    """Return the files beside one that hold its lines in another language: `train.fr.gz` beside `train.en.gz`."""
    stem, own = stem_and_language(path)
    if not own or not path.is_file():
        return []
    found = [one for one in sorted(path.parent.iterdir()) if one.is_file()]
    return [one for one in found if stem_and_language(one)[0] == stem and stem_and_language(one)[1] not in ("", own)]
