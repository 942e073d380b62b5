"""Real samples for small random models; small models compute faster on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from trivium.tasks.training.read import read_training


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def real(shared_data: Path) -> Callable[..., list[Any]]:
    """The first samples of a real file, the short ones among them."""

    @cache
    def all_of(name: str) -> tuple[Any, ...]:
        return read_training(shared_data / name).samples

    def some(name: str, count: int, where: Callable[[Any], bool] = lambda _: True) -> list[Any]:
        found = [sample for sample in all_of(name) if where(sample)][:count]
        assert len(found) == count
        return found

    return some
