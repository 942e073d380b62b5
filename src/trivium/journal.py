"""A file that grows by whole lines: what a kill, an interrupt or a full disk left of a torn line is cut off."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from trivium.errors import StoreFull

_BLOCK = 1 << 16


class Journal:
    """Lines added to the end of a file, for one process at a time. A context manager.

    Args:
        path: the file, made where there is none; a last line without its end is cut off at once.
        cure: what the error of a full disk advises.

    Attributes:
        end: bytes of whole lines.

    Raises:
        StoreFull: the file cannot be written.
    """

    def __init__(self, path: Path, cure: str = "Free some space, then run the command again.") -> None:
        self.path = path
        self._cure = cure
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            self._file = os.fdopen(descriptor, "r+b", buffering=0)
            self.end = self._whole()
            self._file.truncate(self.end)
        except OSError as error:
            raise self.full(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def append(self, line: bytes, *, flush: bool = True) -> int:
        """Write one line, which ends with a line feed, and return where it starts.

        Args:
            line: its bytes.
            flush: whether to force it to the disk: a power cut does not lose it then, and a kill never does.

        Raises:
            StoreFull: the disk is full; what was written before is whole.
        """
        start = self.end
        try:
            # From the end of the last whole line: what an interrupt left of a torn one is overwritten.
            self._file.seek(start)
            self._file.truncate()
            view = memoryview(line)
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError as error:
            raise self.full(error) from error
        self.end = start + len(line)
        if flush:
            self.flush()
        return start

    def flush(self) -> None:
        """Force what was written to the disk.

        Raises:
            StoreFull: the disk is full.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self.full(error) from error

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._file.closed

    def full(self, error: OSError) -> StoreFull:
        """Return what to raise where the file could not be written."""
        return StoreFull(f"{self.path} cannot be written: {error.strerror or error}.", self._cure)

    def _whole(self) -> int:
        """Return where the last whole line ends, looking from the end of the file."""
        at = self._file.seek(0, os.SEEK_END)
        while at:
            start = max(0, at - _BLOCK)
            self._file.seek(start)
            found = self._file.read(at - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            at = start
        return 0
