"""Trivium: adapt a language model to your field by three measured roads. Prompt it, ground it, tune it.

import trivium

kb = trivium.open("handbook")
kb.add(["docs/"])
answer = trivium.ask(kb, "How long is the warranty?")
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trivium.version import __version__

if TYPE_CHECKING:
    from trivium.api import KnowledgeBase, ask, evaluate, import_archive, open

__all__ = ["KnowledgeBase", "__version__", "ask", "evaluate", "import_archive", "open"]


def __getattr__(name: str) -> Any:
    """Load the library's face at its first use, so that `import trivium` stays light."""
    if name in __all__:
        from trivium import api

        return getattr(api, name)
    raise AttributeError(f"module 'trivium' has no attribute {name!r}")


class _Library(ModuleType):
    """Keeps `trivium.evaluate` the function, whichever of the rooms below it was imported first.

    Importing `trivium.evaluate.run` would otherwise put the room of that name in its place.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Library
