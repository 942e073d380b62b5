"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.pop("COLUMNS", None)  # pytest-xdist sets it; outside a terminal, tables are as wide as they need


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data, read in place: `TRIVIUM_TEST_DATA`, or `shared/data` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TRIVIUM_TEST_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set TRIVIUM_TEST_DATA to the folder that holds squad/, docs/, ...")
    return folder
