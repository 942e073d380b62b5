"""Load files as documents: in worker processes, within limits, each failure by name with one reason."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from trivium.documents.files import Fingerprint, fingerprint, printable
from trivium.documents.limits import Limits
from trivium.documents.parse import Ocr
from trivium.documents.parts import Unreadable
from trivium.documents.pool import Worker
from trivium.errors import DocumentError
from trivium.types import Block, Document, Heading, Page

__all__ = ["Limits", "Loaded", "Loader", "file_fingerprint", "load", "printable"]

_MAX_WORKERS = 4


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
        self._slots = threading.Semaphore(self.workers)
        self._lock = threading.Lock()
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
        with self._lock:
            self._closed = True
            workers = [*self._idle, *self._busy]
            self._idle.clear()
        for worker in workers:
            worker.close()

    def load(self, path: str | os.PathLike[str], *, source: str | None = None) -> Loaded:
        """Return the document in the file at `path` with the fingerprint of the bytes it came from.

        Raises:
            DocumentError: the file cannot be read; it carries the source and one reason.
        """
        source = printable(path) if source is None else source
        try:
            answer = self._ask({"path": os.fspath(path), "name": Path(path).name})
        except Unreadable as error:
            raise DocumentError(source, str(error)) from error
        if "reason" in answer:
            raise DocumentError(source, str(answer["reason"]))
        document = replace(_document(answer["document"]), source=source)
        found = answer["fingerprint"]
        return Loaded(document, str(found["sha256"]), int(found["size"]), int(found["mtime_ns"]))

    def map(
        self, files: Iterable[str | os.PathLike[str] | tuple[str | os.PathLike[str], str]]
    ) -> Iterator[tuple[Path, Loaded | DocumentError]]:
        """Yield each file with its document or its error, in the order they are done.

        `files` are paths, or pairs of path and source. They are taken as they are needed: at most twice as many
        as there are workers are read ahead of what the caller has taken.
        """
        waiting = iter(files)
        with ThreadPoolExecutor(self.workers, thread_name_prefix="trivium-load") as threads:
            running: set[Future[tuple[Path, Loaded | DocumentError]]] = set()
            try:
                while True:
                    for file in islice(waiting, 2 * self.workers - len(running)):
                        running.add(threads.submit(self._one, file))
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def _one(
        self, file: str | os.PathLike[str] | tuple[str | os.PathLike[str], str]
    ) -> tuple[Path, Loaded | DocumentError]:
        path, source = file if isinstance(file, tuple) else (file, None)
        try:
            return Path(path), self.load(path, source=source)
        except DocumentError as error:
            return Path(path), error

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Pass a request to a worker that is free, or to a new one."""
        with self._slots:
            with self._lock:
                if self._closed:
                    raise Unreadable("the loader was closed before it was read")
                worker = self._idle.pop() if self._idle else Worker()
                self._busy.add(worker)
            try:
                return worker.ask({**request, "limits": asdict(self.limits), "ocr": self.ocr}, self.limits)
            finally:
                with self._lock:
                    self._busy.discard(worker)
                    if worker.alive and not self._closed:
                        self._idle.append(worker)


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _document(fields: dict[str, Any]) -> Document:
    """Build a document from what came back from the worker."""
    return Document(
        **{
            **fields,
            "pages": tuple(Page(**page) for page in fields["pages"]),
            "headings": tuple(Heading(**heading) for heading in fields["headings"]),
            "blocks": tuple(Block(**block) for block in fields["blocks"]),
            "warnings": tuple(fields["warnings"]),
        }
    )
