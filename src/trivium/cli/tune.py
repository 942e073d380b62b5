"""`trivium tune` and `trivium runs`: train an adapter on a file of samples, and look at what was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from trivium.cli import tune_export, tune_retrieval
from trivium.cli.options import Debug, Json, settings_of, space_of
from trivium.cli.progress import training as watched
from trivium.cli.screen import Screen
from trivium.errors import UsageError

if TYPE_CHECKING:
    from trivium.tune.run import Before, Plan

Data = Annotated[str, typer.Argument(metavar="DATA", help="A training set of any known format: see `trivium data`.")]
BaseModel = Annotated[
    str,
    typer.Option("--base", metavar="MODEL", help="What is tuned: a name, a folder, a GGUF file. Default: embedded."),
]
MethodName = Annotated[str, typer.Option("--method", metavar="NAME", help="How: lora, full, houlsby, prefix, ...")]
Setting = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the method: rank=16. Repeat it.")
]
Task = Annotated[str, typer.Option("--task", metavar="NAME", help="causal, seq2seq, classify, tag, span, masked.")]
KindOf = Annotated[str, typer.Option("--kind", metavar="NAME", help="Read the data as: dialogue, text, labelled, ...")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Where the run is kept. Default: below runs/.")
]

Search = Annotated[
    list[str] | None,
    typer.Option("--search", metavar="KEY=V,V", help="Try each value, and keep the best by validation. Repeat it."),
]


class _OrData(TyperGroup):
    """`trivium tune DATA` is `trivium tune model DATA`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the command where the first word is none."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["model", *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Put this file's commands on the command line."""
    group = typer.Typer(cls=_OrData, help="Tune a model, an embedder or a reranker.", no_args_is_help=True)
    group.command("model", epilog="Example: trivium tune train.jsonl --method lora --set rank=16 --epochs 2")(tune)
    tune_retrieval.register(group)
    tune_export.register(group)
    app.add_typer(group, name="tune")
    app.command("runs", epilog="Example: trivium runs runs/tune-a runs/tune-b")(runs)


def tune(
    ctx: typer.Context,
    data: Data,
    base: BaseModel = "",
    method: MethodName = "lora",
    setting: Setting = None,
    task: Task = "",
    kind: KindOf = "",
    validation: Annotated[str, typer.Option(metavar="FILE", help="Chooses the best checkpoint. Default: 5%.")] = "",
    test: Annotated[str, typer.Option(metavar="FILE", help="Scored once, at the end. Default: 10%.")] = "",
    epochs: Annotated[float, typer.Option(metavar="N", help="Times that each sample is seen.")] = 1.0,
    steps: Annotated[int, typer.Option(metavar="N", help="Optimiser steps, instead of epochs.")] = 0,
    rate: Annotated[float, typer.Option(metavar="X", help="The highest learning rate. 0: the method's usual.")] = 0.0,
    schedule: Annotated[str, typer.Option(metavar="NAME", help="linear, cosine or constant.")] = "linear",
    warmup: Annotated[float, typer.Option(metavar="SHARE", help="Of the steps, in which the rate rises.")] = 0.05,
    batch: Annotated[int, typer.Option(metavar="N", help="Rows of one batch.")] = 16,
    accumulate: Annotated[int, typer.Option(metavar="N", help="Batches whose gradients make one step.")] = 1,
    longest: Annotated[int, typer.Option(metavar="N", help="Tokens that a sample may have.")] = 1024,
    tokens: Annotated[int, typer.Option(metavar="N", help="Tokens computed at once: lower it to save memory.")] = 2048,
    packed: Annotated[bool, typer.Option("--packed", help="Pack short samples into long rows.")] = False,
    checkpointing: Annotated[bool, typer.Option("--checkpointing", help="Less memory, a third slower.")] = False,
    layer_decay: Annotated[float, typer.Option(metavar="X", help="Each lower layer learns at this share.")] = 1.0,
    decay: Annotated[float, typer.Option(metavar="X", help="Of the weights.")] = 0.0,
    clip: Annotated[float, typer.Option(metavar="X", help="The largest norm of the gradient.")] = 1.0,
    every: Annotated[int, typer.Option(metavar="N", help="Steps between checkpoints. 0: four in the run.")] = 0,
    patience: Annotated[int, typer.Option(metavar="N", help="Stop after N validations without gain.")] = 0,
    minutes: Annotated[float, typer.Option(metavar="M", help="The longest that training may take.")] = 0.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, another order.")] = 0,
    limit: Annotated[int, typer.Option(metavar="N", help="Use at most N samples.")] = 0,
    search: Search = None,
    trials: Annotated[int, typer.Option(metavar="N", min=0, help="Of a search: draw N at random. 0: all.")] = 0,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last good checkpoint.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Show what would be trained, and stop.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Tune a model on your samples. The result goes straight back into ask, evaluate and compare."""
    from trivium.evaluate.record import command_line
    from trivium.tune.methods import method_named
    from trivium.tune.processes import leads
    from trivium.tune.run import Plan, default_folder, look
    from trivium.tune.run import tune as carry_out
    from trivium.tune.search import default_folder as search_folder
    from trivium.tune.search import trials_of

    screen: Screen = ctx.obj
    if schedule not in ("linear", "cosine", "constant"):
        raise UsageError(f"There is no schedule {schedule!r}.", "Choose linear, cosine or constant.")
    training = {
        "epochs": epochs, "steps": steps, "batch": batch, "accumulate": accumulate,
        "rate": rate or method_named(method).rate, "schedule": schedule, "warmup": warmup,
        "layer_decay": layer_decay, "decay": decay, "clip": clip, "every": every, "patience": patience,
        "seconds": minutes * 60, "seed": seed,
    }  # fmt: skip
    plan = Plan(
        data, base, method, settings_of(setting), task, kind, validation, test, longest, tokens, packed, checkpointing,
        training, limit,
    )  # fmt: skip
    space = space_of(search)
    if trials and not space:
        raise UsageError("--trials is of a search.", "Say what to search: --search rank=4,8,16.")
    if preview:
        return _preview(screen, look(trials_of(plan, space, most=trials)[0].plan if space else plan))
    if space:
        return _search(screen, plan, space, trials, out or search_folder(plan, space, trials), resume)
    folder = out or default_folder(plan)
    with watched(screen) as (show, stop):
        report = carry_out(
            plan, folder, resume=resume, before=lambda known: _introduce(screen, known),
            on_progress=show, stop=stop, command=command_line(),
        )  # fmt: skip
    if leads():  # of several processes the first one speaks
        _show(screen, report, folder)
    return 130 if report["stopped"] == "asked" else 0


def _preview(screen: Screen, known: Before) -> int:
    _introduce(screen, known)
    if screen.as_json:
        screen.emit(_facts(known))
    return 0


def _show(screen: Screen, report: Mapping[str, Any], folder: Path) -> None:
    if screen.as_json:
        screen.emit(report)
    else:
        _print(screen, report, folder)


def _search(
    screen: Screen, plan: Plan, space: Mapping[str, Sequence[Any]], trials: int, folder: Path, resume: bool
) -> int:
    """Try the values of a space, and show all trials with the winner."""
    from trivium.evaluate.record import command_line
    from trivium.tune.search import Trial
    from trivium.tune.search import search as carry_out

    def tell(trial: Trial, at: int, of: int) -> None:
        tried = ", ".join(f"{key}={value}" for key, value in trial.settings.items())
        screen.say(f"Trial {at} of {of}: {tried}")

    with watched(screen) as (show, stop):
        report = carry_out(
            plan, space, folder, most=trials, resume=resume, before=lambda known: _introduce(screen, known),
            on_trial=tell, on_progress=show, stop=stop, command=command_line(),
        )  # fmt: skip
    if screen.as_json:
        screen.emit(report)
    else:
        _print_trials(screen, report["search"])
        _print(screen, report, folder)
    return 130 if report["stopped"] == "asked" else 0


def _print_trials(screen: Screen, found: Mapping[str, Any]) -> None:
    """Show a row for each trial that was finished, with a star before the winner."""
    from rich.table import Table

    rows = found["trials"]
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    headings = ("", *rows[0]["settings"], f"validation {found.get('measure', '')}".strip(), "step", "parameters", "s")
    for name in headings:
        table.add_column(name, justify="left" if name in rows[0]["settings"] else "right", overflow="fold")
    for row in rows:
        outcome = row["problem"] or ("-" if row["score"] is None else f"{row['score']:.4f}")
        figures = (str(row["step"]), f"{row['parameters']:,}", f"{row['seconds']:,.0f}")
        settings = [str(value) for value in row["settings"].values()]
        table.add_row("*" if row["name"] == found.get("winner") else "", *settings, outcome, *figures)
    screen.out.print(table)


def _introduce(screen: Screen, known: Before) -> None:
    """Say what will be trained on, before it starts."""
    from trivium.tune.memory import written

    share = known.trained_tokens / max(known.tokens, 1)
    say = screen.say
    say(f"Base      {known.base} ({known.all_parameters / 1e6:.1f} million parameters, {known.dtype})")
    say(f"Method    {known.method}: {known.parameters:,} parameters are trained, {known.share:.2%}")
    say("Samples   " + ", ".join(f"{number:,} {name}" for name, number in known.sizes.items()))
    if known.notes:
        say("Notes     " + ", ".join(f"{name}: {number:,}" for name, number in known.notes.items()))
    if known.cut:
        say(f"Cut       {known.cut:,} samples are too long: only their beginning is read (--longest)", "yellow")
    say(f"Tokens    {known.tokens:,}, of which {known.trained_tokens:,} are learnt ({share:.1%})")
    free = f", {written(known.free)} are free" if known.free is not None else ""
    say(f"Memory    about {written(known.memory['total'])}{free}")
    if known.free is not None and known.memory["total"] > known.free:
        say("          This may not fit: lower --tokens or --longest, or take --checkpointing.", "yellow")
    say("A sample, what is learnt between ⟦ and ⟧:")
    say(known.preview.strip(), "dim")


def _facts(known: Before) -> dict[str, object]:
    """Return what is known before training, for `--json`."""
    from dataclasses import asdict

    return {**asdict(known), "share": known.share}


def _print(screen: Screen, report: Mapping[str, Any], folder: Path) -> None:
    from trivium.tune.run import ADAPTER

    if report["stopped"] == "asked":
        at = f"step {report['steps']}" if "steps" in report else f"trial {len(report['search']['trials']) + 1}"
        screen.out.print(f"Stopped at {at}. Go on with: --resume --out {folder}", soft_wrap=True)
        return
    best = report["best"]
    if best["score"] is not None:
        screen.out.print(f"Best validation {best['measure']} {best['score']:.4f}, at step {best['step']}")
    _print_test(screen, report)
    screen.out.print(
        f"{report['steps']} steps in {report['seconds']:,.0f} s, {report['tokens_per_second']:,.0f} tokens/s"
        + (f" (stopped: {report['stopped']})" if report["stopped"] else "")
    )
    screen.out.print(f"Adapter: {folder / ADAPTER}", soft_wrap=True)


def _print_test(screen: Screen, report: Mapping[str, Any]) -> None:
    """Show the test scores of the tuned model beside those of the others."""
    if "test" not in report:
        return
    from rich.table import Table

    systems = {"tuned": report["test"], **report["against"]}
    table = Table(box=None, pad_edge=False)
    table.add_column("test")
    for name in systems:
        table.add_column(name, overflow="fold")
    for score in report["test"]:
        cells = [scores.get(score) for scores in systems.values()]
        table.add_row(
            score.replace("_", " "),
            *(f"{one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" if one else "-" for one in cells),
        )
    screen.out.print(table)
    screen.out.print(report["verdict"], soft_wrap=True)


def runs(
    ctx: typer.Context,
    folders: Annotated[list[Path] | None, typer.Argument(metavar="RUN...", help="Two runs to compare.")] = None,
    below: Annotated[Path, typer.Option("--in", metavar="FOLDER", help="Where runs are looked for.")] = Path("runs"),
    json: Json = False,
    debug: Debug = False,
) -> int:
    """List tuning runs, newest first; of two that are named, show what differs in settings and scores."""
    from rich.table import Table

    from trivium.tune.runs import compare_runs, list_runs

    screen: Screen = ctx.obj
    if folders and len(folders) not in (1, 2):
        raise UsageError(f"{len(folders)} runs were named.", "Name one to see it, or two to compare them.")
    if folders and len(folders) == 2:
        compared = compare_runs(*folders)
        if screen.as_json:
            screen.emit(compared)
            return 0
        for line in compared["settings"]:
            screen.out.print(f"setting  {line}", soft_wrap=True)
        for name, pair in compared["scores"].items():
            screen.out.print(f"{name:24} {_number(pair[0]):>12} {_number(pair[1]):>12}")
        if compared["curve"]:
            screen.out.print(f"Curves: {compared['curve']}", soft_wrap=True)
        return 0
    rows = list_runs(folders[0] if folders else below)
    if screen.as_json:
        screen.emit({"runs": rows})
        return 0
    if not rows:
        screen.out.print(f"No tuning runs in {folders[0] if folders else below}. Begin with: trivium tune DATA")
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("run", "method", "data", "steps", "validation", "state", "started"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(
            str(row["run"]), str(row["method"]), str(row["data"]), str(row["steps"]), _number(row["validation"]),
            str(row["state"]), str(row["started"]),
        )  # fmt: skip
    screen.out.print(table)
    return 0


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "-" if value is None else str(value)
