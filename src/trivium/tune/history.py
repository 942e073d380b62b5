"""The course of a run, a JSON line a step: a killed run keeps it up to the checkpoint that it goes on from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from trivium.journal import Journal


class History:
    """The steps of a run so far, in `rows` and in a file.

    Args:
        path: the file; None for a process that writes none.
        keep: the step of the checkpoint that the run goes on from; what was written after it is taken out.
    """

    def __init__(self, path: Path | None, keep: int) -> None:
        self.rows = [row for row in read_history(path) if row["step"] <= keep] if path else []
        self._before = self.rows[-1]["seconds"] if self.rows else 0.0
        self._journal = None
        if path:
            new = path.with_suffix(".new")
            new.write_text("".join(map(_line, self.rows)), "utf-8")
            os.replace(new, path)
            self._journal = Journal(path, "Free some space, then go on with --resume.")

    @property
    def seconds(self) -> float:
        """What the run has taken before it was taken up again."""
        return self._before

    def add(self, row: Mapping[str, float]) -> None:
        """Write down a step."""
        self.rows.append(row)
        if self._journal:
            self._journal.append(_line(row).encode(), flush=False)

    def close(self) -> None:
        """Close the file."""
        if self._journal:
            self._journal.close()


def read_history(path: Path) -> list[Mapping[str, float]]:
    """Return the steps that a file holds; a torn last line is left out."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text("utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            rows.append(json.loads(line))
    return rows


def _line(row: Mapping[str, float]) -> str:
    return json.dumps(dict(row)) + "\n"
