"""Charts as SVG text, without a library: bars with intervals, histograms, curves with bands, scatters, stacked bars.

Colours are classes (`s1` … `s8` for series, `axis`, `grid`, `band`) that the page's style sheet gives for light and
dark. Every text is escaped. Sizes are in user units; the page scales a chart to its column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from trivium.types import Score

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 10, 30


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a curve: its name and its points `(x, score)`, by growing x."""

    name: str
    points: Sequence[tuple[float, Score]]


def interval_bar(score: Score, *, low: float = 0.0, high: float = 1.0, style: str = "s1") -> str:
    """Return a bar from `low` to the mean, with its interval as a line across."""
    width, height, middle = 240.0, 18.0, 9.0

    def x(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.0
        return round(1 + min(max(share, 0.0), 1.0) * (width - 2), 2)

    mean, start, stop = x(score.mean), x(score.low), x(score.high)
    label = f"{number(score.mean)}, 95% interval {number(score.low)} to {number(score.high)}, {score.n:,} questions"
    return (
        f'<svg class="bar" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"<title>{escape(label)}</title>"
        f'<rect class="track" x="1" y="5" width="{width - 2:g}" height="8" rx="4"/>'
        f'<rect class="fill {style}" x="1" y="5" width="{max(mean - 1, 0.5):g}" height="8" rx="4"/>'
        f'<path class="whisker" d="M{start:g} {middle:g}H{stop:g}M{start:g} 4v10M{stop:g} 4v10"/></svg>'
    )


def difference_bar(score: Score, reach: float) -> str:
    """Return an interval around zero: a dot at the mean, on a scale from -`reach` to `reach`."""
    width, middle = 240.0, 9.0
    reach = reach or 1.0

    def x(value: float) -> float:
        return round(width / 2 + min(max(value / reach, -1.0), 1.0) * (width / 2 - 6), 2)

    style = "better" if score.low > 0 else "worse" if score.high < 0 else "tie"
    label = f"{signed(score.mean)}, 95% interval {signed(score.low)} to {signed(score.high)}"
    return (
        f'<svg class="bar" viewBox="0 0 {width:g} 18" role="img" aria-label="{escape(label)}">'
        f"<title>{escape(label)}</title>"
        f'<path class="grid" d="M6 {middle:g}H{width - 6:g}"/><path class="zero" d="M{width / 2:g} 1v16"/>'
        f'<path class="whisker {style}" d="M{x(score.low):g} {middle:g}H{x(score.high):g}"/>'
        f'<circle class="dot {style}" cx="{x(score.mean):g}" cy="{middle:g}" r="4.5"/></svg>'
    )


def histogram(values: Sequence[float], *, bins: int = 20, low: float = 0.0, high: float = 1.0, unit: str = "") -> str:
    """Return how many values fall into each of `bins` equal steps from `low` to `high`; others count at the ends."""
    counts = [0] * bins
    span = (high - low) or 1.0
    for value in values:
        if not math.isnan(value):
            counts[min(max(int((value - low) / span * bins), 0), bins - 1)] += 1
    width, height = 320.0, 150.0
    plot_width, plot_height = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM
    most = max(counts) or 1
    most += most % 2  # so that its half is whole
    step = plot_width / bins
    parts = [_frame(width, height, f"distribution of {len(values):,} values")]
    for share in (0.5, 1.0):
        y = _TOP + plot_height * (1 - share)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:g}H{width - _RIGHT:g}"/>')
        parts.append(_label(_LEFT - 6, y + 3.5, f"{_short(most * share)}", "end"))
    for place, count in enumerate(counts):
        size = plot_height * count / most
        left, right = low + span * place / bins, low + span * (place + 1) / bins
        title = f"{number(left)} to {number(right)}{unit}: {count:,}"
        parts.append(
            f'<rect class="fill s1" x="{_LEFT + place * step + 0.75:.2f}" y="{_TOP + plot_height - size:.2f}" '
            f'width="{step - 1.5:.2f}" height="{size:.2f}" rx="1"><title>{escape(title)}</title></rect>'
        )
    bottom = _TOP + plot_height
    parts.append(f'<path class="axis" d="M{_LEFT} {bottom:g}H{width - _RIGHT:g}"/>')
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        tick = f"{low + span * share:.3g}{unit}"
        parts.append(_label(_LEFT + plot_width * share, bottom + 15, tick, anchor))
    return "".join(parts) + "</svg>"


def curve(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    low: float = 0.0,
    high: float = 1.0,
    x_ticks: Sequence[float] | None = None,
    x_percent: bool = False,
) -> str:
    """Return lines with bands for their intervals, and a legend where there are several.

    Args:
        series: at most six.
        x_label, y_label: of the axes.
        low, high: of the y axis.
        x_ticks: the marks of the x axis; None takes the points' own.
        x_percent: whether x is a share, to be written as a percentage.
    """
    legend = 18.0 * len(series) if len(series) > 1 else 0.0
    width, height = 460.0, 250.0 + legend
    plot_width, plot_height = width - _LEFT - _RIGHT, 250.0 - _TOP - _BOTTOM - 14
    every = sorted({x for one in series for x, _ in one.points})
    first, last = (every[0], every[-1]) if every else (0.0, 1.0)

    def at(x: float, y: float) -> tuple[float, float]:
        along = (x - first) / (last - first) if last > first else 0.5
        up = (min(max(y, low), high) - low) / ((high - low) or 1.0)
        return round(_LEFT + along * plot_width, 2), round(_TOP + (1 - up) * plot_height, 2)

    parts = [_frame(width, height, f"{y_label} by {x_label}")]
    for step in range(5):
        value = low + (high - low) * step / 4
        y = at(first, value)[1]
        parts.append(f'<path class="{"axis" if step == 0 else "grid"}" d="M{_LEFT} {y:g}H{width - _RIGHT:g}"/>')
        parts.append(_label(_LEFT - 6, y + 3.5, number(value), "end"))
    bottom = _TOP + plot_height
    for tick in x_ticks if x_ticks is not None else _thinned(every):
        text = f"{tick:.0%}" if x_percent else f"{tick:g}"
        parts.append(_label(at(tick, low)[0], bottom + 15, text, "middle"))
    parts.append(_label(_LEFT + plot_width / 2, bottom + 31, x_label, "middle"))
    for place, one in enumerate(series[:6], start=1):
        parts += _line(one, f"s{place}", at)
        if len(series) > 1:
            y = bottom + 38 + 18 * place
            parts.append(f'<rect class="fill s{place}" x="{_LEFT}" y="{y - 9:g}" width="14" height="8" rx="2"/>')
            parts.append(_label(_LEFT + 22, y - 1, one.name, "start"))
    return "".join(parts) + "</svg>"


def _line(one: Series, style: str, at: object) -> list[str]:
    assert callable(at)
    up = [at(x, score.high) for x, score in one.points]
    down = [at(x, score.low) for x, score in reversed(one.points)]
    band = " ".join(f"{x:g},{y:g}" for x, y in [*up, *down])
    line = " ".join(f"{x:g},{y:g}" for x, y in (at(x, score.mean) for x, score in one.points))
    parts = [f'<polygon class="band {style}" points="{band}"/>', f'<polyline class="line {style}" points="{line}"/>']
    for x, score in one.points:
        left, top = at(x, score.mean)
        title = (
            f"{one.name} at {x:g}: {number(score.mean)} ({number(score.low)} to {number(score.high)}, n={score.n:,})"
        )
        parts.append(
            f'<circle class="dot {style}" cx="{left:g}" cy="{top:g}" r="3.2"><title>{escape(title)}</title></circle>'
        )
    return parts


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a scatter: its name, where it stands, and whether it is one to look at."""

    name: str
    x: float
    score: Score
    marked: bool = False


def scatter(dots: Sequence[Dot], *, x_label: str, y_label: str) -> str:
    """Return points with their intervals and names; the marked ones are joined, from left to right.

    The x axis begins at 0, or is logarithmic where the values lie further than 20 times apart.
    """
    width, height, top = 560.0, 320.0, 16.0
    plot_width, plot_height = width - _LEFT - _RIGHT, height - top - _BOTTOM - 14
    values = [dot.x for dot in dots]
    log = min(values) > 0 and max(values) > 20 * min(values)
    first, last = (math.log10(min(values)) - 0.1, math.log10(max(values)) + 0.1) if log else (0.0, 1.08 * max(values))
    low = math.floor(10 * min(dot.score.low for dot in dots)) / 10
    high = math.ceil(10 * max(dot.score.high for dot in dots)) / 10

    def at(x: float, y: float) -> tuple[float, float]:
        along = ((math.log10(x) if log else x) - first) / ((last - first) or 1.0)
        return round(_LEFT + along * plot_width, 2), round(top + (high - y) / ((high - low) or 1.0) * plot_height, 2)

    bottom = top + plot_height
    parts = [_frame(width, height, f"{y_label} by {x_label}")]
    for step in range(5):
        value = low + (high - low) * step / 4
        y = bottom - plot_height * step / 4
        parts.append(f'<path class="{"axis" if step == 0 else "grid"}" d="M{_LEFT} {y:g}H{width - _RIGHT:g}"/>')
        parts.append(_label(_LEFT - 6, y + 3.5, number(value), "end"))
        tick = first + (last - first) * step / 4
        parts.append(_label(_LEFT + plot_width * step / 4, bottom + 15, f"{10**tick if log else tick:.2g}", "middle"))
    parts.append(_label(_LEFT + plot_width / 2, bottom + 31, x_label, "middle"))
    marked = sorted((dot for dot in dots if dot.marked), key=lambda dot: dot.x)
    if len(marked) > 1:
        line = " ".join("{:g},{:g}".format(*at(dot.x, dot.score.mean)) for dot in marked)
        parts.append(f'<polyline class="line front" points="{line}"/>')
    names: list[str] = []
    taken: list[tuple[float, float]] = []
    for dot in sorted(dots, key=lambda dot: -dot.score.mean):
        x, y = at(dot.x, dot.score.mean)
        parts += _dot(dot, x, y, at(dot.x, dot.score.low)[1], at(dot.x, dot.score.high)[1])
        names.append(_name(dot.name, x, y + 3.5, taken))
    return "".join([*parts, *names]) + "</svg>"


def _dot(dot: Dot, x: float, y: float, low: float, high: float) -> list[str]:
    style = "s1" if dot.marked else "tie"
    score = dot.score
    title = f"{dot.name}: {number(score.mean)} ({number(score.low)} to {number(score.high)}) at {number(dot.x)}"
    return [
        f'<path class="whisker tie" d="M{x:g} {low:g}V{high:g}"/>'
        f'<circle class="dot {style}" cx="{x:g}" cy="{y:g}" r="5"><title>{escape(title)}</title></circle>'
    ]


def _name(name: str, x: float, y: float, taken: list[tuple[float, float]]) -> str:
    """Return a point's name beside it, further down where another one stands in its way."""
    while any(abs(y - other) < 13 and abs(x - beside) < 190 for beside, other in taken):
        y += 1
    taken.append((x, y))
    side, anchor = (-9, "end") if x > 380 else (9, "start")
    return f'<text class="name" x="{x + side:g}" y="{y:g}" text-anchor="{anchor}">{escape(name)}</text>'


def stacked(rows: Sequence[tuple[str, Mapping[str, int]]], names: Sequence[str], most: int) -> str:
    """Return one bar a row, its parts side by side in the order of the names, and a legend.

    Args:
        rows: each with its name and the counts of its parts.
        names: of the parts, at most eight.
        most: the count at the right end.
    """
    width, row, left = 1040.0, 40.0, 4.0
    legend = 20.0 * math.ceil(len(names) / 4)
    plot = width - 2 * left
    parts = [_frame(width, row * len(rows) + legend + 10, "counts by kind", "chart wide")]
    for place, (title, counts) in enumerate(rows):
        y = place * row
        parts.append(_label(left, y + 13, f"{title}: {sum(counts.values()):,}", "start"))
        parts.append(f'<rect class="track" x="{left:g}" y="{y + 18:g}" width="{plot:g}" height="15" rx="3"/>')
        x = left
        for number_, name in enumerate(names, start=1):
            size = plot * counts.get(name, 0) / (most or 1)
            if size:
                hint = escape(f"{title}, {name}: {counts[name]:,}")
                parts.append(
                    f'<rect class="fill s{number_}" x="{x:.2f}" y="{y + 18:g}" width="{size:.2f}" height="15">'
                    f"<title>{hint}</title></rect>"
                )
                if size > 20:
                    inside = f'<text class="inside" x="{x + size / 2:.2f}" y="{y + 29.5:g}" text-anchor="middle">'
                    parts.append(f"{inside}{counts[name]:,}</text>")
            x += size
    for place, name in enumerate(names):
        x, y = left + (place % 4) * plot / 4, row * len(rows) + 10 + 20 * (place // 4)
        parts.append(f'<rect class="fill s{place + 1}" x="{x:g}" y="{y:g}" width="12" height="10" rx="2"/>')
        parts.append(_label(x + 17, y + 9, name, "start"))
    return "".join(parts) + "</svg>"


def number(value: float) -> str:
    """Return a figure as a report writes it: three significant digits where it is small."""
    if math.isnan(value):
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}".rstrip("0").rstrip(".") if value else "0"


def fixed(value: float) -> str:
    """Return a figure of a table: three decimals, so that a column can be compared."""
    return number(value) if math.isnan(value) or abs(value) >= 10 else f"{value:.3f}"


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return f"{value:+.3f}"


def _short(count: float) -> str:
    return f"{count / 1000:.3g}k" if count >= 1000 else f"{count:.3g}"


def _thinned(values: Sequence[float]) -> Sequence[float]:
    """Return at most ten of the values, evenly, the last among them."""
    step = max(1, math.ceil(len(values) / 10))
    return values[(len(values) - 1) % step :: step]


def _frame(width: float, height: float, label: str, style: str = "chart") -> str:
    return f'<svg class="{style}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'
