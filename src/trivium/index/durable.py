"""Makes what the store engine wrote survive a power cut: flush the new files and their folders to the disk.

The engine writes immutable files and renames a manifest into place, but calls fsync on none of them. After each
commit the files that are new since the last flush are flushed, then a marker records the version that is safe. A
version above the marker after a reboot was never reported done; `Store` goes back to the marked one.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MARKER = "durable.json"
_KERNEL_WRITES_BACK_WITHIN = 120.0  # seconds; the usual limit is 35


@dataclass(frozen=True, slots=True)
class Marker:
    """The last version known to be on the disk, and the boot of the machine that wrote it."""

    version: int
    boot: str


class Flusher:
    """Flushes what is new under a folder. One per process and table; call it under the writer's lock."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._flushed: set[str] = set()

    def flush(self) -> int:
        """Flush every file not flushed yet, and the folders that hold them; return the number of files."""
        recent = time.time() - _KERNEL_WRITES_BACK_WITHIN
        count = 0
        for folder, _, files in os.walk(self._root):
            new = [path for name in files if (path := os.path.join(folder, name)) not in self._flushed]
            fresh = False
            for path in new:
                if _flush_file(path, recent):
                    fresh = True
                    count += 1
                self._flushed.add(path)
            if fresh:
                sync_folder(folder)
        return count


def _flush_file(path: str, recent: float) -> bool:
    """Flush one file; a file that is old enough was written back long ago, one that vanished needs nothing."""
    try:
        if os.stat(path).st_mtime < recent:
            return False
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Flush a folder's list of names (where the system can: Windows cannot and need not)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except (PermissionError, FileNotFoundError):
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def write_whole(path: Path, text: str) -> None:
    """Replace a small file whole or not at all, and flush it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object of a small JSON file; empty where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_marker(root: Path) -> Marker | None:
    """Return the marker, or None where there is none that can be read."""
    found = read_json(root / _MARKER)
    try:
        return Marker(int(found["version"]), str(found["boot"]))
    except (KeyError, ValueError, TypeError):
        return None


def write_marker(root: Path, version: int) -> None:
    """Record that everything up to `version` is on the disk."""
    write_whole(root / _MARKER, json.dumps({"version": version, "boot": boot_id()}))


def boot_id() -> str:
    """Return what changes when the machine restarts; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def drop_unreadable(table: Path, version: int) -> None:
    """Delete manifests above `version` that a power cut left empty or torn, so that the table opens at all."""
    for path in (table / "_versions").glob("*.manifest"):
        number = int(path.stem)
        number = number if number < 2**63 else 2**64 - 1 - number  # the engine counts down, so that names sort
        if number > version and not _whole_manifest(path):
            path.unlink()


def _whole_manifest(path: Path) -> bool:
    """Whether the file ends in the engine's magic word, as every whole one does."""
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() < 4:
            return False
        file.seek(-4, os.SEEK_END)
        return file.read() == b"LANC"
