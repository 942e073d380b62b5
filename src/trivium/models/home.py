"""Where Trivium keeps what it fetched or built: models, ONNX graphs, caches of model calls."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def home() -> Path:
    """Return the folder named by `TRIVIUM_HOME`, else `trivium` in the user's cache folder.

    The folder need not exist yet. The environment is read at each call, so that a test or a
    service may point it elsewhere.
    """
    chosen = os.environ.get("TRIVIUM_HOME")
    return Path(chosen).expanduser() if chosen else _user_cache() / "trivium"


def _user_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG rules say that a relative path there is to be ignored.
    return Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"
