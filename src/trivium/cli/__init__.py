"""The command line. `main` is what the `trivium` command runs; one file per group of commands.

What a command needs beyond parsing its arguments is imported inside it, so that `trivium --help` stays quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command that `arguments` (default: those of the process) name, and exit with its status."""
    try:
        from trivium.cli.program import run

        sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))
    except KeyboardInterrupt:  # while it was starting
        sys.stderr.write("Error: Interrupted.\n")
        sys.exit(130)
