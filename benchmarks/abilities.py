"""Measure the abilities of the embedded models, print the table of docs/abilities.md and draw its curves.

Two readers are put the same passages: `advanced`, the steps of `trivium ask` after its search, and `instructed`, the
bare chat model under RGB's task. Answers are kept under `.cache/`, so that a second call only counts.

    python benchmarks/abilities.py            # ask (what is not kept yet), print
    python benchmarks/abilities.py --write    # and put table and curves into docs/
    python benchmarks/abilities.py --fresh    # forget the answers first (35 minutes on two busy cores)
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data import data_folder
from peers import CACHE
from results import busy, save, table
from trivium.evaluate.abilities.ask import Progress
from trivium.evaluate.abilities.cases import passages_of
from trivium.evaluate.abilities.plot import bars, standalone
from trivium.evaluate.abilities.run import TITLES, as_json, measured_in, read_files
from trivium.evaluate.abilities.values import Measured
from trivium.evaluate.report.svg import Series, curve
from trivium.models.chat import open_chat
from trivium.models.embed import open_embedder
from trivium.readers import open_reader
from trivium.types import Score

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "abilities.md"
BEGIN, END = "<!-- figures -->", "<!-- end -->"
SHOWN = {
    "noise": ("accuracy", "drop"),
    "rejection": ("rejection", "accuracy"),
    "integration": ("accuracy", "parts"),
    "counterfactual": ("accuracy", "detection", "correction", "followed", "r_rate", "misleading"),
    "conflict": ("accuracy", "followed", "r_rate", "misleading", "persistence"),
    "position": ("accuracy", "middle"),
}
"""The metrics that the page's table has."""
FALSE = {
    ("accuracy", "none"): "right, none shown",
    ("accuracy", "true"): "right, true shown",
    ("accuracy", "false"): "right, false shown",
    ("followed", "none"): "false, none shown",
    ("followed", "false"): "false, false shown",
}
"""Of the bars: what the answer gives, and which passages were shown."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one reader is asked: files, the abilities, and at most so many questions of each file."""

    reader: str
    files: tuple[str, ...]
    only: tuple[str, ...] = ()
    limit: int | None = None


RGB = ("rgb/en_fact.json", "rgb/zh_fact.json", "rgb/zh_int.json", "rgb/zh_refine.json")
PARTS = (
    Part("advanced", RGB),
    Part("advanced", ("conflict/nq-swap_dev.json", "conflict/confiqa-mc_dev.json", "nq/NQ-open.dev.jsonl"), limit=60),
    Part("advanced", ("squad/test-v1.1.json",), limit=30),
    Part("instructed", ("rgb/en_fact.json",), only=("noise", "rejection", "counterfactual"), limit=20),
)


def measure(fresh: bool) -> tuple[dict[str, list[Measured]], float]:
    """Ask every part; return the figures by reader, and the seconds that it took."""
    started = time.monotonic()
    folder = data_folder()
    chat, embedder = open_chat(), open_embedder()
    found: dict[str, list[Measured]] = {}
    for number, part in enumerate(PARTS):
        at = CACHE / "abilities" / f"{number}-{part.reader}"
        if fresh:
            shutil.rmtree(at, ignore_errors=True)
        sets = read_files([folder / file for file in part.files], only=part.only)
        reader = open_reader(part.reader, chat=chat, embedder=embedder, collection=passages_of(sets))
        settings = {"reader": part.reader, "chat": chat.name, "embedder": embedder.name, "files": list(part.files)}
        report = measured_in(at, sets, reader, settings=settings, only=part.only, limit=part.limit, progress=_told)
        print(
            f"{part.reader}, {', '.join(part.files)}: {report.seconds:.0f} s, {report.failed} failed", file=sys.stderr
        )
        found.setdefault(part.reader, []).extend(report.figures)
    return found, time.monotonic() - started


def _told(at: Progress) -> None:
    if at.done == at.total:
        print(f"  {at.stage}: {at.total}", file=sys.stderr)


def head(found: Mapping[str, Sequence[Measured]]) -> list[list[str]]:
    """Return the rows of the page's table: ability, set, what is shown, metric, the figure with its interval, n."""
    rows = []
    for reader, figures in found.items():
        for one in figures:
            if (
                one.score.n
                and one.metric in SHOWN[one.ability]
                and (one.at is None or one.at in (0.0, 0.4, 0.8, 1.0, 3.0, 5.0))
            ):
                what = {"none": "no passages", "true": "true passages", "false": "false passages"}.get(one.arm, "")
                if one.at is not None:
                    what = f"answer in {one.at:g}" if one.ability == "position" else f"noise {one.at:g}"
                rows.append(
                    [TITLES[one.ability], reader, one.set, what, one.metric, figure(one.score), str(one.score.n)]
                )
    order = list(TITLES.values())
    return sorted(rows, key=lambda row: order.index(row[0]))


def figure(score: Score) -> str:
    """Return a mean with its interval."""
    return f"{score.mean:.3f} [{score.low:.3f}, {score.high:.3f}]" if score.n else "–"


def pictures(found: Mapping[str, Sequence[Measured]]) -> dict[str, str]:
    """Return the page's charts by file name: the readers side by side."""
    drawn = {}
    for ability, x_label, percent in (
        ("noise", "share of the passages that is noise", True),
        ("position", "place of the passage that holds the answer", False),
    ):
        points: dict[str, list[tuple[float, Score]]] = {}
        for reader, figures in found.items():
            for one in figures:
                if one.ability == ability and one.metric == "accuracy" and one.at is not None:
                    points.setdefault(f"{one.set}, {reader}", []).append((one.at, one.score))
        lines = [Series(name, of) for name, of in points.items()]
        chart = curve(lines, x_label=x_label, y_label="accuracy", x_percent=percent)
        drawn[f"abilities-{ability}.svg"] = standalone(chart, f"{TITLES[ability]}: accuracy")
    groups: dict[str, dict[str, Score]] = {}
    for reader, figures in found.items():
        for one in figures:
            label = FALSE.get((one.metric, one.arm))
            if one.ability in ("counterfactual", "conflict") and label and one.score.n:
                groups.setdefault(f"{one.set}, {reader}", {})[label] = one.score
    ordered = {name: {label: of[label] for label in FALSE.values() if label in of} for name, of in groups.items()}
    title = "Answers with passages that hold false words: share of the questions"
    drawn["abilities-false.svg"] = standalone(bars(ordered, y_label="share of the questions"), title)
    return drawn


def main() -> int:
    """Measure, print, and with --write remake the page's figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put table and curves into docs/")
    parser.add_argument("--fresh", action="store_true", help="forget the answers that are kept")
    options = parser.parse_args()
    before = busy()
    found, seconds = measure(options.fresh)
    figures = {reader: [as_json(one) for one in of] for reader, of in found.items()}
    save("abilities", {"seconds": seconds, "fresh": options.fresh, "figures": figures}, before)
    columns = ["ability", "reader", "set", "shown", "metric", "mean [95% interval]", "n"]
    text = table(columns, head(found))
    print(text)
    if options.write:
        begin, rest = PAGE.read_text("utf-8").split(BEGIN)
        PAGE.write_text(f"{begin}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", "utf-8")
        for name, svg in pictures(found).items():
            (PAGE.parent / name).write_text(svg, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
