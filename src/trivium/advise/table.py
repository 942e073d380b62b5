"""A comparison as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivium.advise.values import ArmResult, Comparison, Decision
from trivium.advise.words import amount, seconds, signed_points
from trivium.evaluate.failure import POINTS
from trivium.evaluate.report.sections import short_point
from trivium.evaluate.report.svg import fixed

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_STYLES = {"tuning": "green", "against tuning": "red", "open": "dim"}


def arms_table(comparison: Comparison, decision: Decision) -> Table:
    """Return the arms in the order of the ranking: quality with its interval, tokens, seconds, cost, training."""
    from rich.text import Text

    priced = any(arm.cost is not None for arm in comparison.arms)
    table = _new("")
    table.add_column("arm", no_wrap=True)
    table.add_column("road")
    headings = [
        comparison.metric,
        "95% interval",
        "tokens",
        "p50",
        "p95",
        *(["per 1,000"] if priced else []),
        "training",
    ]
    for heading in headings:
        table.add_column(heading, justify="right")
    asked = len(comparison.questions)
    by_name = {arm.name: arm for arm in comparison.arms}
    for one in decision.ranking:
        arm = by_name[one.arm]
        cost = [] if not priced else [_money(arm, asked, comparison.currency)]
        table.add_row(
            f"{one.place}",
            Text(arm.name, style="bold" if arm.name == decision.take else ""),
            arm.road,
            fixed(one.score.mean),
            f"{fixed(one.score.low)} to {fixed(one.score.high)}",
            f"{arm.tokens / asked:,.0f}",
            seconds(arm.seconds.p50),
            seconds(arm.seconds.p95),
            *cost,
            seconds(arm.train_seconds) if arm.train_seconds is not None else "",
        )
    for name in decision.failed:
        table.add_row("", Text(name, style="red"), by_name[name].road, "failed")
    return table


def _money(arm: ArmResult, asked: int, currency: str) -> str:
    return "" if arm.cost is None else amount(1000 * arm.cost / asked, currency)


def points_table(comparison: Comparison) -> Table | None:
    """Return how many answers of each arm were wrong by each failure point; None where none was attributed."""
    from rich.text import Text

    counts = {arm.name: arm.failure_points for arm in comparison.arms if arm.failures}
    seen = [point for point in POINTS if any(point in found for found in counts.values())]
    if not seen:
        return None
    table = _new("why answers were wrong")
    for point in seen:
        table.add_column(short_point(point), justify="right")
    for name, found in counts.items():
        table.add_row(Text(name), *(f"{found[point]:,}" if point in found else "" for point in seen))
    table.caption = ", ".join(f"{short_point(point)} {POINTS[point].title}" for point in seen)
    table.caption_justify = "left"
    return table


def pairs_table(decision: Decision) -> Table:
    """Return the paired differences of the taken arm (or the first) with every other one; a tie is called one."""
    from rich.text import Text

    first = decision.take or decision.ranking[0].arm
    table = _new(Text(f"{first} less"))
    for heading in ("points", "95% interval", "questions"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for pair in decision.pairs:
        if first not in (pair.a, pair.b):
            continue
        turn = -1.0 if pair.b == first else 1.0
        low, high = sorted((turn * pair.difference.low, turn * pair.difference.high))
        verdict = "tie" if pair.verdict == "tie" else "better" if (pair.verdict == "a") == (turn > 0) else "worse"
        table.add_row(
            Text(pair.a if turn < 0 else pair.b),
            signed_points(turn * pair.difference.mean),
            f"{signed_points(low)} to {signed_points(high)}",
            f"{pair.difference.n:,}",
            Text(verdict, style={"better": "green", "worse": "red", "tie": "dim"}[verdict]),
        )
    table.caption = "A tie includes 0, or may be chance among so many pairs (Benjamini and Hochberg)."
    table.caption_justify = "left"
    return table


def ten_table(decision: Decision) -> Table:
    """Return the ten questions on tuning: the user's answer, the measured one, what both speak for."""
    from rich.text import Text

    table = _new("")
    for heading in ("you say", "measured"):
        table.add_column(heading, overflow="fold")
    table.add_column("speaks for", no_wrap=True)
    for one in decision.ten:
        table.add_row(
            one.topic, Text(one.said), Text(one.measured), Text(one.speaks_for, style=_STYLES[one.speaks_for])
        )
    return table


def _new(first: str | Text) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    return table
