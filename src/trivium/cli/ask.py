"""`trivium ask` and `trivium chat`: cited answers, streamed to a terminal as they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.options import Chat, Debug, Embedder, Json, Kb, Principals, Reranker, names, open_kb
from trivium.cli.screen import Screen
from trivium.errors import TriviumError
from trivium.types import Answer, Message

if TYPE_CHECKING:
    from trivium.api import KnowledgeBase

Pattern = Annotated[
    str, typer.Option("--pattern", metavar="NAME", help="advanced, naive, or closed_book (without the documents).")
]
K = Annotated[int | None, typer.Option("--k", metavar="N", min=1, help="Passages to retrieve.")]
_REMEMBERED_TURNS = 6
"""Questions and answers that a follow-up question is understood by."""


def register(app: typer.Typer) -> None:
    """Put this file's commands on the command line."""
    app.command("ask", epilog='Example: trivium ask "How long is the warranty?" --as user:ada')(ask)
    app.command("chat", epilog="Example: trivium chat --kb handbook")(chat)


@contextmanager
def streaming(screen: Screen) -> Iterator[Callable[[str], None] | None]:
    """Show an answer while it is written; yields what receives the pieces, or None where nobody watches.

    The stream vanishes at the end: the checked answer, with its citations, takes its place.
    """
    if not screen.live:
        yield None
        return
    from rich.live import Live
    from rich.text import Text

    text = Text(style="dim")
    with Live(text, console=screen.out, transient=True, refresh_per_second=12) as live:

        def show(piece: str) -> None:
            text.append(piece)
            live.update(text)

        yield show


def answer(
    screen: Screen,
    base: KnowledgeBase,
    question: str,
    *,
    pattern: str = "advanced",
    principals: tuple[str, ...] = (),
    k: int | None = None,
    history: list[Message] | None = None,
) -> Answer:
    """Ask, streaming to a terminal."""
    from trivium.api import ask as ask_knowledge_base

    with streaming(screen) as on_text:
        return ask_knowledge_base(
            base, question, pattern, principals or None, k=k, history=tuple(history or ()), on_text=on_text
        )


def ask(
    ctx: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In words.")],
    pattern: Pattern = "advanced",
    principals: Principals = "",
    k: K = None,
    chat: Chat = "",
    embedder: Embedder = "",
    reranker: Reranker = "",
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Answer a question from the documents, with citations, or say that they do not tell."""
    from trivium.cli.show import answer_json, show_answer

    screen: Screen = ctx.obj
    _check_pattern(pattern)
    base = open_kb(screen, kb, embedder=embedder, chat=chat, reranker=reranker, answers=True)
    result = answer(screen, base, question, pattern=pattern, principals=names(principals), k=k)
    if screen.as_json:
        screen.emit(answer_json(result))
    else:
        show_answer(screen, result)
    return 0


def _check_pattern(pattern: str) -> None:
    """Refuse an unknown pattern before anything is loaded or fetched."""
    from trivium.errors import UnknownName
    from trivium.patterns import PATTERNS

    if pattern not in PATTERNS:
        raise UnknownName("pattern", pattern, PATTERNS)


def chat(
    ctx: typer.Context,
    pattern: Pattern = "advanced",
    principals: Principals = "",
    k: K = None,
    chat: Chat = "",
    embedder: Embedder = "",
    reranker: Reranker = "",
    kb: Kb = "",
    debug: Debug = False,
) -> int:
    """Ask in turns: a question may lean on those before it. /new forgets them, /quit (or Ctrl-D) ends."""
    from trivium.cli.show import show_answer

    screen: Screen = ctx.obj
    _check_pattern(pattern)
    base = open_kb(screen, kb, embedder=embedder, chat=chat, reranker=reranker, answers=True)
    history: list[Message] = []
    if screen.err.is_terminal:
        screen.say("Ask in words. /new forgets the turns so far, /quit ends.", style="dim")
    while (question := _read()) is not None:
        if question == "/new":
            history.clear()
        elif question in ("/help", "/?"):
            screen.say("A question; or /new, /quit.")
        elif question.startswith("/") and " " not in question:
            screen.say(f"There is no {question}. There are /new and /quit.")
        elif question:
            try:
                result = answer(
                    screen, base, question, pattern=pattern, principals=names(principals), k=k, history=history
                )
            except KeyboardInterrupt:
                screen.say("Stopped.")
                continue
            except TriviumError as error:
                screen.say(f"Error: {error}", style="red")
                continue
            show_answer(screen, result)
            history += [Message("user", question), Message("assistant", result.text)]
            del history[: -2 * _REMEMBERED_TURNS]
    return 0


def _read() -> str | None:
    """Return the next line typed, or None at the end."""
    import importlib
    import sys

    if sys.stdin.isatty():
        with suppress(ImportError):
            importlib.import_module("readline")  # gives `input` its line editing, where the system has it
    try:
        line = input("\n> " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return None
    return None if line in ("/quit", "/exit", "/q") else line
