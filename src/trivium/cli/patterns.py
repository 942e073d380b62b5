"""`trivium patterns`: the ways to answer a question, what each does, what it costs, and its paper."""

from __future__ import annotations

import typer

from trivium.cli.options import Debug, Json
from trivium.cli.screen import Screen


def register(app: typer.Typer) -> None:
    """Put this file's command on the command line."""
    app.command("patterns", epilog="Example: trivium patterns && trivium ask 'Who wrote it?' --pattern naive")(patterns)


def patterns(ctx: typer.Context, json: Json = False, debug: Debug = False) -> int:
    """List the patterns that --pattern takes: what each does, its calls of the chat model, its paper."""
    from trivium.patterns import PATTERNS
    from trivium.patterns.about import ABOUT

    screen: Screen = ctx.obj
    rows = [(name, ABOUT[name]) for name in PATTERNS]
    if screen.as_json:
        screen.emit(
            {
                "patterns": [
                    {"name": name, "about": about.title, "calls": about.calls, "paper": about.paper}
                    for name, about in rows
                ]
            }
        )
        return 0
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", no_wrap=True)
    for heading in ("what it does", "calls", "paper"):
        table.add_column(heading, overflow="fold")
    for name, about in rows:
        table.add_row(name, about.title, about.calls, about.paper or "-")
    screen.out.print(table)
    return 0
