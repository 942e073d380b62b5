"""How a run is shown: a table on the terminal, one HTML file that opens offline, and plots.

`write_report` writes the files; `table.py` has the terminal's tables.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

from trivium.errors import MissingExtra
from trivium.evaluate.abilities.run import FIGURES
from trivium.evaluate.abilities.values import Measured
from trivium.evaluate.against import Comparison
from trivium.evaluate.report.html import write_html
from trivium.evaluate.report.plots import write_plots
from trivium.evaluate.results import read_results
from trivium.evaluate.summary import Report
from trivium.index.durable import read_json
from trivium.types import Score

ABILITIES = "abilities"
"""The folder below a run's that holds its abilities."""

_log = logging.getLogger("trivium.evaluate")


def write_report(report: Report, *, comparison: Comparison | None = None, title: str = "") -> Path:
    """Write `report.html` and `plots/*.png` into the folder of a run, and return the page's path.

    Abilities that were measured into its folder `abilities/` are shown too. Without matplotlib (extra `evaluate`) the
    plots are left out, with a word in the log.

    Raises:
        StoreFull: the disk is full.
    """
    abilities = _abilities(report.folder / ABILITIES)
    results = read_results(report.folder)
    path = write_html(report, results, comparison=comparison, abilities=abilities, title=title)
    try:
        write_plots(report, abilities=abilities)
    except MissingExtra as missing:
        _log.warning("No PNG plots: %s", missing)
    return path


def _abilities(folder: Path) -> list[Measured]:
    """Return the figures that `trivium.evaluate.abilities.run` wrote; none where there are none."""
    found = read_json(folder / FIGURES).get("figures", [])
    return [
        Measured(
            ability=one["ability"],
            set=one["set"],
            language=one["language"],
            metric=one["metric"],
            score=Score(_number(one["mean"]), _number(one["low"]), _number(one["high"]), one["n"]),
            at=one["at"],
            arm=one["arm"],
        )
        for one in found
    ]


def _number(value: float | None) -> float:
    return math.nan if value is None else value
