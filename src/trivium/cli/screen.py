"""Where a command writes: results to standard output, everything else to standard error.

With `--json`, standard output is exactly one JSON object: the file descriptor itself is turned to standard error
while the command runs, so that not even a native library can write beside the object.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_UNBOUNDED = 10_000
"""The width where there is no terminal: what reads a pipe wants whole lines."""


class Screen:
    """The two outputs of one command."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.debug = False
        self.kb = ""
        self.emitted = False
        self._json_out: int | None = None

    @cached_property
    def out(self) -> Console:
        """Standard output."""
        from rich.console import Console

        return Console(highlight=False, markup=False, emoji=False, width=_width(sys.stdout.isatty()))

    @cached_property
    def err(self) -> Console:
        """Standard error."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, markup=False, emoji=False, width=_width(sys.stderr.isatty()))

    @property
    def live(self) -> bool:
        """Whether results are watched by a person as they come."""
        return not self.as_json and self.out.is_interactive

    def say(self, line: str, style: str | None = None) -> None:
        """Tell the person at the terminal something that is not the result."""
        self.err.print(line, style=style, soft_wrap=True)

    def emit(self, result: Mapping[str, object]) -> None:
        """Write the one JSON object."""
        self.emitted = True
        # An unpaired surrogate (an argument that was no UTF-8) becomes the escape that JSON has for it.
        data = (json.dumps(result, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        if self._json_out is None:
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
            return
        while data:
            data = data[os.write(self._json_out, data) :]

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """With `--json`, keep standard output for `emit` alone."""
        if not self.as_json:
            yield
            return
        sys.stdout.flush()
        self._json_out = os.dup(1)
        os.dup2(2, 1)
        try:
            with redirect_stdout(sys.stderr):
                yield
        finally:
            sys.stdout.flush()
            os.dup2(self._json_out, 1)
            os.close(self._json_out)
            self._json_out = None


def _width(terminal: bool) -> int | None:
    return None if terminal or os.environ.get("COLUMNS") else _UNBOUNDED
