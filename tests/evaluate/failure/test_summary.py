"""Counts, intervals, examples and cures of failure points, and their table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from trivium.cli.program import app
from trivium.errors import UnknownName, UsageError
from trivium.evaluate.failure import POINTS, Failure, Wrong, summary
from trivium.evaluate.statistics import wilson

STAGES = {
    "answered", "fusion", "dedupe", "rerank", "judge", "refuse", "budget", "passages", "sentence", "no retrieval",
}  # fmt: skip


def wrong(id: str, point: str, said: str = "x", sure: str = "certain", **detail: object) -> Wrong:
    return Wrong(id, "Why?", "gold", said, Failure(point, "because", detail, sure))  # type: ignore[arg-type]


def test_counts_and_intervals() -> None:
    found = summary([wrong(str(n), "FP2") for n in range(3)] + [wrong("a", "FP4")], 20)
    assert [point.point for point in found] == list(POINTS)
    by = {point.point: point for point in found}
    assert (by["FP2"].count, by["FP4"].count, by["FP1"].count) == (3, 1, 0)
    assert by["FP2"].share.mean == 0.15
    assert (by["FP2"].share.low, by["FP2"].share.high) == wilson(3, 20)
    assert by["FP1"].share.low == 0
    assert by["FP2"].title == "missed the top ranks"


def test_the_clearest_examples_are_kept() -> None:
    rows = [wrong("guess", "FP4", sure="guess"), wrong("long", "FP4", said="y" * 300)]
    rows += [wrong(f"n{n}", "FP4", said="word " * n) for n in range(6)]
    found = next(point for point in summary(iter(rows), 8) if point.point == "FP4")
    assert [one.id for one in found.examples] == ["n0", "n1", "n2", "n3", "n4"]
    assert [one.id for one in next(p for p in summary(rows, 8, examples=8) if p.count).examples][-1] == "guess"


def test_only_the_cures_of_the_stages_that_were_seen() -> None:
    found = {point.point: point for point in summary([wrong("a", "FP3", stage="rerank")], 10)}
    assert found["FP3"].stages == {"rerank": 1}
    assert {stage for cure in found["FP3"].cures for stage in cure.stages} == {"rerank"}
    assert found["FP1"].cures
    assert all("answered" not in cure.stages for cure in found["FP1"].cures)
    answered = {point.point: point for point in summary([wrong("a", "FP1", answered=True)], 10)}
    assert answered["FP1"].stages == {"answered": 1}
    assert any("answered" in cure.stages for cure in answered["FP1"].cures)


def test_a_run_without_questions_has_no_share() -> None:
    assert all(math.isnan(point.share.mean) and point.share.n == 0 for point in summary([], 0))


def test_what_cannot_be_is_an_error() -> None:
    with pytest.raises(UnknownName, match="FP9"):
        summary([wrong("a", "FP9")], 1)
    with pytest.raises(UsageError):
        summary([wrong("a", "FP1"), wrong("b", "FP1")], 1)


def test_the_table_names_roads_stages_and_options_that_exist() -> None:
    def helps(command: Sequence[str]) -> str:
        return CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"}).output

    shown = "".join(helps(command) for command in (["add"], ["ask"], ["search"]))
    assert list(POINTS) == [*(f"FP{n}" for n in range(1, 8)), "retrieval_not_needed"]
    for point in POINTS.values():
        assert point.cures
        assert point.meaning.endswith(".")
        for cure in point.cures:
            assert cure.road in {"prompt", "ground", "tune"}
            assert set(cure.stages) <= STAGES
            for option in re.findall(r"--[a-z-]+", cure.setting):
                assert option in shown, option
