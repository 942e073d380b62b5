"""The parts of the HTML report that stand above the list of questions. Every text from outside is escaped here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import quote

from trivium.evaluate.abilities.values import Measured
from trivium.evaluate.against import Change, Comparison
from trivium.evaluate.failure import POINTS, Cure, PointSummary, Wrong
from trivium.evaluate.record import Record
from trivium.evaluate.report.groups import grouped, meaning, with_cuts
from trivium.evaluate.report.svg import Series, curve, difference_bar, fixed, histogram, interval_bar, signed
from trivium.evaluate.summary import RIGHT, Report
from trivium.types import Score

_MOST_CHANGES = 100
_MOST_SETTINGS = 60


def title_of(report: Report) -> str:
    """Return what was asked of what, in a few words."""
    settings = report.record.settings
    system = settings.get("system", {})
    name = system.get("name") if isinstance(system, Mapping) else system
    asked = settings.get("questions", {}).get("name")
    return " ".join(["Evaluation", *([f"of {name}"] if name else []), *([f"on {asked}"] if asked else [])])


def heading(title: str, report: Report) -> str:
    """Return the title, with how many questions were asked, when, and by which Trivium."""
    record = report.record
    when = str(record.sessions[-1].get("started", ""))[:10] if record.sessions else ""
    facts = [f"{report.questions:,} questions", when, f"Trivium {record.settings.get('trivium', '')}"]
    return f"<h1>{escape(title)}</h1><p class='lead'>{escape(', '.join(filter(None, facts)))}</p>"


def banners(report: Report) -> str:
    """Return what must not be overlooked: a run that is not whole, judgements that could not be had."""
    words = []
    if report.stopped:
        words.append(f"The run was given up: {report.stopped}.")
    if report.errors:
        words.append(
            f"{len(report.errors):,} questions could not be asked. They count in no figure; "
            "run the command again to ask them."
        )
    left = report.questions - report.asked - len(report.errors)
    if left:
        words.append(f"{left:,} questions were not asked yet; run the command again to go on.")
    if report.judge_failures:
        words.append(f"{report.judge_failures:,} judgements could not be had, and count in no figure.")
    unheld = report.record.notes.get("fp1_candidates")
    if isinstance(unheld, Mapping) and unheld.get("count"):
        first = ", ".join(str(key) for key in unheld.get("ids", [])[:8])
        words.append(f"No stored passage holds the answer to {unheld['count']:,} of the questions (FP1): {first}.")
    return "".join(f"<div class='banner'>{escape(word)}</div>" for word in words)


def tiles(report: Report) -> str:
    """Return the few figures to see first."""
    tally = report.tally
    found = []
    if (right := report.metrics.get(RIGHT)) is not None:
        found.append(_tile(f"{right.mean:.1%}", "answered rightly", _range(right)))
    for name, words in (
        ("recall@5", "evidence in first 5"),
        ("faithfulness", "faithful claims"),
        ("citation_precision", "citations that hold"),
    ):
        if (score := report.metrics.get(name)) is not None:
            found.append(_tile(f"{score.mean:.1%}", words, _range(score)))
    seconds = sorted(value for value in tally.seconds if not math.isnan(value))
    if seconds:
        middle, slow = seconds[len(seconds) // 2], seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))]
        found.append(_tile(f"{middle:.2g} s", "to answer (median)", f"95% under {slow:.2g} s"))
    tokens = [value for value in tally.tokens if not math.isnan(value)]
    if sum(tokens):
        found.append(_tile(f"{sum(tokens) / len(tokens):,.0f}", "tokens a question", f"{sum(tokens):,.0f} in all"))
    return f"<div class='tiles'>{''.join(found)}</div>"


def metrics(report: Report) -> str:
    """Return every metric with its interval: in rows, and those at several cuts (recall@1, recall@5) in columns."""
    if not report.metrics:
        return "<p class='note'>Nothing was answered, so there are no figures.</p>"
    rows: list[str] = []
    cuts: dict[str, dict[int, str]] = {}
    for group, names in grouped(report.metrics).items():
        single, of_group = with_cuts(names)
        cuts |= of_group
        if single:
            rows.append(f"<tr class='group'><td colspan='5'>{escape(group)}</td></tr>")
        rows += [_metric_row(name, report.metrics[name]) for name in single]
    head = (
        "<tr><th>metric</th><th></th><th class='n'>mean</th><th class='n optional'>95% interval</th>"
        "<th class='n optional'>questions</th></tr>"
    )
    table = f"<div class='card scroll'><table>{head}{''.join(rows)}</table></div>" if rows else ""
    return table + (_cut_table(cuts, report.metrics) if cuts else "")


def _metric_row(name: str, score: Score) -> str:
    high = 1.0 if score.high <= 1.0 else score.high * 1.05
    return (
        f"<tr><td class='name'>{escape(name)}<div class='small note'>{escape(meaning(name))}</div></td>"
        f"<td class='bar'>{interval_bar(score, high=high)}</td>"
        f"<td class='n'><b>{fixed(score.mean)}</b></td>"
        f"<td class='n optional'>{fixed(score.low)} to {fixed(score.high)}</td>"
        f"<td class='n optional'>{score.n:,}</td></tr>"
    )


def _cut_table(cuts: Mapping[str, Mapping[int, str]], scores: Mapping[str, Score]) -> str:
    """Return metrics of rankings, one a row, with a column for each cut."""
    columns = sorted({k for of_base in cuts.values() for k in of_base})
    head = "".join(f"<th class='n'>@{k}</th>" for k in columns)
    rows = []
    for base, of_base in cuts.items():
        cells = []
        for k in columns:
            score = scores.get(of_base.get(k, ""))
            cells.append(
                f"<td class='n'><b>{fixed(score.mean)}</b>{interval_bar(score, style='s3')}"
                f"<div class='small note'>{fixed(score.low)} to {fixed(score.high)}</div></td>"
                if score is not None
                else "<td></td>"
            )
        name = f"{escape(base)}<div class='small note'>{escape(meaning(base))}</div>"
        rows.append(f"<tr><td class='name'>{name}</td>{''.join(cells)}</tr>")
    return (
        "<div class='card scroll cuts' style='margin-top:14px'><table><tr><th>among the first k passages</th>"
        f"{head}</tr>{''.join(rows)}</table></div>"
    )


def distributions(report: Report) -> str:
    """Return histograms of the metrics that are more than right or wrong."""
    tally = report.tally
    cards = []
    for names in grouped(report.metrics).values():
        for name in names:
            values = [value for value in tally.values[name] if not math.isnan(value)]
            if len(set(values)) > 2:
                cards.append(_chart(name, histogram(values, high=_top(values)), meaning(name)))
    seconds = [value for value in tally.seconds if not math.isnan(value)]
    if len(set(seconds)) > 2:
        cards.append(
            _chart(
                "seconds",
                histogram(seconds, high=_top(seconds), unit=" s"),
                "until the answer; several are asked at once",
            )
        )
    return f"<div class='grid'>{''.join(cards)}</div>" if cards else ""


def recall(points: Sequence[tuple[int, Score]]) -> str:
    """Return the recall@k curve."""
    if not points:
        return ""
    drawn = curve([Series("recall@k", points)], x_label="k: passages looked at", y_label="recall@k")
    words = (
        f"Share of the gold evidence among the first k passages: {points[0][1].mean:.1%} at 1, "
        f"{points[-1][1].mean:.1%} at {points[-1][0]}. The band is the 95% interval. What is missing at the end was "
        "not retrieved, or is not in the documents."
    )
    return f"<div class='card'><h3>Recall@k</h3>{drawn}<p class='note small'>{escape(words)}</p></div>"


def tags(shares: Mapping[str, Score]) -> str:
    """Return the share of right answers by tag and language."""
    rows = "".join(
        f"<tr><td>{escape(tag)}</td><td class='bar'>{interval_bar(score)}</td>"
        f"<td class='n'><b>{fixed(score.mean)}</b></td><td class='n'>{score.n:,}</td></tr>"
        for tag, score in shares.items()
    )
    head = "<tr><th>tag</th><th>answered rightly</th><th class='n'>share</th><th class='n'>questions</th></tr>"
    return f"<div class='card scroll'><h3>By tag</h3><table>{head}{rows}</table></div>" if shares else ""


def points(found: Sequence[PointSummary], asked: int) -> str:
    """Return the failure points with their counts, examples and cures."""
    seen = [point for point in found if point.count]
    if not seen:
        return "<p class='note'>No answer was wrong.</p>"
    most = max(point.share.high for point in seen) or 1.0
    first = max(seen, key=lambda point: point.count)
    none = ", ".join(
        point.title if short_point(point.point) != point.point else f"{point.point} {point.title}"
        for point in found
        if not point.count
    )
    rest = f"<p class='note small'>None of: {escape(none)}.</p>" if none else ""
    return "".join(_point(point, asked, most, point is first) for point in seen) + rest


def _point(point: PointSummary, asked: int, most: float, opened: bool) -> str:
    head = (
        f"<summary><span class='tag wrong'>{escape(short_point(point.point))}</span>"
        f"<span><b>{escape(point.title)}</b></span>"
        f"<span class='chart-cell'>{interval_bar(point.share, high=most, style='s2')}</span>"
        f"<span class='count'><b>{point.count:,}</b> <span class='note small'>{point.count / asked:.1%}</span></span>"
        "</summary>"
    )
    what = POINTS[point.point].meaning if point.point in POINTS else ""
    stages = (
        "<p class='small note'>Dropped by: "
        + ", ".join(f"{escape(stage)} {count:,}" for stage, count in point.stages.items())
        + "</p>"
        if point.stages
        else ""
    )
    samples = "".join(_sample(wrong) for wrong in point.examples)
    cures = "".join(_cure(cure) for cure in point.cures)
    everything = f"<a href='#point={quote(point.point)}'>All {point.count:,} in the list</a>"
    return (
        f"<details class='card point'{' open' if opened else ''}>{head}<div class='inside'>"
        f"<div><p class='note'>{escape(what)}</p>{stages}{samples}{everything}</div>"
        f"<div><h3>What can move it</h3><ul class='cures'>{cures}</ul></div></div></details>"
    )


def _sample(wrong: Wrong) -> str:
    link = f"#question={quote(wrong.id)}"
    return (
        f"<div class='sample'><a href='{link}'>{escape(wrong.question)}</a>"
        f"<div>said: <span class='said'>{escape(wrong.said or '(nothing)')}</span></div>"
        f"<div>expected: {escape(wrong.gold)}</div>"
        f"<div class='why'>{escape(wrong.failure.evidence)} ({escape(wrong.failure.sure)})</div></div>"
    )


def _cure(cure: Cure) -> str:
    return (
        f"<li><span class='tag'>{escape(cure.road)}</span> <code>{escape(cure.setting)}</code>"
        f"<div class='note small'>{escape(cure.why)}</div></li>"
    )


def against(comparison: Comparison) -> str:
    """Return the paired differences to another run, and the questions that changed."""
    reach = max(
        (max(abs(one.difference.low), abs(one.difference.high)) for one in comparison.metrics if one.difference.n),
        default=1.0,
    )
    by_name = {one.metric: one for one in comparison.metrics}
    rows = []
    for group, names in grouped(by_name).items():
        rows.append(f"<tr class='group'><td colspan='6'>{escape(group)}</td></tr>")
        for name in names:
            one = by_name[name]
            style = {"better": "right", "worse": "wrong"}.get(one.verdict, "plain")
            rows.append(
                f"<tr><td class='name'>{escape(name)}</td><td class='n optional'>{fixed(one.other.mean)}</td>"
                f"<td class='n optional'>{fixed(one.this.mean)}</td>"
                f"<td class='bar'>{difference_bar(one.difference, reach)}</td>"
                f"<td class='n'>{signed(one.difference.mean)}"
                f"<div class='small note'>{signed(one.difference.low)} to {signed(one.difference.high)}</div></td>"
                f"<td><span class='tag {style}'>{one.verdict}</span></td></tr>"
            )
    head = (
        "<tr><th>metric</th><th class='n optional'>other</th><th class='n optional'>this</th><th></th>"
        "<th class='n'>difference</th><th></th></tr>"
    )
    differ = "".join(f"<li><code>{escape(line)}</code></li>" for line in comparison.settings[:_MOST_SETTINGS])
    settings = (
        f"<details class='small'><summary><a>What differs in the settings</a></summary><ul>{differ}</ul></details>"
    )
    words = (
        f"This run less {comparison.other}, on {comparison.questions:,} questions that both answered. A tie is a "
        "difference whose 95% interval includes 0, or that does not outlive the correction for the number of metrics."
    )
    return (
        f"<p class='note'>{escape(words)}</p>{settings if differ else ''}"
        f"<div class='card scroll'><table>{head}{''.join(rows)}</table></div>"
        f"<div class='grid wide' style='margin-top:14px'>{_changes('Now right', comparison.gained)}"
        f"{_changes('Now wrong', comparison.lost)}</div>"
    )


def _changes(title: str, changes: Sequence[Change]) -> str:
    parts = []
    for change in changes[:_MOST_CHANGES]:
        parts.append(
            f"<div class='sample'><a href='#question={quote(change.id)}'>{escape(change.question)}</a>"
            f"<div>before: {escape(change.other)}</div><div>now: {escape(change.this)}</div>"
            f"<div class='why'>expected: {escape(change.gold)}</div></div>"
        )
    more = (
        f"<p class='note small'>and {len(changes) - _MOST_CHANGES:,} more</p>" if len(changes) > _MOST_CHANGES else ""
    )
    inside = "".join(parts) or "<p class='note'>None.</p>"
    return (
        f"<details class='card'{' open' if len(changes) <= 5 else ''}>"
        f"<summary><h3>{title}: {len(changes):,}</h3></summary>{inside}{more}</details>"
    )


def abilities(measured: Sequence[Measured]) -> str:
    """Return the curves and figures of the abilities."""
    titles = {
        "noise": ("Noise robustness", "share of passages that is noise", True),
        "rejection": ("Negative rejection", "", False),
        "integration": ("Information integration", "share of passages that is noise", True),
        "counterfactual": ("Counterfactual robustness", "", False),
        "conflict": ("Conflicting knowledge", "", False),
        "position": ("Position sensitivity", "place of the passage that holds the answer", False),
    }
    cards = []
    for ability in dict.fromkeys(one.ability for one in measured):
        title, x_label, percent = titles.get(ability, (ability, "", False))
        of = [one for one in measured if one.ability == ability and one.score.n]
        series: dict[str, list[tuple[float, Score]]] = {}
        for one in of:
            if one.at is not None and one.metric == "accuracy":
                series.setdefault(one.set, []).append((one.at, one.score))
        drawn = [Series(name, sorted(at)) for name, at in series.items()]
        body = curve(drawn, x_label=x_label, y_label="accuracy", x_percent=percent) if drawn else ""
        rows = "".join(
            f"<tr><td class='name'>{escape(one.set)}</td><td>{escape(f'{one.metric} {one.arm}'.strip())}</td>"
            f"<td class='bar'>{interval_bar(one.score)}</td><td class='n'><b>{fixed(one.score.mean)}</b></td>"
            f"<td class='n optional'>{fixed(one.score.low)} to {fixed(one.score.high)}</td></tr>"
            for one in of
            if one.at is None or one.metric != "accuracy"
        )
        table = f"<table>{rows}</table>" if rows else ""
        cards.append(f"<div class='card'><h3>{escape(title)}</h3>{body}{table}</div>")
    return f"<div class='grid wide'>{''.join(cards)}</div>"


def repeat(record: Record) -> str:
    """Return what is needed to repeat the run."""
    command = " ".join(_quoted(word) for word in record.command)
    settings = "".join(
        f"<dt>{escape(name)}</dt><dd class='mono'>{escape(text)}</dd>" for name, text in _leaves(record.settings)
    )
    machine = "".join(
        f"<dt>{escape(name)}</dt><dd class='mono'>{escape(text)}</dd>" for name, text in _leaves(record.machine)
    )
    shown = f"<code class='command'>{escape(command)}</code>" if command else ""
    cards = "".join(
        f"<div class='card'><h3>{title}</h3><dl>{inside}</dl></div>"
        for title, inside in (("Settings", settings), ("Machine", machine))
    )
    return f"{shown}<div class='grid wide' style='margin-top:14px'>{cards}</div>"


def short_point(point: str) -> str:
    """Return a failure point as a badge shows it."""
    return point if len(point) <= 4 else "no need"


def _quoted(word: str) -> str:
    return (
        word if word and not set(word) & set(" \t\n'\"\\$`*?#&;|<>()[]{}!~") else "'" + word.replace("'", "'\\''") + "'"
    )


def _leaves(value: object, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{name}.{key}" if name else str(key))]
    return [(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))]


def _tile(figure: str, words: str, range_: str) -> str:
    return (
        f"<div class='card tile'><b>{escape(figure)}</b><span>{escape(words)}</span>"
        f"<span class='range'>{escape(range_)}</span></div>"
    )


def _range(score: Score) -> str:
    return f"{score.low:.0%} to {score.high:.0%}"


def _chart(name: str, svg: str, words: str) -> str:
    return f"<div class='card'><h3>{escape(name)}</h3>{svg}<p class='note small'>{escape(words)}</p></div>"


def _top(values: Sequence[float]) -> float:
    """Return where an axis from 0 ends: 1 for shares, otherwise where all but the last hundredth of the values lie."""
    if max(values) <= 1.0:
        return 1.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] or 1.0
