"""Find the files to load under the given paths, in a fixed order, and say what was passed over and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from trivium.documents.files import os_reason, printable
from trivium.documents.sniff import BY_EXTENSION, extension_of
from trivium.errors import DocumentError


@dataclass(slots=True)
class Skipped:
    """Counts of what a walk passed over without a report: files by extension, hidden names, excluded places."""

    unsupported: dict[str, int] = field(default_factory=dict)
    hidden: int = 0
    excluded: int = 0


def discover(
    paths: Iterable[str | os.PathLike[str]],
    *,
    exclude: Iterable[str | os.PathLike[str]] = (),
    skipped: Skipped | None = None,
) -> Iterator[Path | DocumentError]:
    """Yield each file once: those named, and those under the folders named, sorted by name, files of a folder first.

    Files of a kind that is not read are an error when named and only counted when met in a folder; so are hidden
    files (names with a leading dot). Links are followed; a link that leads back into its own folders is reported
    by name, once, as is what cannot be reached.

    Args:
        exclude: files and folders to leave out with all they hold, such as the knowledge base's own.
        skipped: counts what was passed over.
    """
    walk = _Walk(
        {_identity(os.stat(place)) for place in exclude if os.path.exists(place)},
        skipped if skipped is not None else Skipped(),
    )
    for path in paths:
        yield from walk.named(Path(path))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


class _Walk:
    """One walk over all the paths given, which yields no file twice."""

    def __init__(self, exclude: set[tuple[int, int]], skipped: Skipped) -> None:
        self.exclude = exclude
        self.skipped = skipped
        self.seen: set[str] = set()

    def named(self, path: Path) -> Iterator[Path | DocumentError]:
        """Yield what lies at a path that the caller named."""
        try:
            status = os.stat(path)
        except (OSError, ValueError) as error:
            yield _error(path, error)
            return
        if _identity(status) in self.exclude:
            self.skipped.excluded += 1
        elif stat.S_ISDIR(status.st_mode):
            yield from self._folder(path, (_identity(status),))
        elif not stat.S_ISREG(status.st_mode):
            yield DocumentError(printable(path), "it is a pipe, a socket or a device, not a regular file")
        elif not _supported(path.name) and path.suffix:
            yield DocumentError(printable(path), f"files of the kind {printable(path.suffix)} are not read")
        else:
            yield from self._once(path)

    def _once(self, path: Path) -> Iterator[Path]:
        key = os.path.realpath(path)
        if key not in self.seen:
            self.seen.add(key)
            yield path

    def _folder(self, folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path | DocumentError]:
        """Yield what lies in a folder; `above` are the folders on the way to it, itself included."""
        try:
            names = sorted(os.listdir(folder), key=os.fsencode)
        except OSError as error:
            yield _error(folder, error)
            return
        folders: list[tuple[Path, tuple[int, int]]] = []
        for name in names:
            path = folder / name
            if name.startswith("."):
                self.skipped.hidden += 1
                continue
            try:
                status = os.stat(path)
            except OSError as error:
                yield _error(path, error)
                continue
            if _identity(status) in self.exclude:
                self.skipped.excluded += 1
            elif stat.S_ISDIR(status.st_mode):
                folders.append((path, _identity(status)))
            elif stat.S_ISREG(status.st_mode) and _supported(name):
                yield from self._once(path)
            else:
                extension = printable(extension_of(name))
                self.skipped.unsupported[extension] = self.skipped.unsupported.get(extension, 0) + 1
        for path, identity in folders:
            if identity in above:
                yield DocumentError(printable(path), "it is a symbolic link that leads back to a folder above it")
            else:
                yield from self._folder(path, (*above, identity))


def _supported(name: str) -> bool:
    """Whether the name promises a kind that is read; a name without extension may be a text."""
    return extension_of(name) in BY_EXTENSION or name.upper() in _PLAIN_NAMES


_PLAIN_NAMES = frozenset(
    {"README", "LICENSE", "LICENCE", "NOTICE", "CHANGELOG", "AUTHORS", "COPYING", "TODO", "MAKEFILE"}
)


def _error(path: Path, error: OSError | ValueError) -> DocumentError:
    reason = os_reason(error) if isinstance(error, OSError) else f"its name cannot be used ({error})"
    return DocumentError(printable(path), reason)
