"""`trivium tokens`: how a model's tokenizer cuts a text."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.options import Debug, Json
from trivium.cli.screen import Screen
from trivium.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from trivium.models.vocabulary import Cut, Token

_STYLES = ("black on bright_cyan", "black on bright_yellow", "black on bright_green", "black on bright_magenta")
_ROWS = 400
"""Tokens that the table shows; `--json` has all."""


def register(app: typer.Typer) -> None:
    """Put this file's commands on the command line."""
    app.command("tokens", epilog="Example: trivium tokens 'The warranty lasts two years.' --model all-minilm-l6-v2")(
        tokens
    )


def tokens(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text; - reads it from standard input.")],
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="smollm2-135m-instruct, all-minilm-l6-v2, a GGUF file, a model's folder. May be repeated. "
            "Default: the embedded chat model.",
        ),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Show the tokens of a text: what each stands for, its id, its bytes, and what the vocabulary does not know."""
    from trivium.models.vocabulary import cut

    screen: Screen = ctx.obj
    given = sys.stdin.read() if text == "-" else text
    if not given:
        raise UsageError("There is no text.", "Give one, or - to read it from standard input.")
    cuts = [cut(given, model) for model in models] if models else [cut(given)]
    if screen.as_json:
        screen.emit({"text": given, "models": [_facts(one) for one in cuts]})
        return 0
    for place, one in enumerate(cuts):
        if place:
            screen.out.print()
        _show(screen, one)
    return 0


def _facts(one: Cut) -> dict[str, object]:
    return {
        "model": one.model,
        "tokens": [
            {
                "id": token.id,
                "text": token.text,
                "bytes": token.data.hex(" "),
                "unknown": token.unknown,
                "partial": token.partial,
                "special": token.special,
            }
            for token in one.tokens
        ],
        "count": len(one.tokens),
        "characters": len(one.text),
        "unknown": sum(token.unknown for token in one.tokens),
        "partial": sum(token.partial for token in one.tokens),
        "characters_per_token": one.characters_per_token,
    }


def _show(screen: Screen, one: Cut) -> None:
    from rich.table import Table

    screen.out.print(one.model, style="bold", soft_wrap=True)
    screen.out.print(_coloured(one, screen.out.is_terminal), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right", style="dim")
    table.add_column("token")
    table.add_column("id", justify="right")
    table.add_column("bytes", overflow="fold")
    table.add_column("")
    for place, token in enumerate(one.tokens[:_ROWS]):
        table.add_row(
            str(place + 1),
            _token(token, place),
            str(token.id),
            token.data.hex(" "),
            _remark(token),
            style=_style(token),
        )
    screen.out.print(table)
    if len(one.tokens) > _ROWS:
        screen.say(f"{len(one.tokens) - _ROWS} more tokens: --json has them all.")
    unknown = sum(token.unknown for token in one.tokens)
    partial = sum(token.partial for token in one.tokens)
    words = [f"{len(one.tokens)} tokens, {one.characters_per_token:.1f} characters each"]
    words += [f"{unknown} unknown ({one.unknown_rate:.0%})"] if unknown else []
    words += [f"{partial} parts of characters ({one.partial_rate:.0%})"] if partial else []
    screen.out.print("; ".join(words), style="yellow" if unknown or partial else "green", soft_wrap=True)


def _coloured(one: Cut, terminal: bool) -> Text:
    """The text on one line with a colour for each token; without colours, a bar between them."""
    from rich.text import Text

    line = Text()
    for place, token in enumerate(one.tokens[:_ROWS]):
        if place and not terminal:
            line.append("|")
        line.append(_visible(token.data.decode("utf-8", "replace")), style=_STYLES[place % len(_STYLES)])
    return line


def _token(token: Token, place: int) -> Text:
    from rich.text import Text

    return Text(_visible(token.text), style=_STYLES[place % len(_STYLES)])


def _visible(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _remark(token: Token) -> str:
    if token.unknown:
        return "unknown"
    return "control" if token.special else "part of a character" if token.partial else ""


def _style(token: Token) -> str:
    return "red" if token.unknown else "yellow" if token.partial else "cyan" if token.special else ""
