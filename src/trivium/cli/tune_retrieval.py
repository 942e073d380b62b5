"""`trivium tune embedder` and `trivium tune reranker`: a retriever tuned for one knowledge base, kept if it wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trivium.cli.options import Chat, Debug, Embedder, Json, Kb, open_kb, settings_of
from trivium.cli.progress import training
from trivium.cli.screen import Screen
from trivium.errors import UsageError

if TYPE_CHECKING:
    from trivium.api import KnowledgeBase
    from trivium.tasks.training.values import Retrieval
    from trivium.tune.retrieval.run import Plan, Tuned
    from trivium.tune.retrieval.teacher import Teacher
    from trivium.types import Example

Questions = Annotated[
    Path | None,
    typer.Argument(metavar="[QUESTIONS]", help="Questions with evidence in the knowledge base, or training samples."),
]
BaseModel = Annotated[str, typer.Option("--base", metavar="MODEL", help="An encoder's folder. Default: embedded.")]
MethodName = Annotated[str, typer.Option("--method", metavar="NAME", help="lora, full, or another that merges.")]
Setting = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the method: rank=16. Repeat it.")
]
Teach = Annotated[
    str, typer.Option("--teacher", metavar="WHO", help="A reranker's folder, or `chat`: the model's own likelihood.")
]
Negatives = Annotated[int, typer.Option("--negatives", metavar="N", min=1, help="Hard negatives of each question.")]
Longest = Annotated[int, typer.Option("--longest", metavar="N", min=16, help="Tokens that are read.")]
Epochs = Annotated[float, typer.Option("--epochs", metavar="N", help="Times that each question is seen.")]
Rate = Annotated[float, typer.Option("--rate", metavar="X", help="The highest learning rate. 0: the method's usual.")]
Batch = Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Questions of one step.")]
Minutes = Annotated[float, typer.Option("--minutes", metavar="M", help="The longest that training may take.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Another seed, another split and order.")]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the run is kept.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last good checkpoint.")]


def tune_embedder(
    ctx: typer.Context,
    questions: Questions = None,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Learn from headings and sentences of the knowledge base.")
    ] = False,
    written: Annotated[
        int, typer.Option("--written", metavar="N", help="Learn from N questions that the chat model writes.")
    ] = 0,
    base: BaseModel = "",
    method: MethodName = "lora",
    setting: Setting = None,
    loss: Annotated[str, typer.Option("--loss", metavar="NAME", help="contrastive, margin or replug.")] = "",
    teacher: Teach = "",
    dimensions: Annotated[
        list[int] | None, typer.Option("--dimensions", metavar="N", help="Also train shorter vectors. Repeat it.")
    ] = None,
    negatives: Negatives = 4,
    longest: Longest = 256,
    epochs: Epochs = 1.0,
    rate: Rate = 0.0,
    batch: Batch = 16,
    minutes: Minutes = 0.0,
    seed: Seed = 0,
    out: Out = Path("runs/embedder"),
    resume: Resume = False,
    chat: Chat = "",
    embedder: Embedder = "",
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Tune the embedder to the knowledge base. It becomes its default only if it finds more on held-out questions."""
    from trivium.tune.retrieval.run import Plan
    from trivium.tune.retrieval.run import tune_embedder as carry_out

    screen: Screen = ctx.obj
    open_base = open_kb(screen, kb, embedder=embedder, chat=chat, answers=bool(written) or teacher == "chat")
    examples, samples = _material(questions)
    if unlabelled:
        samples += _unlabelled(open_base, seed)
    if written:
        samples += _written(screen, open_base, examples, written, seed)
    wanted = loss or ("margin" if teacher and teacher != "chat" else "replug" if teacher else "")
    plan = Plan(
        base, method, settings_of(setting), wanted, negatives, longest, tuple(dimensions or ()),
        _training(epochs, rate, batch, minutes), seed=seed,
    )  # fmt: skip
    judge = _teacher(teacher, open_base, examples)
    return _run(screen, carry_out, open_base, out, examples, plan, samples, judge, resume)


def tune_reranker(
    ctx: typer.Context,
    questions: Questions = None,
    base: BaseModel = "",
    method: MethodName = "lora",
    setting: Setting = None,
    loss: Annotated[str, typer.Option("--loss", metavar="NAME", help="listwise, binary or margin.")] = "",
    teacher: Teach = "",
    negatives: Negatives = 4,
    longest: Longest = 192,
    epochs: Epochs = 1.0,
    rate: Rate = 0.0,
    batch: Batch = 8,
    minutes: Minutes = 0.0,
    seed: Seed = 0,
    out: Out = Path("runs/reranker"),
    resume: Resume = False,
    chat: Chat = "",
    embedder: Embedder = "",
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Tune a cross-encoder to the knowledge base. It is kept with it only if it wins on held-out questions."""
    from trivium.tune.retrieval.run import Plan
    from trivium.tune.retrieval.run import tune_reranker as carry_out

    screen: Screen = ctx.obj
    open_base = open_kb(screen, kb, embedder=embedder, chat=chat, answers=teacher == "chat")
    examples, samples = _material(questions)
    plan = Plan(
        base, method, settings_of(setting), loss or ("margin" if teacher else ""), negatives, longest, (),
        _training(epochs, rate, batch, minutes), seed=seed,
    )  # fmt: skip
    judge = _teacher(teacher, open_base, examples)
    return _run(screen, carry_out, open_base, out, examples, plan, samples, judge, resume)


def _run(
    screen: Screen,
    carry_out: Callable[..., Tuned],
    base: KnowledgeBase,
    out: Path,
    examples: list[Example],
    plan: Plan,
    samples: list[Retrieval],
    teacher: Teacher | None,
    resume: bool,
) -> int:
    """Train, and say what was decided, whichever way."""
    with training(screen) as (show, stop):
        found = carry_out(
            base, out, examples, plan, samples=samples, teacher=teacher, on_progress=show, stop=stop, resume=resume
        )
    decision = found.decision
    said = str(decision) if decision else "No questions with evidence were given, so nothing was decided or adopted."
    if screen.as_json:
        gain = [decision.gain.mean, decision.gain.low, decision.gain.high] if decision else None
        screen.emit(
            {
                "model": str(found.folder),
                "samples": found.samples,
                "steps": found.trained.steps,
                "seconds": found.trained.seconds,
                "validation": found.trained.best,
                "before": decision.before.mean if decision else None,
                "after": decision.after.mean if decision else None,
                "gain": gain,
                "adopted": bool(decision and decision.adopted),
            }
        )
    else:
        screen.out.print(
            f"{found.samples} questions, {found.trained.steps} steps in {found.trained.seconds:,.0f} s. {said}",
            soft_wrap=True,
        )
        screen.out.print(f"Model: {found.folder}", soft_wrap=True)
        if decision and decision.kept:
            screen.out.print(f"The old vectors stay in {decision.kept}: delete them when all is well.", soft_wrap=True)
    return 130 if found.trained.stopped == "asked" else 0


def _material(file: Path | None) -> tuple[list[Example], list[Retrieval]]:
    """Return the questions of a question set, or the samples of a training set."""
    from trivium.tasks.questions import read_questions
    from trivium.tasks.training.read import read_training
    from trivium.tasks.training.values import Retrieval

    if file is None:
        return [], []
    try:
        given = read_training(file, kind="retrieval")
        samples = [one for one in given.samples if isinstance(one, Retrieval)]
        if samples:
            return [], samples
    except UsageError:
        pass  # it is no training set: it may be a question set
    return list(read_questions(file).examples), []


def _unlabelled(base: KnowledgeBase, seed: int) -> list[Retrieval]:
    from trivium.tune.retrieval.run import finder
    from trivium.tune.retrieval.unlabelled import passages_of, with_negatives, without_labels

    return with_negatives(without_labels(passages_of(base), most=2_000, seed=seed), finder(base))


def _written(screen: Screen, base: KnowledgeBase, examples: list[Example], count: int, seed: int) -> list[Retrieval]:
    from trivium.tune.retrieval.promptagator import MOST_SHOWN, write_samples
    from trivium.tune.retrieval.run import finder
    from trivium.tune.retrieval.unlabelled import passages_of, with_negatives

    shown = [(example.evidence[0].text, example.question) for example in examples if example.evidence][:MOST_SHOWN]
    if not shown:
        raise UsageError(
            "The chat model needs to see what a question is like.",
            "Give a file of questions with evidence: up to eight of them are shown to it.",
        )
    made = write_samples(
        base.chat,
        passages_of(base),
        shown,
        find=lambda question, k: [hit.chunk.id for hit in base.search(question, k=k)],
        count=count,
        seed=seed,
    )
    screen.say(f"{len(made.samples)} questions written for {made.tried} passages, dropped: {dict(made.dropped)}")
    return with_negatives(made.samples, finder(base))


def _teacher(spec: str, base: KnowledgeBase, examples: list[Example]) -> Teacher | None:
    from trivium.tune.retrieval.teacher import by_likelihood, by_reranker

    if not spec:
        return None
    if spec == "chat":
        chat: Any = base.chat
        if not hasattr(chat, "score"):
            raise UsageError(
                f"{chat.name} does not say how likely an answer is.",
                "Give a model folder that Transformers runs with --chat, or a reranker as --teacher.",
            )
        return by_likelihood(chat, {example.id: example.answers for example in examples})
    from trivium.models.rerank import open_reranker

    reranker = open_reranker(spec)
    if reranker is None:
        raise UsageError(f"There is no reranker {spec!r}.", "Give a cross-encoder's folder.")
    return by_reranker(reranker)


def _training(epochs: float, rate: float, batch: int, minutes: float) -> dict[str, Any]:
    given = {"epochs": epochs, "batch": batch, "seconds": minutes * 60}
    return {**given, "rate": rate} if rate else given
