"""Load files as documents: in worker processes, within limits, each failure by name with one reason."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from trivium.documents.files import Fingerprint, fingerprint, printable
from trivium.documents.limits import Limits
from trivium.documents.parse import Ocr
from trivium.documents.parts import Unreadable
from trivium.documents.pool import CLOSED, Worker
from trivium.errors import DocumentError
from trivium.types import Block, Document, Heading, Page

__all__ = ["Limits", "Loaded", "Loader", "file_fingerprint", "load", "printable"]

_MAX_WORKERS = 4
_SMALL = 16_384
"""Bytes up to which files share a request to a worker: most of a small file's cost is the way there and back."""
_BATCH = 64
"""Small files in a request, at most."""
_PATIENCE = 0.3
"""Seconds to wait for a busy worker before another is started, which takes about as long."""

File = str | os.PathLike[str] | tuple[str | os.PathLike[str], str]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document, and the fingerprint of exactly the bytes that it was parsed from."""

    document: Document
    sha256: str
    size: int
    mtime_ns: int


def load(
    path: str | os.PathLike[str], *, source: str | None = None, limits: Limits | None = None, ocr: Ocr = "auto"
) -> Document:
    """Return the document in the file at `path`. For more than one file, keep a `Loader`.

    Args:
        source: the name the document is known by; by default `path`, its invalid bytes escaped.
        ocr: `auto` reads pictures of text where tesseract is installed, `never` does not.

    Raises:
        DocumentError: the file cannot be read; it carries the source and one reason.
    """
    with Loader(limits=limits, ocr=ocr, workers=1) as loader:
        return loader.load(path, source=source).document


def file_fingerprint(path: str | os.PathLike[str], *, source: str | None = None) -> Fingerprint:
    """Return the hash, size and time of a file without parsing it.

    Raises:
        DocumentError: the file cannot be read.
    """
    try:
        return fingerprint(Path(path))
    except Unreadable as error:
        raise DocumentError(source or printable(path), str(error)) from error


class Loader:
    """Loads many files with a few worker processes, which start when they are first needed.

    Safe to use from several threads. Close it, or use it in a `with` statement, to end the processes.
    """

    def __init__(self, *, limits: Limits | None = None, ocr: Ocr = "auto", workers: int | None = None) -> None:
        self.limits = limits or Limits()
        self.ocr: Ocr = ocr
        self.workers = workers or min(_MAX_WORKERS, _processors())
        self._changed = threading.Condition()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._closed = False

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes, also those at work."""
        with self._changed:
            self._closed = True
            workers = [*self._idle, *self._busy]
            self._idle.clear()
            self._changed.notify_all()
        for worker in workers:
            worker.close()

    def load(self, path: str | os.PathLike[str], *, source: str | None = None) -> Loaded:
        """Return the document in the file at `path` with the fingerprint of the bytes it came from.

        Raises:
            DocumentError: the file cannot be read; it carries the source and one reason.
        """
        [(_, result)] = self._load([path if source is None else (path, source)])
        if isinstance(result, DocumentError):
            raise result
        return result

    def map(self, files: Iterable[File]) -> Iterator[tuple[Path, Loaded | DocumentError]]:
        """Yield each file with its document or its error, in the order they are done.

        `files` are paths, or pairs of path and source. They are taken as they are needed: at most twice as many
        requests as there are workers are read ahead of what the caller has taken; a request is one file, or up to 64
        small ones.
        """
        waiting = _batches(files)
        with ThreadPoolExecutor(self.workers, thread_name_prefix="trivium-load") as threads:
            running: set[Future[list[tuple[Path, Loaded | DocumentError]]]] = set()
            try:
                while True:
                    for batch in islice(waiting, 2 * self.workers - len(running)):
                        running.add(threads.submit(self._load, batch))
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield from future.result()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def _load(self, files: Sequence[File]) -> list[tuple[Path, Loaded | DocumentError]]:
        """Return each file with what became of it."""
        pairs = [file if isinstance(file, tuple) else (file, printable(file)) for file in files]
        asked = [(os.fspath(path), Path(path).name) for path, _ in pairs]
        answers: list[dict[str, Any]] = []
        while len(answers) < len(asked):  # again where a worker ended on the way
            answers += self._ask(asked[len(answers) :])
        return [(Path(path), _result(source, answer)) for (path, source), answer in zip(pairs, answers, strict=True)]

    def _ask(self, files: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """Pass files to a worker; return the answers for all of them, or for those that it lived to see."""
        worker = self._take()
        if worker is None:
            return [{"reason": CLOSED}] * len(files)
        try:
            return list(worker.ask(files, self.limits, self.ocr))
        finally:
            with self._changed:
                self._busy.discard(worker)
                if worker.alive and not self._closed:
                    self._idle.append(worker)
                self._changed.notify()

    def _take(self) -> Worker | None:
        """Return a worker that is free; a new one only where none gets free soon; None when the loader is closed."""
        patience = time.monotonic() + _PATIENCE
        with self._changed:
            while not self._closed and not self._idle:
                left = patience - time.monotonic()
                if not self._busy or (left <= 0 and len(self._busy) < self.workers):
                    self._idle.append(Worker())
                else:
                    self._changed.wait(left if left > 0 else None)
            if self._closed:
                return None
            worker = self._idle.pop()
            self._busy.add(worker)
            return worker


def _batches(files: Iterable[File]) -> Iterator[list[File]]:
    """Group neighbouring small files; yield every other by itself."""
    small: list[File] = []
    for file in files:
        path = file[0] if isinstance(file, tuple) else file
        if _is_small(path):
            small.append(file)
            if len(small) == _BATCH:
                yield small
                small = []
        else:
            yield [file]
    if small:
        yield small


def _is_small(path: str | os.PathLike[str]) -> bool:
    try:
        return os.stat(path).st_size <= _SMALL
    except (OSError, ValueError):
        return True  # the worker says at once what is wrong with it


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _result(source: str, answer: dict[str, Any]) -> Loaded | DocumentError:
    if "reason" in answer:
        return DocumentError(source, str(answer["reason"]))
    found = answer["fingerprint"]
    document = _document(source, answer["document"])
    return Loaded(document, str(found["sha256"]), int(found["size"]), int(found["mtime_ns"]))


def _document(source: str, fields: dict[str, Any]) -> Document:
    """Build a document from what came back from the worker."""
    return Document(
        **{
            **fields,
            "source": source,
            "pages": tuple(Page(**page) for page in fields["pages"]),
            "headings": tuple(Heading(**heading) for heading in fields["headings"]),
            "blocks": tuple(Block(**block) for block in fields["blocks"]),
            "warnings": tuple(fields["warnings"]),
        }
    )
