"""The process that reads and parses files for the program, so that a hostile one can only take this process down.

Run as `python -c "...; main()"` by `pool.Worker`. A request is a line of JSON that names one or more files, and each
file is answered by a line of its own: what comes back from the process that touched a hostile file is plain data,
nothing that could run.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import IO, Any

from trivium.documents.files import read_file
from trivium.documents.limits import MEGABYTE, Limits
from trivium.documents.parse import Ocr, nothing, parse
from trivium.documents.parts import Unreadable

BEAT = b'"beat"\n'
"""What is said after each scanned page, which may take as long as a whole file otherwise may."""
_RETIRE_AT = 700 * MEGABYTE
"""Resident memory at which a worker asks to be replaced: allocators seldom give back what a large file took."""


def main() -> None:
    """Answer requests from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the program's to handle; its end closes our input
    # Whatever a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        limits = Limits(**request["limits"])
        for path, name in request["files"]:
            _answer(answers, handle(path, name, limits, request["ocr"], partial(_beat, answers)))


def _beat(answers: IO[bytes]) -> None:
    answers.write(BEAT)
    answers.flush()


def _answer(answers: IO[bytes], answer: dict[str, Any]) -> None:
    line = json.dumps(answer, ensure_ascii=False, default=_fields)
    answers.write(line.encode("utf-8", "replace") + b"\n")
    answers.flush()


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def handle(path: str, name: str, limits: Limits, ocr: Ocr, beat: Callable[[], None] = nothing) -> dict[str, Any]:
    """Return the answer for one file: the document and its fingerprint, or the reason against it; see `parse`."""
    limited = limit_memory(limits)
    limit_processor(limits)
    try:
        data, fingerprint = read_file(path, max_bytes=limits.max_bytes)
        document = parse(data, name, limits=limits, ocr=ocr, beat=beat)
        return {"document": document, "fingerprint": fingerprint, "retire": resident() > _RETIRE_AT}
    except Unreadable as error:
        return {"reason": str(error), "retire": resident() > _RETIRE_AT}
    except MemoryError:
        return {"reason": memory_reason(limits), "retire": True}
    except RecursionError:
        return {"reason": "it is nested too deeply to be parsed"}
    except Exception as error:
        # The boundary of the process: whatever a parser raises on a hostile file is this file's reason, told by name.
        return {"reason": f"its parser failed ({type(error).__name__}: {_short(error)})", "retire": True}
    finally:
        if limited:
            limit_memory(None)


def memory_reason(limits: Limits) -> str:
    """Say that a file needs more memory than it may take."""
    return f"it needs more than {limits.memory_bytes // MEGABYTE:,} MB of memory to be parsed (memory_bytes)"


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def resident() -> int:
    """Return the bytes of memory this process holds, or 0 where that is not known."""
    return _statm(1)


def limit_memory(limits: Limits | None) -> bool:
    """Let this process take `limits.memory_bytes` more than it has now, or lift the limit; False where not possible.

    The limit is on private writable memory (RLIMIT_DATA), which Linux counts exactly: address space that
    allocators and thread stacks only reserve would count against RLIMIT_AS.
    """
    held = _statm(5)
    if not held:
        return False
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = hard if limits is None else held + limits.memory_bytes
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    return True


def limit_processor(limits: Limits) -> None:
    """End this process when one file takes far more processor time than it may, should the program be gone."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(usage.ru_utime + usage.ru_stime + 4 * limits.seconds) + 10
    if hard == resource.RLIM_INFINITY or soft < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _statm(column: int) -> int:
    """Return a column of Linux's table of this process's memory, in bytes, or 0 elsewhere."""
    try:
        with open("/proc/self/statm", encoding="ascii") as table:
            return int(table.read().split()[column]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
