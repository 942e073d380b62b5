"""Write to the disk so that a file or folder appears whole or not at all, and survives a power cut."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trivium.errors import ModelError


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def disk_error(error: OSError, place: Path, needed: int = 0) -> ModelError:
    """Return the error to raise for an `OSError` met while writing under `place`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        size = f" ({needed / 1e6:.0f} MB are needed)" if needed else ""
        return ModelError(
            f"No space is left on the disk of {place}{size}.",
            "Free some space, or set TRIVIUM_HOME to a folder on another disk, and run it again: "
            "what was fetched so far is kept.",
        )
    return ModelError(
        f"{error.filename or place} cannot be read or written: {error.strerror or error}.",
        "Set TRIVIUM_HOME to a folder that you may write.",
    )


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `folder`, flushed to the disk, when the body ends without an error.

    The caller holds a lock: what an earlier, killed process left of its staging is removed.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{folder.name}.*"):
            shutil.rmtree(left, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise disk_error(error, folder.parent) from error
    try:
        yield staging
        staging.chmod(0o755)
        flush(staging.rglob("*"))
        flush([staging])
        if folder.exists():
            os.replace(folder, staging.with_name(staging.name + ".old"))
        os.replace(staging, folder)
        flush([folder.parent])
    except OSError as error:
        raise disk_error(error, folder.parent) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(staging.with_name(staging.name + ".old"), ignore_errors=True)


def flush(paths: Iterable[Path]) -> None:
    """Have the disk keep these files and folders, also through a power cut."""
    for path in paths:
        if path.is_dir() and os.name == "nt":
            continue  # Windows opens no folder for flushing, and flushes only what may be written
        handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
