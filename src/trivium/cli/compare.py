"""`trivium compare` measures every road on the user's questions; `trivium advise` says what to do next, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trivium.cli.options import Chat, Debug, Embedder, Json, Kb, Principals, Reranker, names, open_kb, place
from trivium.cli.screen import Screen
from trivium.errors import UsageError

if TYPE_CHECKING:
    from trivium.advise.budget import Budget, Plan
    from trivium.advise.prepare import Job
    from trivium.advise.prices import Prices
    from trivium.advise.values import Comparison, Decision, Needs
    from trivium.api import KnowledgeBase
    from trivium.models import base as models
    from trivium.tasks.questions import QuestionSet

Questions = Annotated[Path, typer.Argument(metavar="QUESTIONS", help="A question set, as for `trivium evaluate`.")]
Arms = Annotated[
    str,
    typer.Option(
        "--arms",
        metavar="NAMES",
        help="What is compared, with commas: closed_book, instructed, few_shot, few_shot_nearest, chain_of_thought, "
        "retrieve_only, a pattern, PATTERN+tuned, PATTERN+raft, PATTERN+grounded, PATTERN+ADAPTER, a system as for "
        "`trivium evaluate --system`. Default: every road that can be taken.",
    ),
]
Train = Annotated[
    str, typer.Option("--train", metavar="DATA", help="Tune on this, as for `trivium tune`, and compare that too.")
]
Tune = Annotated[bool, typer.Option("--tune", help="Tune on the training part of the questions, and compare that too.")]
AdapterOption = Annotated[
    list[str] | None,
    typer.Option("--adapter", metavar="NAME=PLACE", help="An adapter made earlier; several times for several."),
]
Needed = Annotated[
    list[str] | None,
    typer.Option("--need", metavar="KEY=VALUE", help="What you need: fresh=true, seconds=2, sources=true, …"),
]
NeedsFile = Annotated[Path | None, typer.Option("--needs", metavar="FILE", help="The same as a JSON file.")]

Instructions = Annotated[str, typer.Option("--instructions", metavar="TEXT", help="What the instructed arms are told.")]
Metric = Annotated[str, typer.Option("--metric", metavar="NAME", help="That set-ups are ranked by: correct, f1, …")]
Shares = Annotated[str, typer.Option("--shares", metavar="A,B,C", help="Of training, validation and test questions.")]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Use so many questions.")]
MaxTokens = Annotated[
    int, typer.Option("--max-tokens", metavar="N", help="Of an answer without passages. 0: as the answers need.")
]
K = Annotated[int | None, typer.Option("--k", metavar="N", min=1, help="Passages to retrieve.")]
Method = Annotated[str, typer.Option("--method", metavar="NAME", help="Of tuning, as for `trivium tune`.")]
Epochs = Annotated[float, typer.Option("--epochs", metavar="X", help="Of tuning.")]
Rate = Annotated[float, typer.Option("--rate", metavar="X", help="The learning rate of tuning.")]
Minutes = Annotated[float, typer.Option("--minutes", metavar="M", help="The longest that one tuning may take.")]
Amount = Annotated[
    str, typer.Option("--budget", metavar="AMOUNT", help="2h, 30m or 5usd: planned before the start, and kept.")
]
PriceTable = Annotated[
    Path | None, typer.Option("--prices", metavar="FILE", help="What tokens and machine time cost (JSON).")
]
Language = Annotated[str, typer.Option("--language", metavar="CODE", help="Of the questions: en, zh.")]
Corpus = Annotated[Path | None, typer.Option("--corpus", metavar="PATH", help="Passages published apart.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Where it is kept. Default: one below runs/.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Of every draw.")]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Requests at once, to an endpoint.")]


Trying = Annotated[
    bool,
    typer.Option("--trials/--no-trials", help="Try the cheap next steps on validation, so that advice has figures."),
]


def register(app: typer.Typer) -> None:
    """Put this file's commands on the command line."""
    app.command("compare", epilog="Example: trivium compare questions.jsonl --kb handbook --tune --budget 1h")(compare)
    app.command("advise", epilog="Example: trivium advise runs/compare-handbook-1f2e3d4c --need sources=true")(advise)


def compare(
    ctx: typer.Context,
    questions: Questions,
    arms: Arms = "",
    train: Train = "",
    tune: Tune = False,
    adapter: AdapterOption = None,
    instructions: Instructions = "",
    metric: Metric = "",
    shares: Shares = "",
    limit: Limit = None,
    max_tokens: MaxTokens = 0,
    k: K = None,
    method: Method = "lora",
    epochs: Epochs = 3.0,
    rate: Rate = 5e-4,
    minutes: Minutes = 15.0,
    trying: Trying = True,
    budget: Amount = "",
    prices: PriceTable = None,
    need: Needed = None,
    needs: NeedsFile = None,
    language: Language = "",
    corpus: Corpus = None,
    out: Out = None,
    seed: Seed = 0,
    workers: Workers = 4,
    principals: Principals = "",
    chat: Chat = "",
    embedder: Embedder = "",
    reranker: Reranker = "",
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Compare the roads on your questions: prompt, ground, tune, both. Run it again to go on where it stopped."""
    from trivium.advise.decide import decide
    from trivium.advise.measure import compare as run
    from trivium.advise.parts import SHARES
    from trivium.advise.prices import Prices, read_prices
    from trivium.advise.train import Tuning
    from trivium.cli.progress import stages
    from trivium.evaluate.record import command_line
    from trivium.evaluate.summary import RIGHT
    from trivium.models.chat import split_spec
    from trivium.tasks.questions import read_questions

    screen: Screen = ctx.obj
    wanted_needs = read_needs(need, needs)
    table = read_prices(prices) if prices else Prices()
    spent = budget_of(budget, table)
    read = read_questions(questions, language=language, corpus=corpus)
    base = _base(screen, kb, chat, embedder, reranker)
    job = job_of(
        screen, read, questions, base, arms=names(arms), chat=chat, embedder=embedder,
        adapters=split_spec("+".join(["", *(adapter or [])]))[1],
        tuning=Tuning(method=method, epochs=epochs, rate=rate, minutes=minutes, data=train), tune=tune,
        instructions=instructions, max_tokens=max_tokens, k=k, principals=names(principals) or None, prices=table,
        parallel=_parallel(chat, workers), shares=shares_of(shares) if shares else SHARES, limit=limit,
        folder=out, seed=seed,
    )  # fmt: skip
    with stages(screen) as show:
        if spent is not None:
            job = _planned(screen, job, spent, show, seed)
        comparison = run(
            job.arms, job.bench, job.parts, job.folder, name=read.name, metric=metric or RIGHT, tuning=job.tuning,
            budget=spent,
            trying=trying, seed=seed, command=command_line(), tell=lambda at: show(at.what, at.done, at.total or 1),
            given={"questions_file": str(questions), "kb": str(base.root) if base else "", "train": train},
        )  # fmt: skip
    _finish(screen, comparison, decide(comparison, wanted_needs), job.folder)
    return 1 if any(arm.error for arm in comparison.arms) else 0


def advise(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a comparison.")],
    need: Needed = None,
    needs: NeedsFile = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Say which road to take and what to do next, from what a comparison measured. Nothing is run."""
    from trivium.advise.decide import decide
    from trivium.advise.page import write_page
    from trivium.advise.report import decision_json, show_advice
    from trivium.advise.store import load

    screen: Screen = ctx.obj
    comparison = load(run)
    decision = decide(comparison, read_needs(need, needs))
    write_page(comparison, decision, run)
    if screen.as_json:
        screen.emit(decision_json(comparison, decision))
    else:
        show_advice(comparison, decision, screen.out)
    return 0


def job_of(
    screen: Screen, read: QuestionSet, path: Path, base: Any, *, chat: str, embedder: str = "", **given: Any
) -> Job:
    """Prepare the job (`trivium.advise.prepare` has the rest of the arguments), and say how the questions divide."""
    from trivium.advise.prepare import prepare
    from trivium.tasks.questions import count_problems

    for kind, count in count_problems(read.problems).items():
        screen.say(f"{count:,} x {kind}", style="yellow")
    name = path.resolve().parent.name if read.name in ("questions", "test", "dev") else read.name
    job = prepare(
        read.examples, name=name, chat=chat, index=base, embedder=lambda: _embedder(base, embedder),
        reranker=base.reranker if base else None, **given,
    )  # fmt: skip
    parts = job.parts
    screen.say(
        f"{len(parts.test):,} test questions; of other documents {len(parts.train):,} to learn from and "
        f"{len(parts.validation):,} to choose by"
    )
    if parts.leaked:
        screen.say(f"{len(parts.leaked):,} of these repeat a test question and are left out.", style="yellow")
    screen.say("Arms: " + ", ".join(arm.name for arm in job.arms))
    return job


def _planned(screen: Screen, job: Job, budget: Budget, show: Any, seed: int) -> Job:
    """Probe the arms, print the plan, and return the job that fits."""
    from trivium.advise.budget import plan
    from trivium.advise.measure import solved
    from trivium.advise.prepare import fewer

    told = list(job.arms)
    found = plan(
        job.arms, job.bench, job.parts, solved(job.parts.train), budget, epochs=job.tuning.epochs,
        most_training=job.tuning.minutes * 60,
        tell=lambda name: show("Probing", [arm.name for arm in told].index(name), len(told)),
    )  # fmt: skip
    show("Probing", len(told), len(told))
    _print_plan(screen, found, len(job.parts.test), job.bench.prices.currency)
    return fewer(job, [one.arm for one in found.arms], found.questions, seed)


def _print_plan(screen: Screen, plan: Plan, questions: int, currency: str) -> None:
    from trivium.advise.words import amount
    from trivium.advise.words import seconds as spoken

    screen.say(f"The plan: {plan.questions:,} of {questions:,} test questions, about {spoken(plan.seconds)}")
    for one in plan.arms:
        parts = [spoken(one.seconds)]
        parts += [f"{spoken(one.training)} of tuning"] if one.training else []
        parts += [amount(one.cost, currency)] if one.cost is not None else []
        screen.say(f"  {one.arm.name}: {', '.join(parts) if not one.error else one.error}")
    for one in plan.left_out:
        screen.say(f"  {one.arm.name}: left out, it does not fit the budget ({spoken(one.seconds)})", style="yellow")


def budget_of(words: str, prices: Prices) -> Budget | None:
    """Return the budget that `--budget` names; None where it names none."""
    from trivium.advise.budget import read_budget

    if not words:
        return None
    found = read_budget(words, prices.currency)
    if found.money is not None and not prices.models and prices.machine_hour is None:
        raise UsageError("A budget of money needs prices.", "Give them with --prices FILE, or a budget of time.")
    return found


def shares_of(words: str) -> dict[str, float]:
    """Return the shares that `--shares` names."""
    try:
        train, validation, test = (float(word) for word in words.split(","))
    except ValueError:
        raise UsageError(f"--shares {words} names no three shares.", "For example: --shares 0.25,0.15,0.6") from None
    return {"train": train, "validation": validation, "test": test}


def _base(screen: Screen, kb: str, chat: str, embedder: str, reranker: str) -> KnowledgeBase | None:
    """Open the knowledge base where one is named or stands here; fetch the embedded models that are needed."""
    from trivium.cli.progress import fetch_defaults

    if kb or screen.kb or Path(place(screen, kb)).is_dir():
        return open_kb(screen, kb, embedder=embedder, chat=chat, reranker=reranker, answers=True)
    if not chat:
        fetch_defaults(screen, ["chat"])
    return None


def _embedder(base: KnowledgeBase | None, spec: str) -> models.Embedder:
    """Return the knowledge base's embedder, or, without one, that which is named: it chooses examples."""
    from trivium.models.embed import open_embedder

    return base.embedder if base is not None else open_embedder(spec or None)


def _parallel(chat: str, workers: int) -> int:
    """Return how many requests go at once: to a model that runs here one, so that its seconds are its own."""
    return workers if chat.startswith(("http://", "https://")) else 1


def _finish(screen: Screen, comparison: Comparison, decision: Decision, folder: Path) -> None:
    """Write the page, and show what came of the comparison."""
    from trivium.advise.page import write_page
    from trivium.advise.report import report_json, show

    page = write_page(comparison, decision, folder)
    if screen.as_json:
        screen.emit(report_json(comparison, decision))
        return
    show(comparison, decision, screen.out)
    screen.out.print(f"\nReport: {page}", soft_wrap=True)


def read_needs(flags: Sequence[str] | None, file: Path | None) -> Needs:
    """Return the needs that a file and flags state; a flag comes before the file.

    Raises:
        UsageError: one is not known, or its value is not of its kind.
    """
    from trivium.advise.needs import needs_of
    from trivium.cli.options import settings_of
    from trivium.index.durable import read_json

    if file is not None and not file.is_file():
        raise UsageError(f"There is no file {file}.", 'Write it like {"fresh": true, "seconds": 2}.')
    return needs_of({**(read_json(file) if file else {}), **settings_of(flags)})
