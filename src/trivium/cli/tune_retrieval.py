"""`trivium tune embedder` and `trivium tune reranker`: a retriever tuned for one knowledge base, kept if it wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trivium.cli.options import Chat, Debug, Embedder, Json, Kb, open_kb, settings_of
from trivium.cli.progress import stages, training
from trivium.cli.screen import Screen

if TYPE_CHECKING:
    from trivium.tune.retrieval.plan import Plan, Role

Data = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILE]...", help="Questions with evidence in the knowledge base; queries with passages of their own."
    ),
]
Unlabelled = Annotated[
    bool, typer.Option("--unlabelled", help="Learn from headings and sentences of the knowledge base too.")
]
Write = Annotated[int, typer.Option("--write", metavar="N", min=0, help="Have the chat model write N questions too.")]
BaseModel = Annotated[
    str,
    typer.Option("--base", metavar="MODEL", help="An encoder's folder. Default: the knowledge base's, or embedded."),
]
MethodName = Annotated[str, typer.Option("--method", metavar="NAME", help="lora, full, or another that merges.")]
Setting = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the method: rank=16. Repeat it.")
]
Teach = Annotated[
    str,
    typer.Option("--teacher", metavar="WHO", help="late, a reranker's folder, or chat: the likelihood of the answer."),
]
Loss = Annotated[
    str,
    typer.Option("--loss", metavar="NAME", help="contrastive, margin, replug; of a reranker listwise, binary, margin."),
]
Dimensions = Annotated[
    list[int] | None,
    typer.Option("--dimensions", metavar="N", help="Train an embedder's shorter vectors too. Repeat it."),
]
Negatives = Annotated[int, typer.Option("--negatives", metavar="N", min=1, help="Hard negatives of each question.")]
Longest = Annotated[int, typer.Option("--longest", metavar="N", min=16, help="Tokens that are read.")]
Epochs = Annotated[float, typer.Option("--epochs", metavar="N", help="Times that each question is seen.")]
Steps = Annotated[int, typer.Option("--steps", metavar="N", min=0, help="Optimiser steps, instead of epochs.")]
Rate = Annotated[float, typer.Option("--rate", metavar="X", help="The highest learning rate. 0: the method's usual.")]
Batch = Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Questions of one step.")]
Minutes = Annotated[float, typer.Option("--minutes", metavar="M", help="The longest that training may take.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Another seed, another split and order.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Where the run is kept. Default: below runs/.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last good checkpoint.")]

_ABOUT: Mapping[Role, str] = {
    "embedder": "Tune the embedder to the knowledge base. It re-embeds it only if it finds more on held-out questions.",
    "reranker": "Tune a cross-encoder to the knowledge base. It is kept with it only if it wins on held-out questions.",
}


def register(group: typer.Typer) -> None:
    """Put this file's commands into the group `trivium tune`."""
    group.command("embedder", epilog="Example: trivium tune embedder questions.jsonl --kb handbook")(
        _command("embedder", longest=256, batch=16)
    )
    group.command("reranker", epilog="Example: trivium tune reranker questions.jsonl --kb handbook")(
        _command("reranker", longest=192, batch=8)
    )


def _command(role: Role, longest: int, batch: int) -> Callable[..., int]:
    """Return the command for a role: the two differ in what is tuned and in two defaults."""
    usual_longest, usual_batch = longest, batch

    def tune(
        ctx: typer.Context,
        data: Data = None,
        unlabelled: Unlabelled = False,
        write: Write = 0,
        base: BaseModel = "",
        method: MethodName = "lora",
        setting: Setting = None,
        loss: Loss = "",
        teacher: Teach = "",
        dimensions: Dimensions = None,
        negatives: Negatives = 4,
        longest: Longest = usual_longest,
        epochs: Epochs = 1.0,
        steps: Steps = 0,
        rate: Rate = 0.0,
        batch: Batch = usual_batch,
        minutes: Minutes = 0.0,
        seed: Seed = 0,
        out: Out = None,
        resume: Resume = False,
        chat: Chat = "",
        embedder: Embedder = "",
        kb: Kb = "",
        json: Json = False,
        debug: Debug = False,
    ) -> int:
        from trivium.tune.retrieval.plan import Plan

        how: dict[str, Any] = {"epochs": epochs, "steps": steps, "batch": batch, "seconds": minutes * 60}
        plan = Plan(
            data=", ".join(map(str, data or ())),
            base=base,
            method=method,
            settings=settings_of(setting),
            loss=loss,
            teacher=teacher,
            unlabelled=unlabelled,
            written=write,
            negatives=negatives,
            longest=longest,
            dimensions=tuple(dimensions or ()),
            training={**how, "rate": rate} if rate else how,
            seed=seed,
        )
        return _run(ctx.obj, role, plan, data or [], out, resume, {"chat": chat, "embedder": embedder, "kb": kb})

    tune.__doc__ = _ABOUT[role]
    return tune


def _run(
    screen: Screen, role: Role, plan: Plan, data: list[Path], out: Path | None, resume: bool, models: Mapping[str, str]
) -> int:
    """Read, train, and say what was decided, whichever way."""
    from trivium.evaluate.record import command_line, settings_name
    from trivium.tune.retrieval.material import read_given
    from trivium.tune.retrieval.plan import CHAT
    from trivium.tune.retrieval.run import tune_retriever

    given = read_given(data)  # before a model is fetched
    base = open_kb(
        screen, models["kb"], embedder=models["embedder"], chat=models["chat"],
        answers=bool(plan.written) or plan.teacher == CHAT,
    )  # fmt: skip
    folder = out or Path("runs") / f"tune-{role}-{settings_name({'plan': asdict(plan), 'kb': str(base.root)})}"
    with stages(screen) as tell:
        report = tune_retriever(
            role, base, plan, folder, given=given, chat=lambda: base.chat, on_stage=tell,
            watching=lambda: training(screen), resume=resume, command=command_line(),
        )  # fmt: skip
    if screen.as_json:
        screen.emit(report)
    else:
        _print(screen, report, folder)
    return 130 if report["stopped"] == "asked" else 0


def _print(screen: Screen, report: Mapping[str, Any], folder: Path) -> None:
    def say(line: str) -> None:
        screen.out.print(line, soft_wrap=True)

    left = ", ".join(f"{reason}: {count}" for reason, count in report["left_out"].items())
    say(f"Learnt from {report['samples']:,} questions{f' (left out: {left})' if left else ''}")
    best = report["best"]
    chosen = f", {best['measure']} {best['score']:.3f} at step {best['step']}" if best["score"] is not None else ""
    say(f"{report['steps']} steps in {report['seconds']:,.0f} s, loss {report['loss']:.3f}{chosen}")
    for name, value in report["validation"].items():
        short = name.removeprefix(f"{best['measure']}_")
        if short.isdigit():
            say(f"  the first {short} dimensions alone: {value:.3f}")
    if report["stopped"] == "asked":
        say(f"Stopped: nothing is decided yet. Go on with the same command, --out {folder} and --resume.")
        return
    say(f"Model: {report['model']}")
    decision = report["decision"]
    if decision is None:
        where = " in a new knowledge base" if report["task"] == "embedder" else ""
        say(f"No questions were given that could decide: nothing was adopted. Use it with --{report['task']}{where}.")
        return
    say(decision["said"])
    if decision["kept"]:
        say(f"The old vectors stay in {decision['kept']}: delete them when all is well.")
