"""The record of a run, `run.json`: everything that is needed to repeat it, written before the first question.

`settings` is what can change a figure: the questions (by content), the system with its models (by the hash of their
weights) and its knowledge base (by version), the seed, the metrics and the judge. A folder holds results of one
set of settings; other ones are refused. What cannot change a figure stands beside them: the command, the machine,
the versions of packages, and each session of work on the run.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from trivium.errors import StoreBusy, StoreFull, StoreVersion, UsageError
from trivium.evaluate.results import plain
from trivium.index.durable import read_json, write_whole
from trivium.types import Example
from trivium.version import __version__

RECORD = "run.json"
FORMAT = 1
_PACKAGES = (
    "numpy",
    "onnxruntime",
    "xllamacpp",
    "lancedb",
    "jieba",
    "tokenizers",
    "kreuzberg",
    "sacrebleu",
    "rouge-score",
)

_SECRET = re.compile(r"(?<=://)[^/@\s]*@|\?[^#\s]*")
"""The user, password and query of an address."""

Settings = Mapping[str, Any]


@dataclass
class Record:
    """What `run.json` holds. `sessions` are the times that somebody worked on the run, the last one last.

    `notes` are worth knowing and change nothing, such as the questions whose evidence was not stored.
    """

    settings: Settings
    command: tuple[str, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = False


def digest(examples: Iterable[Example]) -> str:
    """Return a fingerprint of questions with all that is known about them (SHA-256, 16 hexadecimal digits)."""
    total = hashlib.sha256()
    for example in examples:
        text = json.dumps(example, ensure_ascii=False, default=plain)
        total.update(text.encode("utf-8", "backslashreplace") + b"\n")
    return total.hexdigest()[:16]


def settings_name(settings: Settings) -> str:
    """Return a fingerprint of settings (8 hexadecimal digits), for the name of a folder."""
    return hashlib.sha256(_canonical(settings).encode("utf-8", "backslashreplace")).hexdigest()[:8]


def machine() -> dict[str, Any]:
    """Return what of this machine and its packages a figure's speed, or its last digit, may depend on."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": packages,
    }


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Make the folder of a run and hold it for this process alone.

    Raises:
        StoreBusy: another process works on this run.
        StoreFull: the folder cannot be made or written.
    """
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / "run.lock", timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise StoreBusy(
            f"Another process is working on the run {folder}.", "Wait for it, or choose another folder with --out."
        ) from None
    except OSError as error:
        raise StoreFull(
            f"The folder {folder} cannot be written: {error.strerror or error}.",
            "Change its permissions, free some space, or choose another folder with --out.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def begin(
    folder: Path, settings: Settings, command: Iterable[str] = (), notes: Mapping[str, Any] | None = None
) -> Record:
    """Return the record of the run in `folder`, begun now or earlier with the same settings, with a new session.

    Raises:
        UsageError: the folder holds a run with other settings, which the message names, or something else.
    """
    settings = json.loads(_canonical({"trivium": __version__, **settings}))
    found = _existing(folder)
    if found is None:
        record = Record(settings, tuple(command), machine())
    else:
        record = found
        _same(folder, record.settings, settings)
    record.notes |= notes or {}
    record.sessions.append({"started": _now(), "finished": None, "asked": 0})
    save(folder, record)
    return record


def save(folder: Path, record: Record) -> None:
    """Write the record, whole or not at all."""
    content = {
        "format": FORMAT,
        "settings": record.settings,
        "command": list(record.command),
        "machine": record.machine,
        "notes": record.notes,
        "sessions": record.sessions,
        "complete": record.complete,
    }
    try:
        # An unpaired surrogate (an argument that was no UTF-8) becomes the escape that JSON has for it.
        text = json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace").decode("utf-8")
        write_whole(folder / RECORD, text + "\n")
    except OSError as error:
        raise StoreFull(
            f"{folder / RECORD} cannot be written: {error.strerror or error}.", "Free some space."
        ) from error


def end(folder: Path, record: Record, *, asked: int, seconds: float, complete: bool) -> None:
    """Close the session that `begin` opened."""
    record.sessions[-1] |= {"finished": _now(), "asked": asked, "seconds": round(seconds, 3)}
    record.complete = complete
    save(folder, record)


def read(folder: str | os.PathLike[str]) -> Record:
    """Return the record of an earlier run.

    Raises:
        UsageError: there is no run in the folder.
        StoreVersion: a newer Trivium wrote it.
    """
    record = _existing(Path(folder))
    if record is None:
        raise UsageError(f"There is no run at {folder}: it holds no {RECORD}.", "Give the folder of an earlier run.")
    return record


def differences(before: Settings, now: Settings) -> list[str]:
    """Return the settings that differ, as `name: before, now after`, nested ones by their path."""
    found = []
    old, new = dict(_leaves(before)), dict(_leaves(now))
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            found.append(f"{name}: {_shown(old.get(name))}, now {_shown(new.get(name))}")
    return found


def _existing(folder: Path) -> Record | None:
    path = folder / RECORD
    if not path.exists():
        strange = [name for name in os.listdir(folder) if not name.startswith((".", "run."))] if folder.is_dir() else []
        if strange:
            raise UsageError(
                f"{folder} is no run: it holds {strange[0]}, and no {RECORD}.", "Choose a new folder with --out."
            )
        return None
    found = read_json(path)
    if not isinstance(found.get("format"), int) or "settings" not in found:
        raise UsageError(f"{path} cannot be read as the record of a run.", "Choose another folder with --out.")
    if found["format"] != FORMAT:
        raise StoreVersion(
            f"The run {folder} has format {found['format']}; this Trivium reads format {FORMAT}.",
            "Use the Trivium that wrote it, or choose another folder with --out.",
        )
    return Record(
        found["settings"],
        tuple(found.get("command", ())),
        found.get("machine", {}),
        dict(found.get("notes", {})),
        list(found.get("sessions", [])),
        bool(found.get("complete")),
    )


def _same(folder: Path, before: Settings, now: Settings) -> None:
    differ = differences(before, now)
    if differ:
        raise UsageError(
            f"{folder} holds a run with other settings ({'; '.join(differ[:4])}{'; …' if len(differ) > 4 else ''}).",
            "Give the same settings to go on with it, or another folder with --out.",
        )


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"


def _canonical(settings: Settings) -> str:
    return json.dumps(settings, ensure_ascii=False, sort_keys=True, default=str)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def command_line() -> list[str]:
    """Return the command of this process; of an address only what names a place, since the rest may be a secret."""
    return [Path(sys.argv[0]).name, *(_SECRET.sub("", word) if "://" in word else word for word in sys.argv[1:])]
