"""Runs a command and turns whatever happens into an exit status, and an error into one clear line with its cure.

Exit status: 0 done; 1 something failed (the message or the report says what); 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys

import typer

from trivium.cli import (
    ask,
    bench_set,
    compare,
    data,
    documents,
    evaluate,
    graph,
    improve,
    judge,
    models,
    patterns,
    questions,
    search,
    tokens,
    tune,
)
from trivium.cli.demo import demo
from trivium.cli.screen import Screen
from trivium.errors import TriviumError

_INTERRUPTED = 130
_BROKEN_PIPE = 141

app = typer.Typer(
    name="trivium",
    help="Adapt a language model to your field. Add documents, ask, and get cited answers.",
    epilog='Example: trivium add docs/ && trivium ask "How long is the warranty?"',
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
documents.register(app)
ask.register(app)
search.register(app)
models.register(app)
patterns.register(app)
evaluate.register(app)
bench_set.register(app)
questions.register(app)
judge.register(app)
tokens.register(app)
data.register(app)
tune.register(app)
graph.register(app)
compare.register(app)
improve.register(app)
app.command("demo", epilog="Example: trivium demo --docs handbook/ --question 'Who approves travel?'")(demo)


def _version(wanted: bool) -> None:
    if wanted:
        from trivium.version import __version__

        typer.echo(f"trivium {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    kb: str = typer.Option(
        "", "--kb", metavar="PATH", help="The knowledge base: a folder. Default: $TRIVIUM_KB, or .trivium here."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error, and the log."),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Adapt a language model to your field. Add documents, ask, and get cited answers."""
    screen: Screen = ctx.ensure_object(Screen)
    screen.kb = kb
    screen.debug = screen.debug or debug


def run(given: list[str]) -> int:
    """Run the command that the arguments name; return the exit status."""
    given = given or ["--help"]
    words = given[: given.index("--")] if "--" in given else given
    screen = Screen(as_json="--json" in words)
    screen.debug = "--debug" in words
    logging.basicConfig(
        stream=sys.stderr,
        format="%(levelname)s %(name)s: %(message)s" if screen.debug else "Note: %(message)s",
        level=logging.WARNING,
    )
    if screen.debug:
        logging.getLogger("trivium").setLevel(logging.DEBUG)
    try:
        with screen.guarded():
            status = _run(given, screen)
        sys.stdout.flush()
    except BrokenPipeError:
        status = _BROKEN_PIPE
    if status == _BROKEN_PIPE:
        # Whoever read our output has gone. What Python still holds must not be written to the pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status


def _run(arguments: list[str], screen: Screen) -> int:
    try:
        status = app(args=arguments, prog_name="trivium", standalone_mode=False, obj=screen)
        if status == _INTERRUPTED and not screen.emitted:  # Typer turns Ctrl-C into this status
            _report(screen, "Interrupted.", "What was finished is kept.", KeyboardInterrupt())
        return status if isinstance(status, int) else 0
    except TriviumError as error:
        _report(screen, error.problem, error.cure, error)
        return error.exit_status
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        _report(screen, error.format_message(), f"See: {context.command_path if context else 'trivium'} --help", error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort) as error:
        _report(screen, "Interrupted.", "What was finished is kept.", error)
        return _INTERRUPTED
    except (BrokenPipeError, SystemExit):  # Typer exits the process itself for a broken pipe, and for nothing else
        return _BROKEN_PIPE
    except Exception as error:
        if _was_interrupted(error):
            _report(screen, "Interrupted.", "What was finished is kept.", error)
            return _INTERRUPTED
        # The last door: a person at a terminal gets a line, and the traceback on request; nothing is swallowed.
        problem = f"Unexpected {type(error).__name__}: {' '.join(str(error).split())[:500]}"
        _report(screen, problem, "Run the command again with --debug to see where it comes from.", error)
        return 1


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether a Ctrl-C is behind the error: one that falls into the import of a compiled module is wrapped by it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _report(screen: Screen, problem: str, cure: str, error: BaseException) -> None:
    if screen.debug:
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    if screen.as_json:
        screen.emit({"error": problem, "cure": cure})
    else:
        from rich.text import Text

        line = Text.assemble(("Error: ", "bold red"), f"{problem} {cure}".strip())
        screen.err.print(line, soft_wrap=True)
