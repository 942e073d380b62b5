"""`trivium data show|clean|split|augment`: training sets looked at, cleaned, divided and added to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from trivium.cli.options import Chat, Debug, Json
from trivium.cli.screen import Screen
from trivium.errors import UsageError

if TYPE_CHECKING:
    from trivium.tasks.training.values import Kind, Sample, TrainingSet
    from trivium.types import Example

File = Annotated[Path, typer.Argument(metavar="FILE", help="A training set of any known format, or its folder.")]
KindOf = Annotated[
    str, typer.Option("--kind", metavar="NAME", help="Read it as dialogue, text, pair, preference, labelled, ...")
]
Column = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="ROLE=NAME", help="Which column is which: text=tweet label=polarity. Repeat it."),
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The JSON Lines file to write.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Another seed, another choice.")]
_SHOWN = 160


def register(app: typer.Typer) -> None:
    """Put this file's commands on the command line."""
    group = typer.Typer(
        help="Look at a training set, clean it, split it, add to it.",
        epilog="Example: trivium data show train.json && trivium data split train.json --out parts/",
        no_args_is_help=True,
    )
    group.command("show", epilog="Example: trivium data show train.json --n 5")(show)
    group.command(
        "clean", epilog="Example: trivium data clean train.json --out clean.jsonl --near 0.8 --test test.json"
    )(clean)
    group.command("split", epilog="Example: trivium data split clean.jsonl train=0.9 test=0.1 --out parts/")(split)
    group.command("augment", epilog="Example: trivium data augment parts/train.jsonl --out more.jsonl --noise 0.05")(
        augment
    )
    app.add_typer(group, name="data")


def show(
    ctx: typer.Context,
    file: File,
    n: Annotated[int, typer.Option("--n", metavar="N", min=0, help="Samples to show.")] = 2,
    kind: KindOf = "",
    part: Annotated[str, typer.Option("--split", metavar="NAME", help="Of a folder that has several.")] = "",
    column: Column = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Show how a training set is read: its format, how long its samples are, its classes, what was wrong, samples."""
    from trivium.tasks.training.write import row_of

    screen: Screen = ctx.obj
    found = _read(file, kind, column, part)
    facts = {
        "kind": found.kind,
        "format": found.format,
        "report": dict(found.report),
        "characters": _lengths(found.samples),
        "groups": len({sample.group for sample in found.samples if sample.group}),
        "classes": _classes(found),
    }
    if screen.as_json:
        problems = [asdict(problem) for problem in found.problems]
        screen.emit({**facts, "problems": problems, "samples": [row_of(sample) for sample in found.samples[:n]]})
        return 0
    for name, value in facts.items():
        if value:
            screen.out.print(f"{name}: {_words(value)}", soft_wrap=True)
    for problem in found.problems[:10]:
        screen.say(f"{problem.where} {problem.what}", "yellow")
    if len(found.problems) > 10:
        screen.say(f"and {len(found.problems) - 10:,} more: --json lists all", "yellow")
    for sample in found.samples[:n]:
        _show_sample(screen, sample)
    return 0


def _read(file: Path, kind: str, column: Sequence[str] | None, part: str = "") -> TrainingSet:
    from trivium.tasks.training.read import read_training

    columns = {}
    for one in column or ():
        role, sign, name = one.partition("=")
        if not (sign and role and name):
            raise UsageError(f"The column {one!r} is not of the form ROLE=NAME.", "For example: --column text=tweet")
        columns[role] = name
    return read_training(file, kind=cast("Kind", kind) if kind else None, split=part, columns=columns or None)


def _lengths(samples: Sequence[Sample]) -> dict[str, int]:
    """Return the median, the 95th percentile and the greatest length of input and output, in characters."""
    from trivium.tasks.training.parts import asked, said

    lengths = sorted(len(asked(sample)) + len(said(sample)) for sample in samples)
    last = len(lengths) - 1
    return {"median": lengths[last // 2], "95%": lengths[int(0.95 * last)], "longest": lengths[last]}


def _classes(found: TrainingSet) -> dict[str, int]:
    from trivium.tasks.training.divide import balance

    try:
        return dict(balance(found).counts)
    except UsageError:  # the samples have none
        return {}


def _words(value: object) -> str:
    if not isinstance(value, Mapping):
        return f"{value:,}" if isinstance(value, int) else str(value)
    words = [f"{name} {number:,}" for name, number in list(value.items())[:20]]
    return ", ".join(words) + (f", and {len(value) - 20} more" if len(value) > 20 else "")


def _show_sample(screen: Screen, sample: Sample) -> None:
    """Print a sample: its id, and each of its fields, what is trained in green."""
    from rich.text import Text

    from trivium.tasks.training.values import Dialogue
    from trivium.tasks.training.write import row_of

    screen.out.print()
    screen.out.print(Text(sample.id, style="bold cyan"), soft_wrap=True)
    if isinstance(sample, Dialogue):
        for turn in sample.messages:
            style = "green" if turn.trained else ""
            screen.out.print(
                Text.assemble((f"  {turn.role}: ", "bold"), (_short(turn.content or turn.calls), style)), soft_wrap=True
            )
        return
    for name, value in row_of(sample).items():
        if name not in ("id", "group"):
            screen.out.print(Text.assemble((f"  {name}: ", "bold"), _short(value)), soft_wrap=True)


def _short(value: object) -> str:
    if isinstance(value, list | tuple):
        text = " | ".join(map(str, value))
    elif isinstance(value, Mapping):
        text = "; ".join(f"{name} {_short(one)}" for name, one in value.items())
    else:
        text = str(value)
    words = " ".join(text.split())
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"


def clean(
    ctx: typer.Context,
    file: File,
    out: Out,
    near: Annotated[
        float | None, typer.Option("--near", metavar="S", help="Drop what is as similar as this to an earlier sample.")
    ] = None,
    shortest: Annotated[int, typer.Option("--shortest", metavar="N", min=0, help="Characters at least.")] = 0,
    longest: Annotated[int | None, typer.Option("--longest", metavar="N", min=1, help="Characters at most.")] = None,
    language: Annotated[
        list[str] | None, typer.Option("--language", metavar="CODE", help="en, zh, ...: the wanted ones. Repeat it.")
    ] = None,
    test: Annotated[
        list[Path] | None, typer.Option("--test", metavar="FILE", help="Drop what this set holds. Repeat it.")
    ] = None,
    contradictions: Annotated[
        bool, typer.Option("--contradictions", help="Drop inputs that stand under several labels.")
    ] = False,
    kind: KindOf = "",
    column: Column = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Leave out repetitions, empty and overlong samples, other languages, and what a test set holds."""
    from trivium.tasks.training.clean import clean as clean_set
    from trivium.tasks.training.write import write_training

    screen: Screen = ctx.obj
    given = _read(file, kind, column)
    others = [one for path in test or () for one in _test_rows(path)]
    cleaned = clean_set(
        given,
        near=near,
        contradictions=contradictions,
        shortest=shortest,
        longest=longest,
        languages=language or (),
        test=others,
    )
    write_training(out, cleaned)
    return _report(screen, given, cleaned, out)


def _test_rows(path: Path) -> list[Sample | Example]:
    """Return the rows of a test set, be it a question set or a training set."""
    from trivium.tasks.questions import read_questions
    from trivium.tasks.training.read import read_training

    found: list[Sample | Example] = []
    failed: UsageError | None = None
    try:
        found += read_questions(path).examples
    except UsageError as error:
        failed = error
    try:
        found += read_training(path).samples
    except UsageError as error:
        failed = error
    if not found and failed is not None:
        raise failed
    return found


def _report(screen: Screen, before: TrainingSet, after: TrainingSet, out: Path) -> int:
    problems = after.problems[len(before.problems) :]
    if screen.as_json:
        screen.emit(
            {
                "path": str(out),
                "before": len(before.samples),
                "samples": len(after.samples),
                "report": dict(after.report),
                "problems": [asdict(problem) for problem in problems],
            }
        )
        return 0
    for problem in problems[:10]:
        screen.say(f"{problem.kind}: {problem.where} {problem.what}", "yellow")
    if len(problems) > 10:
        screen.say(f"and {len(problems) - 10:,} more: --json lists all", "yellow")
    counts = {name: number for name, number in after.report.items() if name not in ("rows", "samples")}
    if counts:
        screen.out.print(_words(counts), soft_wrap=True)
    was, now = len(before.samples), len(after.samples)
    words = f"{now:,} samples, {now - was:,} of them new" if now > was else f"{now:,} of {was:,} samples"
    screen.out.print(f"{words}: {out}", soft_wrap=True)
    return 0


def split(
    ctx: typer.Context,
    file: File,
    parts: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=SHARE", help="Default: train=0.8 validation=0.1 test=0.1.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Default: the file's folder.")] = None,
    resample: Annotated[
        str, typer.Option("--resample", metavar="HOW", help="over or under: even out the classes of the train part.")
    ] = "",
    seed: Seed = 0,
    kind: KindOf = "",
    column: Column = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Split a training set: no group and no input is on two sides, and each part has the classes in proportion."""
    from trivium.cli.questions import shares_of
    from trivium.tasks.training import divide as division
    from trivium.tasks.training.write import write_training

    screen: Screen = ctx.obj
    given = _read(file, kind, column)
    shares = shares_of(parts) if parts else division.SHARES
    done = division.divide(given, shares, seed=seed)
    folder = out or (file if file.is_dir() else file.parent)
    rows = {}
    for name, part in done.parts.items():
        if resample and name == "train":
            part = division.resample(part, resample, seed=seed)
        path = folder / f"{part.name}.jsonl"
        size = done.sizes[name]
        rows[name] = {"path": str(path), "samples": write_training(path, part), "groups": size.documents}
        rows[name] |= {"share": size.share, "wanted": size.wanted, "classes": _classes(part)}
    if screen.as_json:
        screen.emit({"parts": rows})
        return 0
    for name, row in rows.items():
        groups = f" of {row['groups']:,} groups" if row["groups"] else ""
        share = f"({row['share']:.1%}, wanted {row['wanted']:.1%})"
        screen.out.print(f"{name}: {row['samples']:,} samples{groups} {share}: {row['path']}", soft_wrap=True)
        if row["classes"]:
            screen.out.print(f"    {_words(row['classes'])}", soft_wrap=True)
    return 0


def augment(
    ctx: typer.Context,
    file: File,
    out: Out,
    synonyms: Annotated[
        Path | None, typer.Option("--synonyms", metavar="FILE", help="A line for each group: fast, quick, rapid.")
    ] = None,
    noise: Annotated[
        float | None, typer.Option("--noise", metavar="RATE", help="Slips of the keyboard, by share of letters.")
    ] = None,
    paraphrase: Annotated[bool, typer.Option("--paraphrase", help="The chat model says it in other words.")] = False,
    back_translate: Annotated[
        str,
        typer.Option(
            "--back-translate", metavar="LANGUAGE", help="The chat model translates there and back: German, French, ..."
        ),
    ] = "",
    copies: Annotated[int, typer.Option("--copies", metavar="N", min=1, help="Of each sample.")] = 1,
    seed: Seed = 0,
    chat: Chat = "",
    kind: KindOf = "",
    column: Column = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Add copies of samples with other words in what they ask; what they teach stays. For the training part alone."""
    from trivium.tasks.training import augment as by_rule
    from trivium.tasks.training import rephrase
    from trivium.tasks.training.write import write_training

    screen: Screen = ctx.obj
    if sum((synonyms is not None, noise is not None, paraphrase, bool(back_translate))) != 1:
        raise UsageError(
            "One way of adding samples is wanted.", "Give --synonyms, --noise, --paraphrase or --back-translate."
        )
    given = _read(file, kind, column)
    if synonyms is not None:
        found = by_rule.synonyms(given, by_rule.read_synonyms(synonyms), copies=copies, seed=seed)
    elif noise is not None:
        found = by_rule.noise(given, rate=noise, copies=copies, seed=seed)
    else:
        from trivium.cli.progress import fetch_defaults
        from trivium.models.chat import open_chat
        from trivium.models.embed import open_embedder

        if not chat:
            screen.say(
                "The embedded chat model is too small to rephrase well: name a larger one with --chat.", "yellow"
            )
        fetch_defaults(screen, ["embedding", *([] if chat else ["chat"])])
        model, meaning = open_chat(chat or None), open_embedder()
        if paraphrase:
            found = rephrase.paraphrase(given, model, copies=copies, embedder=meaning, seed=seed)
        else:
            warmth = 0.7 if copies > 1 else 0.0
            found = rephrase.back_translate(
                given,
                model,
                via=back_translate,
                copies=copies,
                embedder=meaning,
                seed=seed,
                temperature=warmth,
            )
    write_training(out, found)
    return _report(screen, given, found, out)
