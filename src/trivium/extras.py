"""Optional dependencies, asked for where they are used: `torch = need("torch", extra="tune")`."""

from __future__ import annotations

import importlib
from types import ModuleType

from trivium.errors import MissingExtra


def need(module: str, *, extra: str) -> ModuleType:
    """Import `module`, or raise `MissingExtra` with the exact line that installs it.

    A module that is installed but fails to import raises its own error, unhidden.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise MissingExtra(module, extra) from None
