"""Read a file's bytes once, with their hash, and never block or be fooled by what is not a regular file."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trivium.documents.parts import Unreadable

_TRIES = 4
_PAUSE = 0.05
_BLOCK = 1 << 20
_RESTLESS = "it kept changing while it was read; add it again when nothing writes to it"
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # a pipe put in the file's place between stat and open must not block
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_ERRORS = {
    errno.ENOENT: "it does not exist",
    errno.ENOTDIR: "it does not exist",
    errno.EACCES: "permission denied: this user may not read it",
    errno.EPERM: "permission denied: this user may not read it",
    errno.ELOOP: "it is a symbolic link that leads back to itself",
    errno.ENAMETOOLONG: "its name is too long for the file system",
    errno.ESTALE: "it vanished from the network file system while it was read",
}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells one version of a file from another. `mtime_ns` is nanoseconds since 1970."""

    sha256: str
    size: int
    mtime_ns: int


def printable(path: str | bytes | os.PathLike[str]) -> str:
    r"""Return `path` as text that any terminal and any UTF-8 file can hold: invalid bytes become `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def os_reason(error: OSError) -> str:
    """Say in one clause why the operating system refused a file."""
    if error.errno in _ERRORS:
        return _ERRORS[error.errno]
    return f"it cannot be read: {error.strerror or error}"


def read_file(path: str | Path, *, max_bytes: int) -> tuple[bytes, Fingerprint]:
    """Return the bytes of the regular file at `path` and the fingerprint of exactly these bytes.

    A file that is written to while it is read is read again, a few times.

    Raises:
        Unreadable: it is not there, not a regular file, not readable, larger than `max_bytes`, or never at rest.
    """
    for _ in range(_TRIES):
        found = _read_once(path, max_bytes)
        if found is not None:
            data, mtime_ns = found
            return data, Fingerprint(hashlib.sha256(data).hexdigest(), len(data), mtime_ns)
        time.sleep(_PAUSE)
    raise Unreadable(_RESTLESS)


def _read_once(path: str | Path, max_bytes: int) -> tuple[bytes, int] | None:
    """Return the bytes and the modification time, or None when the file changed meanwhile."""
    with _Opened(path) as (descriptor, before):
        if before.st_size > max_bytes:
            size, limit = f"{before.st_size / 1e6:,.1f} MB", f"{max_bytes / 1e6:,.1f} MB"
            raise Unreadable(f"it is too large: {size}, and the limit is {limit} (max_bytes)")
        data = b"".join(_blocks(descriptor, before.st_size))
        after = os.fstat(descriptor)
    return (data, after.st_mtime_ns) if _at_rest(before, after, len(data)) else None


def fingerprint(path: str | Path) -> Fingerprint:
    """Return the fingerprint of a file of any size, read in blocks and not kept.

    Raises:
        Unreadable: as `read_file`, but for the size.
    """
    for _ in range(_TRIES):
        digest = hashlib.sha256()
        length = 0
        with _Opened(path) as (descriptor, before):
            for block in _blocks(descriptor, before.st_size):
                digest.update(block)
                length += len(block)
            after = os.fstat(descriptor)
        if _at_rest(before, after, length):
            return Fingerprint(digest.hexdigest(), length, after.st_mtime_ns)
        time.sleep(_PAUSE)
    raise Unreadable(_RESTLESS)


def _blocks(descriptor: int, size: int) -> Iterator[bytes]:
    """Yield the bytes of an open file; those that are added while it is read are not run after."""
    length = 0
    while length <= size and (block := os.read(descriptor, _BLOCK)):
        length += len(block)
        yield block


def _at_rest(before: os.stat_result, after: os.stat_result, length: int) -> bool:
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return same and length == after.st_size


class _Opened:
    """A regular file, open for reading: yields its descriptor and its status."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.descriptor = -1

    def __enter__(self) -> tuple[int, os.stat_result]:
        try:
            _regular(os.stat(self.path))  # before opening: to open a device may already do something
            self.descriptor = os.open(self.path, _FLAGS)
            status = os.fstat(self.descriptor)
            _regular(status)
        except OSError as error:
            self.close()
            raise Unreadable(os_reason(error)) from error
        except (Unreadable, ValueError):
            self.close()
            raise
        return self.descriptor, status

    def __exit__(self, *error: object) -> None:
        self.close()
        if isinstance(error[1], OSError):
            raise Unreadable(os_reason(error[1])) from error[1]

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _regular(status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise Unreadable(f"it is {_KINDS.get(kind, 'a special file')}, not a regular file")
