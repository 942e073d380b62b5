"""One worker process, asked one file at a time, ended when a file takes too long."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from trivium.documents.limits import Limits
from trivium.documents.parts import Unreadable
from trivium.documents.worker import memory_reason

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


class Worker:
    """A process that loads files. It is started by the first request and can be used until `alive` is false."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the worker)
        self._late = False
        self.alive = True

    def ask(self, request: dict[str, Any], limits: Limits) -> dict[str, Any]:
        """Return the answer to one request.

        Raises:
            Unreadable: the file took too long, or the process died of it; the worker is then no longer alive.
        """
        process = self._process or self._start()
        timer = threading.Timer(limits.seconds + _GRACE, self._end_late)
        timer.daemon = True
        timer.start()
        try:
            line = _exchange(process, json.dumps(request).encode("ascii") + b"\n")
        finally:
            timer.cancel()
        if not line.endswith(b"\n"):
            reason = self._cause_of_death(process, limits)
            self.close()
            raise Unreadable(reason)
        answer: dict[str, Any] = json.loads(line)
        if answer.get("retire"):
            self.close()
        return answer

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
        return self._process

    def _end_late(self) -> None:
        self._late = True
        process = self._process
        if process is not None:
            process.kill()

    def _cause_of_death(self, process: subprocess.Popen[bytes], limits: Limits) -> str:
        """Say why the process ended without an answer."""
        if self._late:
            return f"it took longer than {limits.seconds:,.0f} s to be parsed (seconds)"
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
    """Send one line and return the line that answers it; what comes from a process that dies has no line end."""
    if process.stdin is None or process.stdout is None:
        return b""
    try:
        process.stdin.write(line)
        process.stdin.flush()
        return process.stdout.readline()
    except (OSError, ValueError):  # the pipe broke, or was closed by another thread
        return b""
