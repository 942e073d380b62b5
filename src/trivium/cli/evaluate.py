"""`trivium evaluate`: ask a system every question of a set, score what it says, and explain what went wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trivium.cli.options import Chat, Debug, Embedder, Json, Kb, Principals, Reranker, names, open_kb
from trivium.cli.screen import Screen
from trivium.errors import UsageError

if TYPE_CHECKING:
    from trivium.evaluate.against import Comparison
    from trivium.evaluate.run import RunProgress
    from trivium.evaluate.summary import Report
    from trivium.models import base
    from trivium.systems import OpenSystem
    from trivium.tasks.questions import QuestionSet

_LINE_SECONDS = 5.0
_SHOWN = 5
_ABILITIES = "--abilities"


Questions = Annotated[
    Path | None,
    typer.Argument(metavar="QUESTIONS", help="A question set: JSONL, CSV, or one of the field's forms."),
]
Pattern = Annotated[
    str, typer.Option("--pattern", metavar="NAME", help="How the knowledge base is asked. Default: advanced.")
]
System = Annotated[
    str,
    typer.Option(
        "--system",
        metavar="SYSTEM",
        help="What is asked: pattern:NAME, closed_book, http(s)://host/v1#model, a file of earlier answers, "
        "or python:module:function.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Where the run is kept. Default: one below runs/.")
]
Against = Annotated[
    Path | None, typer.Option("--against", metavar="RUN", help="Another run to compare with, question by question.")
]
JudgeModel = Annotated[
    str, typer.Option("--judge", metavar="MODEL", help="A chat model that judges the answers, as for --chat.")
]
Judged = Annotated[
    str, typer.Option("--judge-metrics", metavar="NAMES", help="What it judges, with commas. Default: all it can.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="Ask so many, drawn at random by the seed.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Of the draw and of the intervals.")]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Questions asked at once.")]
K = Annotated[int | None, typer.Option("--k", metavar="N", min=1, help="Passages to retrieve.")]
Alone = Annotated[
    bool,
    typer.Option(
        "--closed-book/--no-closed-book",
        help="Ask the model alone where the answer was wrong: was retrieval needed?",
    ),
]
Abilities = Annotated[
    list[Path] | None,
    typer.Option(_ABILITIES, metavar="FILE…", help="Measure RGB's abilities on such files, and robustness."),
]
Corpus = Annotated[Path | None, typer.Option("--corpus", metavar="PATH", help="Passages that the set publishes apart.")]
Language = Annotated[str, typer.Option("--language", metavar="CODE", help="Of the questions: en, zh.")]


class _Spread(typer.core.TyperCommand):
    """Lets one `--abilities` take all the files after it, as a shell's `*` gives them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args))


def spread(args: Sequence[str]) -> list[str]:
    """Return the arguments with `--abilities` before each of the words that follow one."""
    found: list[str] = []
    inside = False
    for place, word in enumerate(args):
        if word == _ABILITIES:
            inside = True
            if place + 1 == len(args) or args[place + 1].startswith("-"):
                found.append(word)  # without a file: left to be refused
        elif word.startswith("-"):
            inside = False
            found.append(word)
        else:
            found += [_ABILITIES, word] if inside else [word]
    return found


def register(app: typer.Typer) -> None:
    """Put this file's command on the command line."""
    app.command("evaluate", cls=_Spread, epilog="Example: trivium evaluate questions.jsonl --kb handbook --limit 200")(
        evaluate
    )


def evaluate(
    ctx: typer.Context,
    questions: Questions = None,
    pattern: Pattern = "",
    system: System = "",
    out: Out = None,
    against: Against = None,
    judge: JudgeModel = "",
    judged: Judged = "",
    limit: Limit = None,
    seed: Seed = 0,
    workers: Workers = 4,
    k: K = None,
    alone: Alone = True,
    abilities: Abilities = None,
    corpus: Corpus = None,
    language: Language = "",
    principals: Principals = "",
    chat: Chat = "",
    embedder: Embedder = "",
    reranker: Reranker = "",
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Score a system on questions with known answers, and name the reason of each wrong one."""
    screen: Screen = ctx.obj
    if questions is None:
        if not abilities:
            raise UsageError("No question set is given.", "For example: trivium evaluate questions.jsonl")
        return _abilities(abilities, pattern, chat, embedder, limit, workers, screen, out)
    from trivium.evaluate.against import against as compare
    from trivium.evaluate.record import command_line
    from trivium.evaluation import evaluate_system
    from trivium.models.chat import open_chat

    read = _read(screen, questions, language, corpus)
    opened, vectors = _open(
        screen, system, pattern, _Models(kb, chat, embedder, reranker), k=k, asker=names(principals), workers=workers
    )
    with watching(screen) as watch:
        report = evaluate_system(
            read.examples,
            opened,
            name=_name(read, questions),
            folder=out,
            limit=limit,
            seed=seed,
            workers=workers,
            judge=open_chat(judge, parallel=workers) if judge else None,
            judged=names(judged) or None,
            embedder=vectors,
            closed_book=alone,
            command=command_line(),
            missing=lambda ids: _say_missing(screen, ids),
            progress=watch,
        )
    status = 0 if report.complete else 1
    comparison = compare(report.folder, against, seed=seed) if against else None
    if abilities:
        from trivium.evaluate.report import ABILITIES

        measured = partial(_abilities, abilities, pattern, chat, embedder, limit, workers)
        status = measured(_Quiet(as_json=screen.as_json), report.folder / ABILITIES) or status
    _finish(screen, report, comparison)
    return status


@dataclass(frozen=True, slots=True)
class _Models:
    kb: str
    chat: str
    embedder: str
    reranker: str


def _read(screen: Screen, path: Path, language: str, corpus: Path | None) -> QuestionSet:
    """Read the questions, and say what of the file was left out or repaired."""
    from trivium.tasks.questions import count_problems, read_questions

    read = read_questions(path, language=language, corpus=corpus)
    for kind, count in count_problems(read.problems).items():
        first = [f"{problem.where} {problem.what}" for problem in read.problems if problem.kind == kind][:_SHOWN]
        screen.say(f"{count:,} x {kind}: {'; '.join(first)}{'; …' if count > _SHOWN else ''}", style="yellow")
    return read


def _name(read: QuestionSet, path: Path) -> str:
    """Return what to call a question set: its own name, or its folder's where the file's says nothing."""
    return path.resolve().parent.name or read.name if read.name in ("questions", "test", "dev") else read.name


def _open(
    screen: Screen,
    system: str,
    pattern: str,
    models: _Models,
    *,
    k: int | None,
    asker: tuple[str, ...],
    workers: int,
) -> tuple[OpenSystem, base.Embedder | None]:
    """Open the system, and the embedder of its knowledge base where it has one."""
    from trivium.cli.progress import fetch_defaults
    from trivium.models.chat import open_chat
    from trivium.systems import kind_of, open_system

    if system and pattern:
        raise UsageError("--system and --pattern both say what is asked.", "Give one of them.")
    spec = system or f"pattern:{pattern or 'advanced'}"
    kind = kind_of(spec)
    base = None
    if kind == "pattern" or models.kb or screen.kb:
        base = open_kb(
            screen,
            models.kb,
            embedder=models.embedder,
            chat=models.chat,
            reranker=models.reranker,
            answers=kind == "pattern",
        )
    elif kind == "alone" and not models.chat:
        fetch_defaults(screen, ["chat"])
    opened = open_system(
        spec,
        index=base,
        chat=lambda: base.chat if base and kind == "pattern" else open_chat(models.chat or None, parallel=workers),
        reranker=base.reranker if base else None,
        k=k,
        principals=asker or None,
        parallel=workers,
    )
    return opened, base.embedder if base else None


def _say_missing(screen: Screen, ids: Sequence[str]) -> None:
    first = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
    screen.say(
        f"No stored passage holds the answer to {len(ids):,} of the questions, which will fail (FP1): {first}.",
        style="yellow",
    )


def _abilities(
    files: Sequence[Path],
    pattern: str,
    chat: str,
    embedder: str,
    limit: int | None,
    workers: int,
    screen: Screen,
    folder: Path | None,
) -> int:
    """Measure the abilities on some files; return the exit status. The seed is RGB's own."""
    from trivium.cli.abilities import run_abilities

    return run_abilities(
        screen,
        files,
        reader=pattern or "advanced",
        chat=chat,
        embedder=embedder,
        limit=limit,
        workers=workers,
        out=folder,
    )


class _Quiet(Screen):
    """A screen that keeps the one JSON object for the command itself."""

    def emit(self, result: Mapping[str, object]) -> None:
        """Write nothing."""


def _finish(screen: Screen, report: Report, comparison: Comparison | None) -> None:
    """Write the report's files and show what came of it."""
    from trivium.evaluate.report import write_report

    page = write_report(report, comparison=comparison)
    if screen.as_json:
        from trivium.evaluate.against import comparison_json
        from trivium.evaluate.summary import report_json

        more = {"against": comparison_json(comparison)} if comparison else {}
        screen.emit({**report_json(report), **more})
    else:
        _show(screen, report, comparison, page)


def _show(screen: Screen, report: Report, comparison: Comparison | None, page: Path) -> None:
    from trivium.evaluate.report.table import (
        comparison_lines,
        comparison_table,
        cuts_table,
        metrics_table,
        points_table,
    )

    if report.metrics:
        screen.out.print(metrics_table(report))
    if (cuts := cuts_table(report)) is not None:
        screen.out.print()
        screen.out.print(cuts)
    if (points := points_table(report)) is not None:
        screen.out.print()
        screen.out.print(points)
    if comparison is not None:
        screen.out.print()
        screen.out.print(comparison_table(comparison))
        for line in comparison_lines(comparison):
            screen.out.print(line, soft_wrap=True)
    screen.out.print()
    before = f", {report.answered_before:,} of them answered before" if report.answered_before else ""
    screen.out.print(
        f"{report.asked:,} of {report.questions:,} questions{before}, in {report.seconds:.1f} s. Report: {page}",
        soft_wrap=True,
    )
    if report.judge_failures:
        screen.say(f"{report.judge_failures:,} judgements could not be had; no figure counts them.", style="yellow")
    for error in report.errors[:_SHOWN]:
        screen.say(f"Not answered: {error.id}: {error.reason}", style="yellow")
    if len(report.errors) > _SHOWN:
        screen.say(f"… and {len(report.errors) - _SHOWN:,} more; results.jsonl names each.", style="yellow")
    if report.stopped:
        screen.say(f"Given up: {report.stopped}.", style="yellow")
    if not report.complete:
        screen.say("They count in no figure. Run the command again to ask them, and only them.")


@contextmanager
def watching(screen: Screen) -> Iterator[Callable[[RunProgress], None]]:
    """Show how a run goes, with the share of right answers so far; yields what `evaluate` calls."""
    if not screen.err.is_interactive:
        yield _Lines(screen)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("Asking"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[score]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=screen.err, transient=True) as bar:
        task = bar.add_task("", total=None, score="")
        yield lambda at: bar.update(task, total=at.total, completed=at.done, score=_score(at))


def _score(at: RunProgress) -> str:
    right = f"{at.right:.1%} right" if at.right is not None else ""
    failed = f"{at.errors:,} failed" if at.errors else ""
    return ", ".join(filter(None, (right, failed)))


class _Lines:
    """A line every few seconds: how many questions, the score so far, the time left."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._started = self._said = time.monotonic()

    def __call__(self, at: RunProgress) -> None:
        now = time.monotonic()
        if now - self._said < _LINE_SECONDS or not at.asked_now:
            return
        self._said = now
        left = round((now - self._started) / at.asked_now * (at.total - at.done))
        time_left = f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
        self._screen.say(", ".join(filter(None, (f"{at.done:,} of {at.total:,} questions", _score(at), time_left))))
