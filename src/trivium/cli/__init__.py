"""The command line. `main` is what the `trivium` command runs; one file per group of commands.

What a command needs beyond parsing its arguments is imported inside it, so that `trivium --help` stays quick.
"""

from __future__ import annotations

from trivium.cli.main import main

__all__ = ["main"]
