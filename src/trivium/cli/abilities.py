"""`trivium evaluate --abilities FILE…`: put the passages of benchmarks to a reader, and show what came of it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.cli.screen import Screen
from trivium.errors import UsageError

if TYPE_CHECKING:
    from trivium.evaluate.abilities.ask import Progress
    from trivium.evaluate.abilities.run import AbilitiesReport
    from trivium.evaluate.abilities.values import CaseSet, Measured, Reader
    from trivium.tasks.records import Problem
    from trivium.types import Score

_LINE_SECONDS = 5.0
"""Without a terminal, one line of progress at most this often."""
_PROBLEMS = 5
"""Records that cannot be read of which the place is shown."""


def run_abilities(
    screen: Screen,
    files: Sequence[Path],
    *,
    reader: str = "advanced",
    chat: str = "",
    embedder: str = "",
    only: Sequence[str] = (),
    limit: int | None = None,
    shown: int | None = None,
    seed: int | None = None,
    workers: int = 1,
    out: Path | None = None,
) -> int:
    """Measure the abilities of a reader on some files, show the figures, and keep everything in one folder.

    Args:
        screen: where to write.
        files: of RGB, NQ-Swap or ConFiQA, or question sets with evidence. One of questions and answers alone, such
            as NQ-open, gives the right answers of those that have false ones alone.
        reader: one of `trivium.readers.READERS`.
        chat, embedder: specs of models; empty is the embedded one.
        only: names of `trivium.evaluate.abilities.ABILITIES`; empty is all that the files are for.
        limit: the most questions of each file.
        shown: passages shown for each question; None is RGB's 5.
        seed: of the passages' choice and order, and of `limit`; None is RGB's 2333.
        workers: questions asked at once.
        out: the folder; None is one by the name of the settings, below `runs/`.

    Returns:
        The exit status: 0, or 1 where a record could not be read or a question not be answered.

    Raises:
        UsageError, UnknownName: the arguments or files are not of that kind.
        ModelError: a model failed; what was answered is kept, and a second call goes on from there.
    """
    from trivium.evaluate.abilities.passages import SEED, SHOWN
    from trivium.evaluate.abilities.run import measured_in, read_files
    from trivium.evaluate.record import command_line

    if not files:
        raise UsageError("No file is given.", "Give files of RGB, NQ-Swap, ConFiQA or a question set with evidence.")
    problems: list[Problem] = []
    sets = read_files(files, only=only, problems=problems)
    for problem in problems[:_PROBLEMS]:
        screen.say(f"Not read: {problem.where}: {problem.what}", style="yellow")
    if len(problems) > _PROBLEMS:
        screen.say(f"… and {len(problems) - _PROBLEMS} more.", style="yellow")
    read, settings = _reader(screen, reader, chat, embedder, sets, workers)
    folder = out or _folder(settings)
    with _watching(screen) as watch:
        report = measured_in(
            folder,
            sets,
            read,
            settings=settings,
            only=only,
            limit=limit,
            shown=SHOWN if shown is None else shown,
            seed=SEED if seed is None else seed,
            workers=workers,
            command=command_line(),
            progress=watch,
        )
    _show(screen, report, len(problems))
    return 1 if report.failed or problems else 0


def _reader(
    screen: Screen, name: str, chat: str, embedder: str, sets: Sequence[CaseSet], workers: int
) -> tuple[Reader, dict[str, object]]:
    """Open the models and return the reader, with what its answers depend on."""
    from trivium.cli.progress import fetch_defaults
    from trivium.errors import UnknownName
    from trivium.evaluate.abilities.cases import passages_of
    from trivium.models.chat import open_chat
    from trivium.models.embed import open_embedder
    from trivium.readers import READERS, open_reader

    if name not in READERS:
        raise UnknownName("reader", name, READERS)
    fetch_defaults(screen, [role for role, spec in (("chat", chat), ("embedding", embedder)) if not spec])
    model, vectors = open_chat(chat or None, parallel=workers), open_embedder(embedder or None)
    passages = passages_of(sets)
    digest = hashlib.sha256("\x00".join(passages).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    settings: dict[str, object] = {"reader": name, "chat": model.name, "embedder": vectors.name, "passages": digest}
    return open_reader(name, chat=model, embedder=vectors, collection=passages), settings


@contextmanager
def _watching(screen: Screen) -> Iterator[Callable[[Progress], None]]:
    """Show how far the questions are; yields what `ask` calls."""
    if not screen.err.is_interactive:
        yield partial(_line, screen, [time.monotonic()])
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=screen.err, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda at: bar.update(task, description=at.stage, total=at.total, completed=at.done)


def _line(screen: Screen, said: list[float], at: Progress) -> None:
    if time.monotonic() - said[0] >= _LINE_SECONDS:
        said[0] = time.monotonic()
        failed = f", {at.failed} failed" if at.failed else ""
        screen.say(f"{at.stage}: {at.done} of {at.total}{failed}")


def _show(screen: Screen, report: AbilitiesReport, unread: int) -> None:
    from trivium.evaluate.abilities.run import as_json

    if screen.as_json:
        screen.emit(
            {
                "run": str(report.folder),
                "questions": report.questions,
                "abilities": [as_json(one) for one in report.figures],
                "asked": report.asked,
                "failed": report.failed,
                "unread": unread,
                "seconds": round(report.seconds, 3),
            }
        )
        return
    from rich.table import Table

    from trivium.evaluate.abilities.run import TITLES

    for ability in dict.fromkeys(one.ability for one in report.figures):
        table = Table(box=None, pad_edge=False, header_style="bold", title=TITLES[ability], title_justify="left")
        for heading in ("set", "shown", "metric"):
            table.add_column(heading)
        for heading in ("mean", "95% interval", "n"):
            table.add_column(heading, justify="right")
        for one in report.figures:
            if one.ability == ability:
                table.add_row(one.set, _shown(one), one.metric, *_cells(one.score))
        screen.out.print(table)
        screen.out.print()
    if report.failed:
        screen.say(f"{report.failed} answers could not be had; no figure counts them.", style="yellow")
    screen.out.print(
        f"{report.asked} answers in {report.seconds:.0f} s. Answers, figures and charts: {report.folder}",
        soft_wrap=True,
    )


def _shown(one: Measured) -> str:
    """Return which passages a figure is of."""
    if one.at is None:
        return {"none": "no passages", "true": "true", "false": "false"}.get(one.arm, "")
    return f"answer in {one.at:g}" if one.ability == "position" else f"noise {one.at:g}"


def _cells(score: Score) -> tuple[str, str, str]:
    if not score.n:
        return "–", "–", "0"
    return f"{score.mean:.3f}", f"{score.low:.3f} to {score.high:.3f}", f"{score.n:,}"


def _folder(settings: Mapping[str, object]) -> Path:
    from trivium.evaluate.record import settings_name

    return Path("runs") / f"abilities-{settings['reader']}-{settings_name(settings)}"
