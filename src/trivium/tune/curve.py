"""The course of one or more runs as a picture: loss and validation against steps (extra `evaluate`)."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

History = Sequence[Mapping[str, float]]
_COLOURS = ("#2f6fde", "#d9622b", "#168a6a", "#a04fb5", "#8f6b00", "#3a9bc7")
_SMOOTH = 0.9


def draw_curve(history: History, path: Path) -> bool:
    """Draw one run; return whether it could be: matplotlib is an optional package."""
    return draw_curves({"": history}, path)


def draw_curves(histories: Mapping[str, History], path: Path) -> bool:
    """Draw runs side by side: the training loss, pale as it was and strong as smoothed, and each validation score."""
    if importlib.util.find_spec("matplotlib") is None or not any(histories.values()):
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = sorted({name for rows in histories.values() for row in rows for name in row if name.startswith("valid")})
    figure: Any = Figure(figsize=(4.6 * (1 + len(names)), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 1 + len(names), squeeze=False)[0]
    for (run, rows), colour in zip(histories.items(), _COLOURS * len(histories), strict=False):
        steps = [row["step"] for row in rows]
        losses = [row["loss"] for row in rows]
        axes[0].plot(steps, losses, color=colour, alpha=0.25, linewidth=1)
        axes[0].plot(steps, _smoothed(losses), color=colour, linewidth=2, label=run or None)
        for axis, name in zip(axes[1:], names, strict=True):
            points = [(row["step"], row[name]) for row in rows if name in row]
            if points:
                axis.plot(*zip(*points, strict=True), color=colour, marker="o", linewidth=2, label=run or None)
    for axis, name in zip(axes, ["training loss", *(name.replace("_", " ") for name in names)], strict=True):
        axis.set_title(name, fontsize=11)
        axis.set_xlabel("step")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    if len(histories) > 1:
        axes[0].legend(fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, facecolor="white")
    return True


def _smoothed(values: Sequence[float]) -> list[float]:
    """Return the exponential moving average, corrected for its beginning."""
    mean, weight, found = 0.0, 0.0, []
    for value in values:
        mean, weight = _SMOOTH * mean + (1 - _SMOOTH) * value, _SMOOTH * weight + (1 - _SMOOTH)
        found.append(mean / weight)
    return found
