"""A smaller run of `benchmarks/failure_points.py`: real questions, the real pipeline, each failure planted."""

from __future__ import annotations

import importlib
import sys
from collections import defaultdict
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
PLANTS = (
    "dropped_document",
    "answered_anyway",
    "small_k",
    "small_budget",
    "reranked_short",
    "strict_threshold",
    "one_sentence",
    "ignores",
    "misreads",
    "wrong_form",
    "too_general",
    "too_specific",
    "some_parts",
)


@pytest.mark.real
def test_planted_failures_are_named(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    module = importlib.import_module("failure_points")
    try:
        judged = module.run("dev", 8, PLANTS, passages=120)
    finally:
        for name in set(sys.modules) - before:
            if (file := getattr(sys.modules[name], "__file__", None)) and Path(file).parent == BENCHMARKS:
                del sys.modules[name]
    named: dict[str, list[bool]] = defaultdict(list)
    for one, failure in judged:
        named[one.point].append(failure.point == one.point)
    assert named.keys() == module.WANTED.keys()
    for point, least in module.WANTED.items():
        assert len(named[point]) >= 8, point
        # A small sample may fall two short of the share that the whole benchmark must reach.
        assert sum(named[point]) >= least * len(named[point]) - 2, (point, named[point])
