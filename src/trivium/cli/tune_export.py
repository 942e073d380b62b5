"""`trivium tune export`, `quantise` and `distil`: a tuned model leaves the tuning room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trivium.cli.options import Debug, Json
from trivium.cli.progress import training as watched
from trivium.cli.screen import Screen
from trivium.errors import UsageError

Texts = Annotated[
    Path | None,
    typer.Option("--texts", metavar="FILE", help="Texts, one a line, to compare on. Default: five of our own."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Another seed, another order.")]


def register(group: typer.Typer) -> None:
    """Put this file's commands into the group `tune`."""
    group.command("export", epilog="Example: trivium tune export runs/law --to gguf --out law.gguf")(export)
    group.command("quantise", epilog="Example: trivium tune quantise law/ --to int8 --to nf4")(quantise)
    group.command("distil", epilog="Example: trivium tune distil train.jsonl --teacher runs/law")(distil)


def export(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run, an adapter or a model folder.")],
    to: Annotated[str, typer.Option("--to", metavar="FORM", help="gguf, gguf-adapter, merged, onnx or peft.")],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="The file or folder to write.")],
    base: Annotated[
        str, typer.Option("--base", metavar="MODEL", help="What the adapter was tuned from, where no run says so.")
    ] = "",
    precision: Annotated[
        str, typer.Option("--precision", metavar="NAME", help="Of a GGUF file: q8_0 or f16.")
    ] = "q8_0",
    like: Annotated[
        Path | None, typer.Option("--like", metavar="FILE", help="A GGUF file with the model's vocabulary.")
    ] = None,
    texts: Texts = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Write a tuned model in another form, and compare that with what was tuned."""
    screen: Screen = ctx.obj
    from trivium.tune.export.targets import Options
    from trivium.tune.export.targets import export as write

    given = Options(base, precision, like, _lines(texts))
    made = write(run, to, out, given)
    if screen.as_json:
        screen.emit({"form": made.form, "path": str(made.path), "bytes": made.bytes, "checks": dict(made.checks)})
        return 0
    screen.out.print(f"Wrote {made.path}: {made.bytes / 1e6:.1f} MB.", soft_wrap=True)
    for name, value in made.checks.items():
        screen.out.print(f"  {name.replace('_', ' ')}: {_number(value)}")
    return 0


def quantise(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="FOLDER", help="A Transformers model folder.")],
    to: Annotated[
        list[str] | None, typer.Option("--to", metavar="KIND", help="int8 or nf4. Repeat it. Default: both.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Write the NF4 model here (chat models).")
    ] = None,
    texts: Texts = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Compare a model in fewer bits with itself in float32: size, speed and agreement on texts."""
    from dataclasses import asdict

    from trivium.extras import need

    screen: Screen = ctx.obj
    need("torch", extra="tune")
    from trivium.tune.export.quantise import compare_folder, save_nf4, table

    rows = compare_folder(model, texts=_lines(texts), kinds=tuple(to or ()))
    written = save_nf4(model, out) if out is not None else None
    if screen.as_json:
        screen.emit({"rows": [asdict(row) for row in rows], "path": str(written) if written else None})
        return 0
    screen.out.print(table(rows))
    if written:
        screen.out.print(f"Wrote {written}.", soft_wrap=True)
    return 0


def distil(
    ctx: typer.Context,
    data: Annotated[str, typer.Argument(metavar="DATA", help="Dialogues, plain text, or labelled texts.")],
    teacher: Annotated[
        str, typer.Option("--teacher", metavar="MODEL", help="A run, a folder, a GGUF file, a name. Default: embedded.")
    ] = "",
    student: Annotated[
        str, typer.Option("--student", metavar="MODEL", help="A smaller model. Default: layers of the teacher.")
    ] = "",
    layers: Annotated[
        int, typer.Option("--layers", metavar="N", help="Of the teacher, for the student. 0: half of them.")
    ] = 0,
    level: Annotated[
        str, typer.Option("--level", metavar="NAME", help="logits, or sequence: learn what the teacher says.")
    ] = "logits",
    method: Annotated[str, typer.Option("--method", metavar="NAME", help="full, or another that merges.")] = "full",
    temperature: Annotated[float, typer.Option("--temperature", metavar="T", help="Softens both.")] = 2.0,
    weight: Annotated[float, typer.Option("--weight", metavar="X", help="Of the teacher against the labels.")] = 0.7,
    written: Annotated[int, typer.Option("--written", metavar="N", help="Tokens that the teacher may write.")] = 128,
    epochs: Annotated[float, typer.Option("--epochs", metavar="N", help="Times that each sample is seen.")] = 1.0,
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="Optimiser steps, instead of epochs.")] = 0,
    rate: Annotated[float, typer.Option("--rate", metavar="X", help="The highest learning rate.")] = 2e-4,
    batch: Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Samples of one step.")] = 16,
    longest: Annotated[int, typer.Option("--longest", metavar="N", min=8, help="Tokens of a sample.")] = 512,
    tokens: Annotated[int, typer.Option("--tokens", metavar="N", min=8, help="Tokens computed at once.")] = 2048,
    minutes: Annotated[float, typer.Option("--minutes", metavar="M", help="The longest that training may take.")] = 0.0,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where it is kept.")] = Path("runs/distilled"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last good checkpoint.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Distil a chat model or a classifier into a smaller one, and compare both in size, speed and quality."""
    from trivium.extras import need

    screen: Screen = ctx.obj
    need("torch", extra="tune")
    from trivium.tune.export.distil import How, table
    from trivium.tune.export.distil import distil as carry_out
    from trivium.tune.run import Plan

    how = How(level, student, layers, method, temperature, weight, written)  # type: ignore[arg-type]
    training: dict[str, Any] = {
        "epochs": epochs, "steps": steps, "rate": rate, "batch": batch, "seconds": minutes * 60, "seed": seed,
    }  # fmt: skip
    plan = Plan(data, longest=longest, tokens=tokens, training=training)
    with watched(screen) as (show, stop):
        made = carry_out(plan, teacher, out, how, resume=resume, on_progress=show, stop=stop)
    asked = made.stopped == "asked"
    if screen.as_json:
        rows = [
            {"name": row.name, "parameters": row.parameters, "megabytes": row.megabytes,
             "tokens_per_second": row.tokens_per_second, made.measure: _score(row.score)}
            for row in made.rows
        ]  # fmt: skip
        screen.emit({"path": None if asked else str(made.folder), "rows": rows, "steps": made.steps})
    elif asked:
        screen.out.print(f"Stopped at step {made.steps}. Go on with: --resume --out {out}", soft_wrap=True)
    else:
        screen.out.print(table(made))
        screen.out.print(f"Student: {made.folder}", soft_wrap=True)
    return 130 if asked else 0


def _lines(file: Path | None) -> tuple[str, ...]:
    if file is None:
        return ()
    try:
        found = tuple(line.strip() for line in file.read_text("utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.", "Give a text file in UTF-8, one text a line.") from None
    if not found:
        raise UsageError(f"{file} holds no text.", "Write one text a line.")
    return found


def _score(value: float) -> float | None:
    return value if value == value else None  # JSON has no word for no number


def _number(value: float | bool) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:.4g}"
