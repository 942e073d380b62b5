"""The charts of a run as PNG files, through matplotlib (extra `evaluate`): for papers, slides and pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trivium.evaluate.abilities.values import Measured
from trivium.evaluate.report.groups import grouped
from trivium.evaluate.report.sections import short_point
from trivium.evaluate.summary import Report, recall_curve
from trivium.extras import need
from trivium.types import Score

FOLDER = "plots"
_BLUE, _ORANGE, _INK, _FAINT = "#2f6fde", "#d9622b", "#1b2330", "#8a94a6"
_COLOURS = (_BLUE, _ORANGE, "#168a6a", "#a04fb5", "#8f6b00", "#3a9bc7")
_DPI = 160


def write_plots(report: Report, *, abilities: Sequence[Measured] = ()) -> list[Path]:
    """Draw the figures of a run into `plots/` of its folder, and return the files.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    need("matplotlib", extra="evaluate")
    folder = report.folder / FOLDER
    folder.mkdir(exist_ok=True)
    drawn = {
        "metrics": _metrics(report),
        "failure_points": _failure_points(report),
        "recall": _recall(report),
        "distributions": _distributions(report),
        **{f"abilities_{name}": figure for name, figure in _abilities(abilities).items()},
    }
    written = []
    for name, figure in drawn.items():
        if figure is not None:
            path = folder / f"{name}.png"
            figure.savefig(path, dpi=_DPI, facecolor="white")
            written.append(path)
    return written


def _new(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    """Return a figure with plain axes. Nothing of pyplot is used: its state is not for threads."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(colors=_INK, labelsize=8)
    return figure, axes


def _metrics(report: Report) -> Any:
    names = [name for members in grouped(report.metrics).values() for name in members]
    shares = [name for name in names if report.metrics[name].high <= 1.0]
    if not shares:
        return None
    figure, axes = _new(7, 0.6 + 0.24 * len(shares))
    plot = axes[0, 0]
    places = range(len(shares), 0, -1)
    scores = [report.metrics[name] for name in shares]
    plot.barh(places, [score.mean for score in scores], color=_BLUE, alpha=0.85, height=0.62)
    for place, score in zip(places, scores, strict=True):
        plot.plot([score.low, score.high], [place, place], color=_INK, linewidth=1.4)
    plot.set_yticks(list(places), [f"{_shown(name)} (n={report.metrics[name].n:,})" for name in shares])
    plot.set_xlim(0, 1)
    plot.set_xlabel("mean, with its 95% interval", fontsize=8)
    return figure


def _failure_points(report: Report) -> Any:
    points = [point for point in report.points if point.count]
    if not points:
        return None
    figure, axes = _new(7, 0.8 + 0.34 * len(points))
    plot = axes[0, 0]
    places = range(len(points), 0, -1)
    plot.barh(places, [point.share.mean for point in points], color=_ORANGE, alpha=0.85, height=0.62)
    for place, point in zip(places, points, strict=True):
        plot.plot([point.share.low, point.share.high], [place, place], color=_INK, linewidth=1.4)
    plot.set_yticks(list(places), [f"{short_point(one.point)} {one.title} ({one.count:,})" for one in points])
    plot.set_xlabel("share of the questions, with its 95% interval", fontsize=8)
    return figure


def _recall(report: Report) -> Any:
    points = recall_curve(report.tally)
    if not points:
        return None
    figure, axes = _new(5, 3.4)
    plot = axes[0, 0]
    places = [k for k, _ in points]
    plot.fill_between(places, [s.low for _, s in points], [s.high for _, s in points], color=_BLUE, alpha=0.16)
    plot.plot(places, [s.mean for _, s in points], color=_BLUE, marker="o", markersize=3.5)
    plot.set_ylim(0, 1)
    plot.set_xlabel("k: passages looked at", fontsize=8)
    plot.set_ylabel("recall@k", fontsize=8)
    return figure


def _distributions(report: Report) -> Any:
    columns: list[tuple[str, list[float]]] = []
    for members in grouped(report.metrics).values():
        for name in members:
            values = [value for value in report.tally.values[name] if not math.isnan(value)]
            if len(set(values)) > 2:
                columns.append((name, values))
    if not columns:
        return None
    rows = math.ceil(len(columns) / 4)
    figure, axes = _new(10, 0.3 + 1.8 * rows, rows, 4)
    for plot, (name, values) in zip(axes.flat, columns, strict=False):
        plot.hist(values, bins=20, range=(0, 1) if max(values) <= 1 else None, color=_BLUE)
        plot.set_title(_shown(name), fontsize=9)
    for plot in list(axes.flat)[len(columns) :]:
        plot.set_visible(False)
    return figure


def _abilities(measured: Sequence[Measured]) -> dict[str, Any]:
    found = {}
    for ability in dict.fromkeys(one.ability for one in measured if one.at is not None and one.metric == "accuracy"):
        figure, axes = _new(5, 3.4)
        plot = axes[0, 0]
        of = [one for one in measured if one.ability == ability and one.metric == "accuracy" and one.at is not None]
        for number, name in enumerate(dict.fromkeys(one.set for one in of)):
            points = sorted(((one.at or 0.0, one.score) for one in of if one.set == name and one.score.n), key=_place)
            colour = _COLOURS[number % len(_COLOURS)]
            places = [at for at, _ in points]
            plot.fill_between(places, [s.low for _, s in points], [s.high for _, s in points], color=colour, alpha=0.14)
            plot.plot(places, [s.mean for _, s in points], color=colour, marker="o", markersize=3.5, label=_shown(name))
        plot.set_ylim(0, 1)
        plot.set_title(_shown(ability), fontsize=9)
        plot.set_ylabel("accuracy", fontsize=8)
        plot.legend(fontsize=7, frameon=False)
        found[ability] = figure
    return found


def _shown(name: str) -> str:
    """Return a name as a font can draw it: nothing unprintable, no formulas, not too long."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in name)
    return printable.replace("$", "\\$")[:60]


def _place(point: tuple[float, Score]) -> float:
    return point[0]
