"""One HTML file that shows a whole run and opens offline: styles, script, charts and data are all inside it.

The figures stand in the page as they are. The questions follow as data: an index of short rows that are searched and
filtered, and blocks of a hundred questions with everything else, compressed, unpacked when one is opened. What comes
from documents, questions and models is escaped (in the page) or put in as text (by the script), and the page's
content policy lets nothing be loaded from anywhere.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, TextIO

from trivium.evaluate.abilities.values import Measured
from trivium.evaluate.against import Comparison
from trivium.evaluate.failure import POINTS
from trivium.evaluate.report import sections
from trivium.evaluate.report.shell import closing, opening, written_whole
from trivium.evaluate.results import Result, plain
from trivium.evaluate.summary import Report, Tally, by_tag, known_answer, recall_curve

REPORT = "report.html"
MOST_QUESTIONS = 20_000
"""Questions that the page lists. Of more, the wrong ones and an even choice of the others; the file has all."""
_BLOCK = 100
_ROW_TEXT = 280  # characters of a question's row
_PASSAGES = 120_000_000  # characters of passages in the whole page, before compression
_LONG, _SHORT = 2_000, 200  # characters of one passage: at most, and at least
_ANSWER = 8_000
_STEP = 1_500
_SORTED_BY = ("correct", "f1", "recall@5", "ndcg@10", "faithfulness", "citation_precision")
_MOST_TAGS = 60


def write_html(
    report: Report,
    results: Iterator[Result],
    *,
    abilities: Sequence[Measured] = (),
    comparison: Comparison | None = None,
    title: str = "",
) -> Path:
    """Write the report of a run into its folder, replacing an earlier one, and return its path.

    Args:
        report: what the run came to.
        results: one by one, in the order of the questions.
        abilities: figures of the abilities, where they were measured.
        comparison: with another run.
        title: of the page; empty names what was asked of what.

    Raises:
        StoreFull: the disk is full.
    """
    path = report.folder / REPORT
    with written_whole(path) as page:
        _write(page, report, results, abilities, comparison, title)
    return path


def _write(
    page: TextIO,
    report: Report,
    results: Iterator[Result],
    abilities: Sequence[Measured],
    comparison: Comparison | None,
    title: str,
) -> None:
    title = title or sections.title_of(report)
    parts = _parts(report, abilities, comparison)
    links = [(name, words) for name, words, _ in parts]
    page.write(
        f"{opening(title, sections.heading(title, report), links)}{sections.banners(report)}{sections.tiles(report)}\n"
    )
    for name, words, body in parts:
        page.write(f"<h2 id='{name}'>{escape(words)}</h2>\n{body}\n")
    chosen = _chosen(report.tally)
    index = _index(report.tally, len(chosen))
    page.write("</main>\n")
    for number, block in enumerate(_blocks(results, report.tally, chosen, index, _changes(comparison))):
        packed = base64.b64encode(gzip.compress(block, 6, mtime=0)).decode("ascii")
        page.write(f"<script type='application/gzip' id='block-{number}'>{packed}</script>\n")
    page.write(f"<script type='application/json' id='index'>{_inline(index)}</script>\n")
    page.write(closing("script.js"))


def _parts(
    report: Report,
    abilities: Sequence[Measured],
    comparison: Comparison | None,
) -> list[tuple[str, str, str]]:
    """Return the sections as (anchor, heading, HTML), without those that have nothing to show."""
    found = [
        ("summary", "Figures", sections.metrics(report)),
        ("against", "Against the other run", sections.against(comparison) if comparison else ""),
        ("failures", "Why answers were wrong", sections.points(report.points, report.asked) if report.points else ""),
        ("retrieval", "Retrieval", _side_by_side(report)),
        ("abilities", "Abilities", sections.abilities(abilities) if abilities else ""),
        ("distributions", "Distributions", sections.distributions(report)),
        ("questions", "Questions", _controls(report, comparison)),
        ("repeat", "How to repeat it", sections.repeat(report.record)),
    ]
    return [part for part in found if part[2]]


def _side_by_side(report: Report) -> str:
    cards = sections.recall(recall_curve(report.tally)) + sections.tags(by_tag(report.tally))
    return f"<div class='grid wide'>{cards}</div>" if cards else ""


def _controls(report: Report, comparison: Comparison | None) -> str:
    tally = report.tally
    kinds = [("all", "All"), ("right", "Right"), ("wrong", "Wrong"), ("refused", "Refused")]
    kinds += [("error", "Errors")] if report.errors else []
    kinds += [("changed", "Changed")] if comparison else []
    buttons = "".join(
        f"<button type='button' data-kind='{kind}' aria-pressed='{str(kind == 'all').lower()}'>{words}</button>"
        for kind, words in kinds
    )
    points = "".join(
        f"<option value='{escape(point.point)}'>{escape(sections.short_point(point.point))}: "
        f"{escape(point.title)} ({point.count:,})</option>"
        for point in report.points
        if point.count
    )
    orders = "".join(f"<option value='{name}'>lowest {name}</option>" for name in _sorted_by(tally))
    tags = "".join(f"<option>{escape(tag)}</option>" for tag in tally.common_tags(_MOST_TAGS))
    listed = len(_chosen(tally))
    more = (
        f"<p class='note'>{listed:,} of {len(tally.ids):,} questions are listed: the wrong ones first, and an even "
        "choice of the others. results.jsonl has all of them.</p>"
        if listed < len(tally.ids)
        else ""
    )
    return (
        f"{more}<div class='controls'><input id='find' type='search' placeholder='Search questions and answers' "
        f"aria-label='Search'>{buttons}"
        f"<select id='by-point' aria-label='Failure point'><option value=''>any failure point</option>{points}</select>"
        + (f"<select id='by-tag' aria-label='Tag'><option value=''>any tag</option>{tags}</select>" if tags else "")
        + f"<select id='by-order' aria-label='Order'><option value=''>in their order</option>{orders}"
        "<option value='seconds'>slowest</option></select></div>"
        "<p class='status' id='status' aria-live='polite'></p>"
        "<div class='card rows' id='rows'></div><div id='end'></div>"
        "<noscript><p class='note'>The list needs JavaScript; results.jsonl has all questions.</p></noscript>"
    )


def _sorted_by(tally: Tally) -> list[str]:
    return [name for name in _SORTED_BY if name in tally.values]


def _chosen(tally: Tally) -> list[int]:
    """Return the places of the questions to list, in order: all, or the wrong ones and an even choice of the rest."""
    everything = len(tally.ids)
    if everything <= MOST_QUESTIONS:
        return list(range(everything))
    wrong = [place for place in range(everything) if not tally.is_right(place)]
    rest = [place for place in range(everything) if tally.is_right(place)]
    wrong = _evenly(wrong, max(MOST_QUESTIONS * 3 // 4, MOST_QUESTIONS - len(rest)))
    return sorted(wrong + _evenly(rest, MOST_QUESTIONS - len(wrong)))


def _evenly(places: Sequence[int], n: int) -> list[int]:
    if len(places) <= n:
        return list(places)
    return [places[i * len(places) // n] for i in range(n)]


def _index(tally: Tally, n: int) -> dict[str, Any]:
    columns = ("id", "question", "answer", "gold", "kind", "refused", "point", "tags", "seconds", "change")
    return {
        **{name: [] for name in columns},
        "scores": {name: [] for name in _sorted_by(tally)},
        "titles": {name: point.title for name, point in POINTS.items()},
        "block": _BLOCK,
        "listed": n,
    }


def _changes(comparison: Comparison | None) -> Mapping[str, int]:
    if comparison is None:
        return {}
    return {**{one.id: 1 for one in comparison.gained}, **{one.id: -1 for one in comparison.lost}}


def _blocks(
    results: Iterator[Result], tally: Tally, chosen: Sequence[int], index: dict[str, Any], changes: Mapping[str, int]
) -> Iterator[bytes]:
    """Yield the blocks as JSON, filling the index on the way; one block is in memory at a time."""
    wanted = {tally.ids[place] for place in chosen}
    longest = min(_LONG, max(_SHORT, _PASSAGES // max(1, 10 * len(chosen))))
    rows: list[dict[str, Any]] = []
    passages: dict[tuple[str, str], int] = {}
    shown: list[dict[str, Any]] = []
    for result in results:
        if result.example.id not in wanted:
            continue
        _add_row(index, result, changes)
        rows.append(_detail(result, passages, shown, longest))
        if len(rows) == _BLOCK:
            yield _packed(rows, shown)
            rows, passages, shown = [], {}, []
    if rows:
        yield _packed(rows, shown)


def _packed(rows: list[dict[str, Any]], passages: list[dict[str, Any]]) -> bytes:
    text = json.dumps({"rows": rows, "passages": passages}, ensure_ascii=False, default=plain)
    return text.encode("utf-8", "replace")


def _add_row(index: dict[str, Any], result: Result, changes: Mapping[str, int]) -> None:
    example, answer = result.example, result.answer
    index["id"].append(example.id)
    index["question"].append(_clip(example.question, _ROW_TEXT))
    index["answer"].append(_clip(result.error if answer is None else answer.text, _ROW_TEXT))
    index["gold"].append(_clip(known_answer(example), _ROW_TEXT))
    index["kind"].append(2 if answer is None else 3 if result.right is None else int(result.right))
    index["refused"].append(int(answer is not None and answer.refused))
    index["point"].append(result.failure.point if result.failure else "")
    index["tags"].append([*([example.language] if example.language else []), *example.tags])
    index["seconds"].append(round(result.seconds, 3))
    index["change"].append(changes.get(example.id, 0))
    for name, column in index["scores"].items():
        column.append(result.scores.get(name))


def _detail(
    result: Result, passages: dict[tuple[str, str], int], shown: list[dict[str, Any]], longest: int
) -> dict[str, Any]:
    """Return everything that an opened question shows; its passages are kept once for the block."""
    example, answer = result.example, result.answer
    hits = []
    for hit in answer.hits if answer else ():
        key = (hit.chunk.source, hit.chunk.text)
        if key not in passages:
            passages[key] = len(shown)
            text = _clip(hit.chunk.text, longest)
            shown.append({"source": hit.chunk.source, "page": hit.chunk.page, "text": text})
        hits.append([passages[key], round(hit.score, 4), "+".join(hit.found_by)])
    return {
        "error": result.error,
        "failure": result.failure,
        "answer": _clip(answer.text, _ANSWER) if answer else None,
        "refused": bool(answer and answer.refused),
        "unsupported": [span for span in answer.unsupported if span[1] <= _ANSWER] if answer else [],
        "gold": known_answer(example),
        "scores": {name: round(value, 4) for name, value in result.scores.items() if value is not None},
        "citations": list(answer.citations) if answer else [],
        "hits": hits,
        "searched": bool(answer and any("hits" in step.detail for step in answer.trace)),
        "ranks": result.ranks,
        "evidence": [{"source": gold.source, "text": _clip(gold.text, _LONG)} for gold in example.evidence],
        "trace": [_step(step.name, step.seconds, step.detail) for step in answer.trace] if answer else [],
        "tokens": answer.usage.prompt_tokens + answer.usage.completion_tokens if answer else 0,
    }


def _step(name: str, seconds: float, detail: Mapping[str, object]) -> dict[str, object]:
    text = ", ".join(f"{key}: {_value(value)}" for key, value in detail.items())
    return {"name": name, "seconds": round(seconds, 5), "detail": _clip(text, _STEP)}


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=plain)


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _inline(value: object) -> str:
    """Return JSON that may stand inside a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, default=plain)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
