"""One HTML page of a comparison that opens offline. Every text from documents, questions and models is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

import numpy as np

from trivium.advise.rank import ClassGain, answered, class_gains, mean
from trivium.advise.values import CLOSED_BOOK, Advice, ArmResult, Comparison, Decision, Pair, Question, Ranked
from trivium.advise.words import amount, count, points, seconds, signed_points
from trivium.evaluate.failure import POINTS
from trivium.evaluate.report.sections import short_point
from trivium.evaluate.report.shell import closing, opening, written_whole
from trivium.evaluate.report.svg import Dot, difference_bar, fixed, interval_bar, scatter, stacked
from trivium.types import Score

PAGE = "report.html"
MOST_QUESTIONS = 2_000
"""Questions that the page lists. Of more, those on which the arms disagree first, and an even choice of the others."""
_ANSWER = 4_000  # characters of one answer
_PAIRS = 60


def write_page(comparison: Comparison, decision: Decision, folder: Path, *, title: str = "") -> Path:
    """Write the page into a folder, in the place of an earlier one, and return its path.

    Raises:
        StoreFull: the disk is full, or the folder cannot be written.
    """
    title = title or f"Comparison of {count(len(comparison.arms), 'arm')}"
    parts = [
        ("take", "Take", "What to take", _decision(comparison, decision)),
        ("arms", "Arms", "The arms", _arms(comparison, decision)),
        ("cost", "Cost", "Quality against cost", _prices(comparison, decision)),
        ("failures", "Failures", "Why answers were wrong", _failures(comparison)),
        ("classes", "Classes", "By class of question", _classes(comparison, decision)),
        ("abilities", "Abilities", "Abilities", _abilities(comparison)),
        ("next", "Next", "What to do next", "".join(map(_step, range(1, 1 + len(decision.advice)), decision.advice))),
        ("tuning", "Tuning", "Whether tuning is worth it", _ten(decision)),
        ("pairs", "Pairs", "Every two arms", _pairs(decision)),
        ("doubts", "Doubts", "What would change this", _mind(decision)),
    ]
    parts = [part for part in parts if part[3]]
    lead = f"{count(len(comparison.questions), f'{comparison.split} question')}, ranked by {comparison.metric}"
    heading = f"<h1>{escape(title)}</h1><p class='lead'>{escape(lead)}</p>"
    links = [(name, link) for name, link, _, _ in parts] + [("questions", "Questions")]
    path = folder / PAGE
    with written_whole(path) as page:
        page.write(opening(title, heading, links))
        for name, _, words, body in parts:
            page.write(f"<h2 id='{name}'>{escape(words)}</h2>\n{body}\n")
        page.write(f"<h2 id='questions'>Questions</h2>\n{_controls(comparison)}")
        page.writelines(_questions(comparison))
        page.write(f"</div>\n</main>\n{closing('compare.js')}")
    return path


def _decision(comparison: Comparison, decision: Decision) -> str:
    head = f"Take {decision.take}" if decision.take else "No arm meets the needs"
    parts = [f"<div class='card'><h3>{escape(head)}</h3><p>{escape(decision.because)}</p></div>"]
    broken = {name: needs for name, needs in decision.unmet.items() if decision.take}
    parts += [_banner(f"{name} is out: {'; '.join(needs)}.") for name, needs in broken.items()]
    parts += [_banner(f"{name} failed: {error}") for name, error in decision.failed.items()]
    return "".join(parts)


def _banner(words: str) -> str:
    return f"<div class='banner'>{escape(words)}</div>"


def _arms(comparison: Comparison, decision: Decision) -> str:
    by_name = {arm.name: arm for arm in comparison.arms}
    top = max([1.0, *(one.score.high for one in decision.ranking if one.score.n)])
    rows = "".join(_row(comparison, by_name[one.arm], one, top, decision.take) for one in decision.ranking)
    head = (
        f"<tr><th class='n'></th><th>arm</th><th>{escape(comparison.metric)}</th><th class='n'></th>"
        "<th class='n optional'>95% interval</th><th class='n optional'>tokens</th><th class='n optional'>p50, p95</th>"
        "<th class='n optional'>1,000 answers</th><th class='n optional'>training</th></tr>"
    )
    words = (
        "Arms of one place cannot be told from the first of it. Tokens are of one answer; p50 and p95 are the seconds "
        "that half and 95% of the answers take at most."
    )
    return f"<p class='note'>{words}</p><div class='card scroll'><table>{head}{rows}</table></div>"


def _row(comparison: Comparison, arm: ArmResult, one: Ranked, top: float, take: str) -> str:
    asked = len(comparison.questions)
    cost = "" if arm.cost is None else amount(1000 * arm.cost / asked, comparison.currency)
    trained = "" if arm.train_seconds is None else seconds(arm.train_seconds)
    taken = " <span class='tag right'>take</span>" if arm.name == take else ""
    settings = ", ".join(f"{name} {value}" for name, value in arm.settings.items())
    bar = interval_bar(one.score, high=top) if one.score.n else ""
    return (
        f"<tr><td class='n'>{one.place}</td><td class='name' title='{escape(settings)}'><b>{escape(arm.name)}</b>"
        f" <span class='tag plain'>{arm.road}</span>{taken}</td>"
        f"<td class='bar'>{bar}</td><td class='n'><b>{fixed(one.score.mean)}</b></td>"
        f"<td class='n optional'>{fixed(one.score.low)} to {fixed(one.score.high)}</td>"
        f"<td class='n optional'>{arm.tokens / asked:,.0f}</td>"
        f"<td class='n optional'>{seconds(arm.seconds.p50)}, {seconds(arm.seconds.p95)}</td>"
        f"<td class='n optional'>{escape(cost)}</td><td class='n optional'>{trained}</td></tr>"
    )


def _prices(comparison: Comparison, decision: Decision) -> str:
    """Return quality against money, where there are prices, and against seconds and tokens."""
    asked = len(comparison.questions)
    arms = [arm for arm in answered(comparison) if mean(comparison, arm).n]
    money = {arm.name: 1000 * arm.cost / asked for arm in arms if arm.cost is not None}
    charts = [
        ("Against cost", money, f"{comparison.currency} for 1,000 answers", decision.cheapest),
        ("Against time", {arm.name: arm.seconds.p50 for arm in arms}, "seconds of the middle answer", decision.fastest),
    ]
    scores = {arm.name: mean(comparison, arm) for arm in arms}
    cards = [
        _card(title, _scatter(prices, scores, front, words, comparison.metric))
        for title, prices, words, front in charts
        if len(prices) > 1 and any(prices.values())
    ]
    if not cards:
        return ""
    words = "The dashed line joins the arms that none beats at the same price or less (the Pareto front)."
    return f"<p class='note'>{words}</p><div class='grid wide'>{''.join(cards)}</div>"


def _scatter(
    prices: Mapping[str, float], scores: Mapping[str, Score], front: tuple[str, ...], words: str, metric: str
) -> str:
    dots = [Dot(name, price, scores[name], name in front) for name, price in prices.items()]
    return scatter(dots, x_label=words, y_label=metric)


def _card(title: str, body: str) -> str:
    return f"<div class='card'><h3>{escape(title)}</h3>{body}</div>"


def _failures(comparison: Comparison) -> str:
    arms = [arm for arm in answered(comparison) if arm.failures]
    seen = [point for point in POINTS if any(point in arm.failure_points for arm in arms)]
    if not seen:
        return ""
    titles = {point: f"{short_point(point)} {POINTS[point].title}" for point in seen}
    rows = [
        (arm.name, {titles[point]: n for point, n in arm.failure_points.items() if point in titles}) for arm in arms
    ]
    most = max(sum(counts.values()) for _, counts in rows)
    words = f"Wrong answers of {count(len(comparison.questions), 'question')}, each by its first reason."
    return f"<p class='note'>{words}</p><div class='card scroll'>{stacked(rows, list(titles.values()), most)}</div>"


def _classes(comparison: Comparison, decision: Decision) -> str:
    """Return what the taken arm gains over the closed book, class by class; and every arm's mean in every class."""
    by_name = {arm.name: arm for arm in answered(comparison)}
    first = by_name.get(decision.take or (decision.ranking[0].arm if decision.ranking else ""))
    rest = [by_name[one.arm] for one in decision.ranking if first is not None and one.arm != first.name]
    if first is None or not rest:
        return ""
    other = by_name[CLOSED_BOOK] if CLOSED_BOOK in by_name and first.name != CLOSED_BOOK else rest[0]
    gains = class_gains(comparison, first, other)
    if not gains:
        return ""
    reach = max(max(abs(row.difference.low), abs(row.difference.high)) for row in gains)
    rows = "".join(_class_row(row, reach) for row in gains)
    head = f"<tr><th>class</th><th>{escape(first.name)} less {escape(other.name)}</th><th class='n'>points</th>"
    head += "<th class='n optional'>questions</th></tr>"
    words = (
        f"Gain of {first.name} over {other.name}. A difference in grey may be chance, once the number of classes that "
        "were looked at is allowed for."
    )
    means = _class_means(comparison, [row.name for row in gains], list(by_name.values()))
    return (
        f"<p class='note'>{escape(words)}</p><div class='card scroll'><table>{head}{rows}</table></div>"
        f"<div class='card scroll means' style='margin-top:14px'>{means}</div>"
    )


def _class_row(row: ClassGain, reach: float) -> str:
    style = (
        " class='n good'" if row.shown and row.difference.low > 0 else " class='n bad'" if row.shown else " class='n'"
    )
    return (
        f"<tr><td class='name'>{escape(row.name)}</td><td class='bar'>{difference_bar(row.difference, reach)}</td>"
        f"<td{style}>{escape(points(row.difference))}</td><td class='n optional'>{row.difference.n:,}</td></tr>"
    )


def _class_means(comparison: Comparison, names: list[str], arms: list[ArmResult]) -> str:
    head = "".join(f"<th class='n'>{escape(arm.name)}</th>" for arm in arms)
    rows = []
    for name in names:
        among = np.array([name in question.classes for question in comparison.questions])
        cells = "".join(
            f"<td class='n'>{fixed(float(np.nanmean(values)))}</td>"
            if not np.isnan(values := np.asarray(arm.values[comparison.metric])[among]).all()
            else "<td></td>"
            for arm in arms
        )
        rows.append(f"<tr><td class='name'>{escape(name)}</td>{cells}</tr>")
    return f"<table><tr><th>mean by class</th>{head}</tr>{''.join(rows)}</table>"


def _abilities(comparison: Comparison) -> str:
    """Return the abilities of each arm, where they were measured."""
    rows = "".join(
        f"<tr><td class='name'>{escape(name)}</td><td class='name'>{escape(arm.name)}</td>"
        f"<td class='bar'>{interval_bar(score)}</td><td class='n'><b>{fixed(score.mean)}</b></td>"
        f"<td class='n optional'>{fixed(score.low)} to {fixed(score.high)}</td></tr>"
        for name in dict.fromkeys(name for arm in comparison.arms for name in arm.abilities)
        for arm in comparison.arms
        if (score := arm.abilities.get(name)) is not None and score.n
    )
    return f"<div class='card scroll'><table>{rows}</table></div>" if rows else ""


def _step(number: int, advice: Advice) -> str:
    gain = f"<span class='tag right'>{escape(points(advice.expected_gain))}</span>" if advice.expected_gain else ""
    command = f"<code class='command'>{escape(advice.command)}</code>" if advice.command else ""
    unless = f"<p class='small'>What would change this: {escape(advice.unless)}</p>" if advice.unless else ""
    return (
        f"<div class='card advice'><h3>{number}. {escape(advice.step)} {gain}</h3><p>{escape(advice.because)}</p>"
        f"<p class='small'>Measured by: {escape(advice.measured_by)}.</p>{unless}{command}</div>"
    )


def _ten(decision: Decision) -> str:
    style = {"tuning": "right", "against tuning": "wrong", "open": "plain"}
    rows = "".join(
        f"<tr><td><b>{escape(one.topic)}</b><div class='small note'>{escape(one.asked)}</div></td>"
        f"<td>{escape(one.said)}</td><td>{escape(one.measured)}</td>"
        f"<td><span class='tag {style[one.speaks_for]}'>{one.speaks_for}</span></td></tr>"
        for one in decision.ten
    )
    head = "<tr><th></th><th>you say</th><th>measured</th><th>speaks for</th></tr>"
    return f"<div class='card scroll'><table>{head}{rows}</table></div>"


def _pairs(decision: Decision) -> str:
    shown = [pair for pair in decision.pairs if pair.difference.n][:_PAIRS]
    if not shown:
        return ""
    reach = max(max(abs(pair.difference.low), abs(pair.difference.high)) for pair in shown)
    rows = "".join(_pair(pair, reach) for pair in shown)
    head = (
        "<tr><th>a less b</th><th></th><th class='n'>points</th><th>verdict</th>"
        "<th class='n optional'>questions needed</th></tr>"
    )
    words = (
        "A tie is a difference whose 95% interval includes 0, or that may be chance among so many pairs (Benjamini and "
        "Hochberg)."
    )
    return f"<p class='note'>{words}</p><div class='card scroll'><table>{head}{rows}</table></div>"


def _pair(pair: Pair, reach: float) -> str:
    verdict = {"a": pair.a, "b": pair.b, "tie": "tie"}[pair.verdict]
    style = "plain" if pair.verdict == "tie" else "right"
    needed = f"{pair.needed:,}" if pair.needed is not None else ""
    return (
        f"<tr><td class='name'>{escape(pair.a)} less {escape(pair.b)}</td>"
        f"<td class='bar'>{difference_bar(pair.difference, reach)}</td>"
        f"<td class='n'>{signed_points(pair.difference.mean)}<div class='small note'>"
        f"{signed_points(pair.difference.low)} to {signed_points(pair.difference.high)}</div></td>"
        f"<td><span class='tag {style}'>{escape(verdict)}</span></td><td class='n optional'>{needed}</td></tr>"
    )


def _mind(decision: Decision) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in decision.mind)
    return f"<div class='card'><ul>{lines}</ul></div>" if lines else ""


def _controls(comparison: Comparison) -> str:
    n, shown = len(comparison.questions), min(len(comparison.questions), MOST_QUESTIONS)
    more = f"{shown:,} of {n:,} questions are listed, those on which the arms disagree first." if shown < n else ""
    buttons = "".join(
        f"<button type='button' data-kind='{kind}' aria-pressed='{str(kind == 'all').lower()}'>{words}</button>"
        for kind, words in (("all", "All"), ("mixed", "Arms disagree"), ("right", "All right"), ("wrong", "All wrong"))
    )
    return (
        f"<p class='note'>{more}</p><div class='controls'><input id='find' type='search' "
        f"placeholder='Search questions and answers' aria-label='Search'>{buttons}</div>"
        "<p class='status' id='status' aria-live='polite'></p><div class='card rows'>\n"
    )


def _questions(comparison: Comparison) -> Iterator[str]:
    """Yield each question with what every arm said to it."""
    kinds = [_kind(comparison, place) for place in range(len(comparison.questions))]
    mixed = [place for place, kind in enumerate(kinds) if kind == "mixed"][:MOST_QUESTIONS]
    rest = [place for place, kind in enumerate(kinds) if kind != "mixed"]
    room = MOST_QUESTIONS - len(mixed)
    some = rest if len(rest) <= room else [rest[i * len(rest) // room] for i in range(room)]
    for place in sorted(mixed + some):
        yield _question(comparison, comparison.questions[place], place, kinds[place])


def _kind(comparison: Comparison, place: int) -> str:
    """Return whether every arm was right about a question, or wrong, or some of each."""
    right = {
        value >= 0.5 for arm in answered(comparison) if not math.isnan(value := arm.values[comparison.metric][place])
    }
    return "mixed" if len(right) == 2 else "right" if True in right else "wrong"


def _question(comparison: Comparison, question: Question, place: int, kind: str) -> str:
    arms = answered(comparison)
    marks = "".join(
        f"<span class='dot {_mark(arm.values[comparison.metric][place])}' title='{escape(arm.name)}'></span>"
        for arm in arms
    )
    rows = "".join(_said(comparison, arm, place) for arm in arms)
    tags = "".join(f"<span class='tag plain'>{escape(name)}</span> " for name in question.classes)
    document = f"<span class='note small'>{escape(question.document)}</span>" if question.document else ""
    return (
        f"<details class='asked' data-kind='{kind}'><summary><span>{escape(question.text or question.id)}</span>"
        f"<span class='marks'>{marks}</span></summary><div><p><b>known:</b> {escape(question.gold)}</p>"
        f"<p>{tags}{document}</p><table>{rows}</table></div></details>\n"
    )


def _said(comparison: Comparison, arm: ArmResult, place: int) -> str:
    value = arm.values[comparison.metric][place]
    said = arm.said[place] if arm.said else ""
    text = said if len(said) <= _ANSWER else said[: _ANSWER - 1] + "…"
    failure = arm.failures[place] if arm.failures else None
    why = f"<div class='small note'>{escape(f'{failure.point}: {failure.evidence}')}</div>" if failure else ""
    return (
        f"<tr><td class='name'><b>{escape(arm.name)}</b></td><td><div class='text'>{escape(text)}</div>{why}</td>"
        f"<td class='n'><span class='tag {_mark(value) or 'plain'}'>{fixed(value)}</span></td></tr>"
    )


def _mark(value: float) -> str:
    return "" if math.isnan(value) else "right" if value >= 0.5 else "wrong"
