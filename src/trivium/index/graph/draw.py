"""A picture of a graph in SVG: an entity with its neighbours, or the entities that most chunks name."""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from trivium.index.graph.export import XML_ILLEGAL
from trivium.index.graph.values import KINDS
from trivium.index.graph.view import View

Numbers = NDArray[Any]


def draw(view: View, centre: str = "", *, most: int = 40) -> str:
    """Return a picture in SVG of an entity with its neighbours, or of the entities in most chunks.

    The places are found by springs and repulsion (Fruchterman and Reingold 1991, "Graph drawing by force-directed
    placement"), from a fixed start: the same graph gives the same picture.

    Args:
        view: the graph.
        centre: a name; empty for the whole graph.
        most: nodes drawn.
    """
    low, high, counts = view.pairs
    node = view.find(centre) if centre else None
    if node is not None:
        mine = (low == node) | (high == node)
        others = np.where(low[mine] == node, high[mine], low[mine])
        kept = [node, *others[np.argsort(-counts[mine], kind="stable")][: most - 1].tolist()]
    else:
        told = view.kind < KINDS.index("number")
        kept = np.argsort(-(view.degree * told), kind="stable")[:most].tolist()
    place = {int(one): at for at, one in enumerate(kept)}
    both = [at for at in range(len(low)) if int(low[at]) in place and int(high[at]) in place]
    ends = np.array([(place[int(low[at])], place[int(high[at])]) for at in both], np.int64).reshape(-1, 2)
    strength = counts[both] if both else np.zeros(0, np.int64)
    labels = [view.names[one] for one in kept]
    return _svg(labels, view.degree[kept], _places(len(kept), ends), ends, strength)


def _places(n: int, ends: Numbers, steps: int = 200) -> Numbers:
    """Return a place in the unit square for each node, shape (n, 2)."""
    turn = np.arange(n) * math.pi * (3 - math.sqrt(5))
    at = np.stack([np.cos(turn), np.sin(turn)], 1) * np.sqrt(np.arange(n) + 0.5)[:, None] / math.sqrt(max(1, n))
    ideal = 1.6 / math.sqrt(max(1, n))
    for step in range(steps):
        away = at[:, None] - at[None]
        distance = np.maximum(np.linalg.norm(away, axis=2), 1e-3)
        force = (away * (ideal**2 / distance**2)[:, :, None]).sum(1) - 0.3 * at
        for end, sign in ((0, 1), (1, -1)):
            along = at[ends[:, 1]] - at[ends[:, 0]]
            pull = sign * along * (np.linalg.norm(along, axis=1) / ideal)[:, None]
            np.add.at(force, ends[:, end], pull)
        length = np.maximum(np.linalg.norm(force, axis=1), 1e-9)
        heat = 0.15 * (1 - step / steps)
        at = at + force / length[:, None] * np.minimum(length, heat)[:, None]
    spread = np.ptp(at, axis=0)
    placed: NDArray[Any] = (at - at.min(0)) / np.where(spread > 0, spread, 1.0)
    return placed


def _svg(labels: list[str], degree: Numbers, places: Numbers, ends: Numbers, counts: Numbers) -> str:
    wide, high, edge = 1100.0, 760.0, 70.0
    xy = places * np.array([wide - 2 * edge - 80, high - 2 * edge]) + edge
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for (a, b), count in zip(ends.tolist(), counts.tolist(), strict=True):
        (x1, y1), (x2, y2) = xy[a], xy[b]
        width = 0.6 + min(3.0, math.log1p(count))
        ends_at = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        lines.append(f'<line {ends_at} stroke="#b8c2cc" stroke-width="{width:.1f}"/>')
    for label, size, (x, y) in zip(labels, degree.tolist(), xy, strict=True):
        radius = 4 + 2.5 * math.log1p(size)
        text = escape(label.translate(XML_ILLEGAL)[:40])
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#2f6f9f"/>')
        lines.append(
            f'<text x="{x + radius + 3:.1f}" y="{y + 4:.1f}" font-size="12" fill="#1c2733" stroke="#ffffff" '
            f'stroke-width="3" paint-order="stroke">{text}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])
