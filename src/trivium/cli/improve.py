"""`trivium improve`: take the next best step, again and again, and keep only what is shown to help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.compare import (
    AdapterOption,
    Amount,
    Language,
    Limit,
    Metric,
    Minutes,
    Out,
    Questions,
    Seed,
    Shares,
    budget_of,
    job_of,
    shares_of,
)
from trivium.cli.options import Chat, Debug, Embedder, Json, Kb, Principals, Reranker, names, open_kb
from trivium.cli.screen import Screen
from trivium.errors import UsageError

if TYPE_CHECKING:
    from trivium.advise.improve import Lineage

Start = Annotated[
    str, typer.Option("--from", metavar="ARM", help="The set-up to begin with: PATTERN or PATTERN+ADAPTER.")
]
Trained = Annotated[bool, typer.Option("--tune", help="Adapters may be trained on the training questions.")]
Chunkers = Annotated[
    str, typer.Option("--chunkers", metavar="NAMES", help="Ways to cut the documents anew that may be tried.")
]


def register(app: typer.Typer) -> None:
    """Put this file's command on the command line."""
    app.command("improve", epilog="Example: trivium improve questions.jsonl --kb handbook --budget 2h")(improve)


def improve(
    ctx: typer.Context,
    questions: Questions,
    start: Start = "advanced",
    adapter: AdapterOption = None,
    tune: Trained = False,
    chunkers: Chunkers = "",
    metric: Metric = "",
    shares: Shares = "0.2,0.5,0.3",
    limit: Limit = None,
    minutes: Minutes = 15.0,
    budget: Amount = "",
    language: Language = "",
    out: Out = None,
    seed: Seed = 0,
    principals: Principals = "",
    chat: Chat = "",
    embedder: Embedder = "",
    reranker: Reranker = "",
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Improve a set-up step by step on validation questions, and confirm it once on the test questions."""
    from trivium.advise.arms import GROUNDED, RAFT, arm_of
    from trivium.advise.improve import improve as run
    from trivium.advise.prices import Prices
    from trivium.advise.setup import Possible, Setup
    from trivium.advise.train import Tuning
    from trivium.cli.progress import stages
    from trivium.documents import CHUNKERS
    from trivium.errors import UnknownName
    from trivium.evaluate.record import command_line
    from trivium.evaluate.summary import RIGHT
    from trivium.models.chat import EMBEDDED, shipped_adapters, split_spec
    from trivium.tasks.questions import read_questions

    screen: Screen = ctx.obj
    for name in names(chunkers):
        if name not in CHUNKERS:
            raise UnknownName("way to cut documents", name, CHUNKERS)
    given = split_spec("+".join(["", *(adapter or [])]))[1]
    arm = arm_of(start, list(given))
    if not arm.searches:
        raise UsageError(f"{start} does not answer from documents.", "Begin with a pattern such as advanced.")
    read = read_questions(questions, language=language)
    base = open_kb(screen, kb, embedder=embedder, chat=chat, reranker=reranker, answers=True)
    job = job_of(
        screen, read, questions, base, arms=["closed_book"], chat=chat, adapters=given,
        tuning=Tuning(minutes=minutes), principals=names(principals) or None, shares=shares_of(shares), limit=limit,
        folder=out, seed=seed,
    )  # fmt: skip
    if not job.parts.validation:
        raise UsageError("No question is left to choose by.", "Give more questions, or a larger share: --shares.")
    shipped = [GROUNDED] if (chat or EMBEDDED).lower() == EMBEDDED and shipped_adapters() else []
    possible = Possible((*given, *shipped, *([RAFT] if tune else [])), names(chunkers))
    folder = out or job.folder.with_name(job.folder.name.replace("compare-", "improve-", 1))
    with stages(screen) as show:
        found = run(
            Setup(arm.pattern, arm.adapter), job.bench, job.parts, folder, possible=possible, metric=metric or RIGHT,
            tuning=job.tuning, budget=budget_of(budget, Prices()), seed=seed, command=command_line(),
            tell=lambda at: show(at.what, at.done, at.total or 1),
        )  # fmt: skip
    if screen.as_json:
        from dataclasses import asdict

        screen.emit({"run": str(folder), **asdict(found)})
    else:
        _print(screen, found, folder)
    return 0


def _print(screen: Screen, found: Lineage, folder: Path) -> None:
    """Show what was tried and what came of it."""
    from rich.table import Table

    from trivium.advise.words import points

    table = Table(box=None, pad_edge=False)
    for head in ("round", "tried", "questions", "gain", "", "because"):
        table.add_column(head, overflow="fold")
    for one in found.tries:
        gain = points(one.gain) if one.gain is not None else "-"
        table.add_row(
            str(one.round), one.setup, f"{one.questions:,}", gain, "kept" if one.kept else "dropped", one.because
        )
    screen.out.print(table)
    before, after = found.validation
    screen.out.print(f"\nBegan with {found.first.name}: {before:.1%} on validation ({found.metric}).", soft_wrap=True)
    if found.last == found.first:
        screen.out.print("No step was shown to help.")
    else:
        screen.out.print(f"Take {found.last.name}: {after:.1%}.", soft_wrap=True)
        if found.confirmed is not None:
            screen.out.print(f"On the test questions, looked at once: {points(found.confirmed)}.", soft_wrap=True)
    if not found.finished:
        screen.out.print("The budget was spent before every step was tried: the same command goes on.")
    screen.out.print(f"Lineage: {folder / 'lineage.json'}", soft_wrap=True)
