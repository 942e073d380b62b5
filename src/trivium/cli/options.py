"""The options that several commands share, and how their words are read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trivium.cli.screen import Screen
from trivium.errors import UsageError
from trivium.types import Scalar

if TYPE_CHECKING:
    from trivium.api import KnowledgeBase

DEFAULT_KB = ".trivium"


def _debug(ctx: typer.Context, wanted: bool) -> bool:
    screen = ctx.ensure_object(Screen)
    screen.debug = screen.debug or wanted
    return wanted


Kb = Annotated[
    str, typer.Option("--kb", metavar="PATH", help="The knowledge base: a folder. Default: $TRIVIUM_KB, or .trivium.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", callback=_debug, help="Show the traceback of an error, and the log.")]
Principals = Annotated[
    str,
    typer.Option("--as", metavar="PRINCIPALS", help="Who asks: user:ada,group:legal. Default: what everyone may read."),
]
Chat = Annotated[
    str,
    typer.Option(
        "--chat",
        metavar="MODEL",
        envvar="TRIVIUM_CHAT",
        help="Chat model: a GGUF file, http(s)://host/v1#model, or a model folder. Default: the embedded one.",
    ),
]
Embedder = Annotated[
    str,
    typer.Option(
        "--embedder",
        metavar="MODEL",
        envvar="TRIVIUM_EMBEDDER",
        help="Embedding model: a folder, a hub id, or http(s)://host/v1#model. Default: the embedded one.",
    ),
]
Reranker = Annotated[
    str,
    typer.Option(
        "--reranker",
        metavar="MODEL",
        envvar="TRIVIUM_RERANKER",
        help="Reranking model: late, a cross-encoder folder, or http(s)://host/v1#model. Default: none.",
    ),
]


def names(words: str) -> tuple[str, ...]:
    """Return the principals in `user:a, group:b`, in order, without repeats."""
    return tuple(dict.fromkeys(filter(None, (word.strip() for word in words.split(",")))))


def metadata(pairs: list[str]) -> dict[str, Scalar]:
    """Return the values in `key=value` pairs: whole numbers, decimals, true and false are read as such.

    Raises:
        UsageError: a pair has no `=`, or no key.
    """
    return {key: _scalar(value) for key, value in _pairs(pairs, "--meta", "year=2024")}


def settings_of(given: Sequence[str] | None) -> dict[str, Any]:
    """Return the settings of a method that `rank=16` and the like name; values are JSON where they parse as such.

    Raises:
        UsageError: a pair has no `=`, or no key.
    """
    return {key: _json(value) for key, value in _pairs(given or (), "--set", "rank=16")}


def space_of(given: Sequence[str] | None) -> dict[str, tuple[Any, ...]]:
    """Return the values that `rank=4,8,16` and the like name, by the setting; each is JSON where it parses as such.

    Raises:
        UsageError: a pair has no `=`, no key, or no value.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for key, values in _pairs(given or (), "--search", "rank=4,8,16"):
        words = [word.strip() for word in values.split(",")]
        if not all(words):
            raise UsageError(f"--search {key}={values} leaves a value out.", "For example: --search rank=4,8,16")
        found[key] = tuple(dict.fromkeys((*found.get(key, ()), *map(_json, words))))
    return found


def _pairs(given: Sequence[str], option: str, example: str) -> Iterator[tuple[str, str]]:
    for pair in given:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"{option} {pair!r} is not of the form key=value.", f"For example: {option} {example}")
        yield key.strip(), value.strip()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _scalar(text: str) -> Scalar:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    # `007` and `1_000` are names, not numbers; so are `nan` and `inf`.
    plain = text.lstrip("+-")
    if plain.isascii() and plain.replace(".", "", 1).isdigit() and not (plain[0] == "0" and plain[1:2].isdigit()):
        return float(text) if "." in text else int(text)
    return text


def place(screen: Screen, kb: str) -> str:
    """Return the knowledge base meant: the command's `--kb`, the program's, `TRIVIUM_KB`, or `.trivium` here."""
    return kb or screen.kb or os.environ.get("TRIVIUM_KB", "") or DEFAULT_KB


def open_kb(
    screen: Screen,
    kb: str,
    *,
    embedder: str = "",
    chat: str = "",
    reranker: str = "",
    create: bool = False,
    fetch: bool = True,
    answers: bool = False,
) -> KnowledgeBase:
    """Open the knowledge base with the models named, fetching the embedded ones at their first use.

    Args:
        screen: shows how the fetching goes.
        kb: the command's `--kb`.
        embedder, chat, reranker: specs of models; empty means the default.
        create: whether to make a knowledge base where there is none.
        fetch: whether the command needs a model at all.
        answers: whether the command will need the chat model.
    """
    from trivium.api import open as open_knowledge_base
    from trivium.cli.progress import fetch_defaults

    def opened(make: bool) -> KnowledgeBase:
        return open_knowledge_base(
            place(screen, kb),
            embedder=embedder or None,
            chat=chat or None,
            reranker=reranker or None,
            create=make,
        )

    # A wrong --kb must not cost a download first.
    base = None if create else opened(False)
    if fetch:
        needed = {"embedding": not embedder, "chat": answers and not chat}
        fetch_defaults(screen, [role for role, wanted in needed.items() if wanted])
    return base or opened(True)
