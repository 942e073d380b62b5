"""docs/metrics.md lists every metric, and what it shows is what is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trivium.evaluate.score import CUTS, METRICS

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")


def test_every_metric_is_listed() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    known = {re.sub(r"@\d+$", "@k", name) for name in METRICS}
    assert known | {"cosine", "soft_f1", "perplexity"} == listed
    assert {name for name in METRICS if name.startswith("ndcg@")} == {f"ndcg@{k}" for k in CUTS}


def test_the_example_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert code
    exec(code[1], {})
    assert capsys.readouterr().out == code[2]
