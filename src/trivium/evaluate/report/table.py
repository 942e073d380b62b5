"""What a run came to, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trivium.evaluate.against import Comparison
from trivium.evaluate.report.groups import grouped, with_cuts
from trivium.evaluate.report.sections import short_point
from trivium.evaluate.report.svg import fixed, signed
from trivium.evaluate.summary import Report

if TYPE_CHECKING:
    from rich.table import Table

_STYLES = {"better": "green", "worse": "red", "tie": "dim"}


def metrics_table(report: Report) -> Table:
    """Return a table of the metrics without a cut: mean, 95% interval, number of questions."""
    table = _new("metric")
    for heading in ("mean", "95% interval", "n"):
        table.add_column(heading, justify="right")
    for group, names in grouped(with_cuts(report.metrics)[0]).items():
        if table.row_count:
            table.add_row()
        table.add_row(group, style="dim")
        for name in names:
            score = report.metrics[name]
            table.add_row(f"  {name}", fixed(score.mean), f"{fixed(score.low)} to {fixed(score.high)}", f"{score.n:,}")
    return table


def cuts_table(report: Report) -> Table | None:
    """Return a table of the means of metrics at several cuts (recall@1, recall@5), one column a cut; None of none."""
    cuts = with_cuts(name for names in grouped(report.metrics).values() for name in names)[1]
    if not cuts:
        return None
    columns = sorted({k for of_base in cuts.values() for k in of_base})
    table = _new("among the first k passages")
    for k in columns:
        table.add_column(f"@{k}", justify="right")
    for base, of_base in cuts.items():
        means = (fixed(report.metrics[of_base[k]].mean) if k in of_base else "" for k in columns)
        table.add_row(f"  {base}", *means)
    return table


def points_table(report: Report) -> Table | None:
    """Return a table of the failure points that were seen, with the first thing that can move each; None of none."""
    seen = [point for point in report.points if point.count]
    if not seen:
        return None
    table = _new("why answers were wrong")
    table.add_column("n", justify="right")
    table.add_column("of all", justify="right")
    table.add_column("what can move it first")
    for point in seen:
        cure = f"{point.cures[0].road}: {point.cures[0].setting}" if point.cures else ""
        name = f"{short_point(point.point)}  {point.title}"
        table.add_row(name, f"{point.count:,}", f"{point.share.mean:.1%}", cure)
    return table


def comparison_table(comparison: Comparison) -> Table:
    """Return a table of paired differences; a tie is called one."""
    from rich.text import Text

    table = _new("metric")
    for heading in ("other", "this", "difference", "95% interval"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for one in comparison.metrics:
        table.add_row(
            one.metric,
            fixed(one.other.mean),
            fixed(one.this.mean),
            signed(one.difference.mean),
            f"{signed(one.difference.low)} to {signed(one.difference.high)}",
            Text(one.verdict, style=_STYLES[one.verdict]),
        )
    return table


def comparison_lines(comparison: Comparison, most: int = 5) -> Iterator[str]:
    """Yield what a comparison says about single questions."""
    left_out = f" ({comparison.only_here:,} of this run were not in it)" if comparison.only_here else ""
    yield f"Against {comparison.other}: {comparison.questions:,} questions answered in both{left_out}."
    for words, changes in (("Now right", comparison.gained), ("Now wrong", comparison.lost)):
        yield f"{words}: {len(changes):,}"
        for change in changes[:most]:
            yield f"  {change.id}: {' '.join(change.question.split())[:100]}"
            yield f"    before: {' '.join(change.other.split())[:100]}"
            yield f"    now: {' '.join(change.this.split())[:100]}"


def _new(first: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    return table
