"""Figures in words, the same way in every sentence: points, shares, seconds, money, counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trivium.types import Score


def points(score: Score) -> str:
    """Return a difference of shares in points: "+6.1 points [2.0, 10.4]"."""
    if math.isnan(score.mean):
        return "not measured"
    return f"{100 * score.mean:+.1f} points [{100 * score.low:.1f}, {100 * score.high:.1f}]"


def share(score: Score) -> str:
    """Return a share with its interval: "71.2% [63.0, 78.1]"."""
    if math.isnan(score.mean):
        return "not measured"
    return f"{100 * score.mean:.1f}% [{100 * score.low:.1f}, {100 * score.high:.1f}]"


def percent(value: float) -> str:
    """Return a share: "71.2%"."""
    return f"{100 * value:.1f}%"


def seconds(value: float) -> str:
    """Return a time as it is said: "0.41 s", "12 s", "3.5 min", "2.1 h"."""
    if value < 60:
        return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.2g} min" if value < 3600 else f"{value / 3600:.2g} h"


def amount(value: float, currency: str) -> str:
    """Return a sum of money: "0.42 USD", with more digits where it is small."""
    return f"{value:,.2f} {currency}" if value >= 0.1 or not value else f"{value:.2g} {currency}"


def count(n: int, what: str, many: str = "") -> str:
    """Return "1 question", "12 questions"."""
    return f"{n:,} {what if n == 1 else many or what + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return names in a row: "a, b and c", "a, b, c and 4 more"."""
    shown = list(names[:most])
    if (more := len(names) - len(shown)) > 0:
        return f"{', '.join(shown)} and {more:,} more"
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)


def signed_points(value: float) -> str:
    """Return a difference of shares in points, with its sign: "+6.1"."""
    return "–" if math.isnan(value) else f"{100 * value:+.1f}"
