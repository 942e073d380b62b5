"""`trivium search`: the passages that an answer would be made from."""

from __future__ import annotations

from typing import Annotated

import typer

from trivium.cli.options import Debug, Embedder, Json, Kb, Principals, names, open_kb
from trivium.cli.screen import Screen


def register(app: typer.Typer) -> None:
    """Put this file's command on the command line."""
    app.command("search", epilog="Example: trivium search 'error E-1042' --mode lexical --filter 'year >= 2023'")(
        search
    )


def search(
    ctx: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In words.")],
    mode: Annotated[
        str, typer.Option("--mode", metavar="dense|lexical|hybrid", help="By meaning, by words, or both.")
    ] = "hybrid",
    filter: Annotated[
        str, typer.Option("--filter", metavar="EXPR", help="A condition on metadata: year >= 2023 and kind = 'report'.")
    ] = "",
    principals: Principals = "",
    k: Annotated[int, typer.Option("--k", metavar="N", min=1, help="How many passages.")] = 10,
    embedder: Embedder = "",
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """List the passages that match a question best."""
    from trivium.cli.show import hit_json, show_hits

    screen: Screen = ctx.obj
    base = open_kb(screen, kb, embedder=embedder, fetch=mode != "lexical")
    hits = base.search(question, k=k, mode=mode, filter=filter or None, principals=names(principals) or None)
    if screen.as_json:
        screen.emit({"question": question, "hits": [hit_json(hit) for hit in hits]})
    elif hits:
        show_hits(screen, hits)
    else:
        screen.say("Nothing matches.")
    return 0
