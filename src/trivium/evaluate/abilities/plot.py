"""Draw measured figures: curves by the report's own charts, bars in the same style, as SVG for a page or for a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from trivium.evaluate.abilities.values import Measured
from trivium.evaluate.report.svg import Series, curve, number
from trivium.types import Score

Bars = Mapping[str, Mapping[str, Score]]
"""By the name of a series (a colour), the figure under each label."""

CURVES: Mapping[str, tuple[str, bool]] = {
    "noise": ("share of the passages that is noise", True),
    "integration": ("share of the passages that is noise", True),
    "position": ("place of the passage that holds the answer", False),
}
"""Of the abilities that are curves: what runs along the x axis, and whether it is a share."""
_REJECTION = {("rejection", ""): "refused", ("accuracy", ""): "right all the same"}
_FALSE = {
    ("accuracy", "none"): "right, none",
    ("accuracy", "true"): "right, true",
    ("accuracy", "false"): "right, false",
    ("followed", "false"): "false answer",
    ("detection", "false"): "warning",
    ("refusal", "false"): "refusal",
}
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b0528a", "#8a6d00", "#3d9bd1")
"""Told apart by readers who see few colours (after Okabe and Ito 2008)."""


def charts(measured: Sequence[Measured]) -> dict[str, str]:
    """Return the charts of some figures by name, as SVG for a page: one for each ability that was measured."""
    found = {}
    for ability, (x_label, is_share) in CURVES.items():
        points: dict[str, list[tuple[float, Score]]] = {}
        for one in measured:
            if one.ability == ability and one.metric == "accuracy" and one.at is not None and one.score.n:
                points.setdefault(one.set, []).append((one.at, one.score))
        series = [Series(name, of_set) for name, of_set in points.items()]
        if series:
            found[ability] = curve(series, x_label=x_label, y_label="accuracy", x_percent=is_share)
    if rejection := _labelled(measured, ("rejection",), _REJECTION):
        found["rejection"] = bars(rejection, y_label="share of the questions, only noise shown")
    if false := _labelled(measured, ("counterfactual", "conflict"), _FALSE):
        found["counterfactual"] = bars(false, y_label="share of the questions, by the passages shown")
    return found


def bars(series: Bars, *, y_label: str) -> str:
    """Return bars in groups, each with its 95% interval, from 0 to 1. At most six series."""
    labels = list(dict.fromkeys(label for points in series.values() for label in points))
    left, top, bottom, right = 40.0, 10.0, 210.0, 548.0
    legend = 18.0 * len(series)
    parts = [
        f'<svg class="chart" viewBox="0 0 560 {bottom + 34 + legend:g}" role="img" aria-label="{escape(y_label)}">',
        *_grid(left, right, top, bottom),
    ]
    room = (right - left) / max(len(labels), 1)
    width = min(0.8 * room / max(len(series), 1), 46.0)
    for place, label in enumerate(labels):
        middle = left + room * (place + 0.5)
        parts.append(_text(middle, bottom + 15, label, "middle"))
        for order, (name, points) in enumerate(list(series.items())[:6]):
            if label in points:
                x = middle + (order - len(series) / 2) * width
                parts.append(_bar(x, width, points[label], f"s{order + 1}", f"{name}, {label}", top, bottom))
    for order, name in enumerate(list(series)[:6], start=1):
        y = bottom + 18 + 18 * order
        parts.append(f'<rect class="fill s{order}" x="{left:g}" y="{y - 9:g}" width="14" height="8" rx="2"/>')
        parts.append(_text(left + 22, y - 1, name, "start"))
    return "".join(parts) + "</svg>"


def standalone(svg: str, title: str) -> str:
    """Return a chart as the text of an SVG file: with its own style sheet, a white ground and a title."""
    view = svg.split('viewBox="', 1)[1].split('"', 1)[0]
    width, height = (float(side) for side in view.split()[2:])
    colours = "".join(
        f".fill.s{n},.dot.s{n},.band.s{n}{{fill:{colour}}}.line.s{n}{{stroke:{colour}}}"
        for n, colour in enumerate(_COLOURS, start=1)
    )
    style = (
        "text{font:11px Helvetica,Arial,sans-serif;fill:#444}.title{font-size:13px;font-weight:bold;fill:#111}"
        ".grid{stroke:#ddd;fill:none}.axis{stroke:#444;fill:none}.band{fill-opacity:.13}.line{fill:none;"
        f"stroke-width:2}}.fill{{fill-opacity:.85}}.whisker{{stroke:#222;fill:none}}{colours}"
    )
    head = 26
    inner = svg.split(">", 1)[1].removesuffix("</svg>")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height + head:g}" width="{width * 1.4:g}" '
        f'height="{(height + head) * 1.4:g}" role="img"><title>{escape(title)}</title><style>{style}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/><text class="title" x="12" y="18">{escape(title)}</text>'
        f'<g transform="translate(0 {head})">{inner}</g></svg>\n'
    )


def _labelled(
    measured: Sequence[Measured], abilities: Sequence[str], labels: Mapping[tuple[str, str], str]
) -> dict[str, dict[str, Score]]:
    """Return the figures that have a label, by set, in the order of the labels."""
    found: dict[str, dict[str, Score]] = {}
    for wanted, label in labels.items():
        for one in measured:
            if one.ability in abilities and (one.metric, one.arm) == wanted and one.at is None and one.score.n:
                found.setdefault(one.set, {})[label] = one.score
    return found


def _bar(x: float, width: float, score: Score, style: str, name: str, top: float, bottom: float) -> str:
    def up(share: float) -> float:
        return round(bottom - min(max(share, 0.0), 1.0) * (bottom - top), 2)

    middle = x + width / 2
    title = f"{name}: {number(score.mean)} ({number(score.low)} to {number(score.high)}, n={score.n:,})"
    return (
        f'<rect class="fill {style}" x="{x + 1:.2f}" y="{up(score.mean):g}" width="{width - 2:.2f}" '
        f'height="{bottom - up(score.mean):.2f}"><title>{escape(title)}</title></rect>'
        f'<path class="whisker" d="M{middle - 3:.2f} {up(score.high):g}h6M{middle:.2f} {up(score.high):g}'
        f'V{up(score.low):g}M{middle - 3:.2f} {up(score.low):g}h6"/>'
    )


def _grid(left: float, right: float, top: float, bottom: float) -> list[str]:
    found = []
    for step in range(5):
        y = bottom - (bottom - top) * step / 4
        found.append(f'<path class="{"grid" if step else "axis"}" d="M{left:g} {y:g}H{right:g}"/>')
        found.append(_text(left - 6, y + 3.5, number(step / 4), "end"))
    return found


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'
