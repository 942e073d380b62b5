"""Real files by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Find = Callable[[str], Path]


@pytest.fixture
def find(shared_data: Path) -> Find:
    def find(name: str) -> Path:
        path = shared_data / name
        if not path.exists():
            pytest.skip(f"no {name} in the folder of real data")
        return path

    return find
