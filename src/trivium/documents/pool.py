"""One worker process, asked for a few files at a time, ended when one of them takes too long."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trivium.documents.limits import Limits
from trivium.documents.worker import BEAT, memory_reason

_ROOT = str(Path(__file__).parents[2])
# Not `-m`, which would put the working folder, a folder of the user's documents, on the import path.
_COMMAND = "import sys; sys.path.append(sys.argv[1]); from trivium.documents.worker import main; main()"
_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2",
    "OMP_THREAD_LIMIT": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
    "PYTHONUTF8": "1",
}
_OUT_OF_MEMORY = ("memory allocation of", "MemoryError", "bad_alloc", "out of memory", "Cannot allocate memory")
_GRACE = 5.0
"""Seconds beyond the limit, for starting the process and passing the text on."""

CLOSED = "the loader was closed before it was read"


class Worker:
    """A process that loads files. It is started by the first request and can be used until `alive` is false."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the worker)
        self._late = ""
        self._began = self._moved = 0.0
        self.alive = True

    def ask(self, files: Sequence[tuple[str, str]], limits: Limits, ocr: str) -> Iterator[dict[str, Any]]:
        """Yield the answer for each file, given as its path and its name, in their order.

        The process dies, or asks to be replaced, at the file answered last: then `alive` is false, and those after
        it have no answer.
        """
        if not self.alive:
            yield {"reason": CLOSED}
            return
        process = self._process or self._start()
        request = {"files": files, "limits": asdict(limits), "ocr": ocr}
        line = json.dumps(request).encode("ascii") + b"\n"
        self._began = self._moved = time.monotonic()
        ended = threading.Event()
        threading.Thread(target=self._watch, args=(ended, limits), daemon=True).start()
        try:
            for _ in files:
                answer = self._answer(process, line, limits)
                line = b""
                if answer.get("retire"):
                    self.close()
                yield answer
                if not self.alive:
                    return
                self._began = self._moved = time.monotonic()
        finally:
            ended.set()

    def _answer(self, process: subprocess.Popen[bytes], request: bytes, limits: Limits) -> dict[str, Any]:
        """Return the next answer; where the process dies of the file, the reason is."""
        line = _exchange(process, request)
        while line == BEAT:
            self._moved = time.monotonic()
            line = _exchange(process, b"")
        if not line.endswith(b"\n"):
            reason = self._cause_of_death(process, limits)
            self.close()
            return {"reason": reason}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _watch(self, ended: threading.Event, limits: Limits) -> None:
        """Kill the process when it has been at one file, or at one scanned page of it, for too long."""

        def left() -> tuple[float, str]:
            since_moved = self._moved + limits.seconds + _GRACE, f"{limits.seconds:,.0f} s to be parsed (seconds)"
            in_all = (
                self._began + limits.ocr_seconds,
                f"{limits.ocr_seconds:,.0f} s to be read by tesseract (ocr_seconds)",
            )
            end, why = min(since_moved, in_all) if self._moved > self._began else since_moved
            return end - time.monotonic(), why

        while not ended.wait(max(0.01, left()[0])):
            rest, why = left()
            if rest <= 0:
                self._late = why
                if (process := self._process) is not None:
                    process.kill()
                return

    def close(self) -> None:
        """End the process, whatever it is doing. May be called from any thread, and again."""
        self.alive = False
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # what was not yet flushed to the dead process
                        pipe.close()
        self._errors.close()

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND, _ROOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **_ENVIRONMENT},
        )
        if not self.alive:  # closed by another thread just now
            self._process.kill()
        return self._process

    def _cause_of_death(self, process: subprocess.Popen[bytes], limits: Limits) -> str:
        """Say why the process ended without an answer."""
        if not self.alive:
            return CLOSED
        if self._late:
            return f"it took longer than {self._late}"
        status = process.wait()
        self._errors.seek(0)
        words = self._errors.read()[-4000:].decode("utf-8", "replace")
        if status == -signal.SIGKILL or any(sign in words for sign in _OUT_OF_MEMORY):
            return memory_reason(limits)
        if status < 0:
            return f"its parser crashed ({signal.Signals(-status).name})"
        last = words.strip().splitlines()[-1:] or [f"exit status {status}"]
        return f"its parser ended early ({last[0][:200]})"


def _exchange(process: subprocess.Popen[bytes], line: bytes) -> bytes:
    """Send what there is to send and return the next line; what comes from a process that dies has no line end."""
    if process.stdin is None or process.stdout is None:
        return b""
    try:
        if line:
            process.stdin.write(line)
            process.stdin.flush()
        return process.stdout.readline()
    except (OSError, ValueError):  # the pipe broke, or was closed by another thread
        return b""
