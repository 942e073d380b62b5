"""`trivium bench-set`: a published question set as a knowledge base and questions with gold evidence."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.options import Debug, Embedder, Json, open_kb
from trivium.cli.screen import Screen

_SHOWN = 5
"""Problems of a kind that are shown; the rest are counted."""


def register(app: typer.Typer) -> None:
    """Put this file's command on the command line."""
    app.command("bench-set", epilog="Example: trivium bench-set squad dev-v2.0.json")(bench_set)


def bench_set(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The folder to make; its last part names the set.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The set: a file, or the folder of a collection.")],
    corpus: Annotated[
        Path | None, typer.Option("--corpus", metavar="PATH", help="Passages that the set publishes apart.")
    ] = None,
    documents: Annotated[
        Path | None,
        typer.Option("--documents", metavar="FOLDER", help="Files that the evidence names. Default: beside the set."),
    ] = None,
    language: Annotated[str, typer.Option("--language", metavar="CODE", help="Of the questions: en, zh.")] = "",
    embedder: Embedder = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Make a folder with a knowledge base of a set's passages, and its questions with the evidence in them."""
    from trivium.cli.progress import adding
    from trivium.tasks.bench import KNOWLEDGE_BASE, QUESTIONS, check_documents, find_files, make_bench_set
    from trivium.tasks.questions import count_problems, read_questions

    screen: Screen = ctx.obj
    started = time.monotonic()
    folder = Path(name)
    questions = read_questions(path, language=language, corpus=corpus, name=folder.resolve().name)
    if documents is not None and not documents.is_dir():
        from trivium.errors import UsageError

        raise UsageError(f"There is no folder {documents}.", "Give the folder with the set's files.")
    files = find_files(documents or path.resolve().parent, questions) if documents or _may_look(path) else {}
    files = {key: file for key, file in files.items() if file.resolve() != path.resolve()}
    check_documents(questions, files)  # before a model is fetched
    base = open_kb(screen, str(folder / KNOWLEDGE_BASE), embedder=embedder, create=True)
    with adding(screen) as show:
        made = make_bench_set(questions, folder, base, files=files, progress=show)
    problems = count_problems(questions.problems)
    if screen.as_json:
        screen.emit(
            {
                "folder": str(folder),
                "kb": str(folder / KNOWLEDGE_BASE),
                "questions_file": str(folder / QUESTIONS),
                "format": questions.format,
                "questions": made.questions,
                "documents": made.documents,
                "added": made.added,
                "unchanged": made.unchanged,
                "failed": [{"source": source, "reason": reason} for source, reason in made.failed],
                "missing": list(made.missing),
                "problems": problems,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
        return 1 if made.failed else 0
    for kind, count in problems.items():
        first = [problem for problem in questions.problems if problem.kind == kind][:_SHOWN]
        screen.say(f"{count:,} x {kind}:", style="yellow")
        for problem in first:
            screen.say(f"  {problem.where} {problem.what}")
    for source, reason in made.failed:
        screen.say(f"Not added: {source}: {reason}", style="yellow")
    if made.missing:
        screen.say(f"{len(made.missing):,} documents that the evidence names are not there: {made.missing[0]}")
    screen.out.print(
        f"Read {made.questions:,} questions ({questions.format}). Of {made.documents:,} documents: "
        f"added {made.added:,}, unchanged {made.unchanged:,}, failed {len(made.failed):,}, "
        f"in {time.monotonic() - started:.1f} s."
    )
    screen.out.print(f"Questions: {folder / QUESTIONS}", soft_wrap=True)
    screen.out.print(f"Knowledge base: {folder / KNOWLEDGE_BASE}", soft_wrap=True)
    return 1 if made.failed else 0


def _may_look(path: Path) -> bool:
    """Whether the files of a set are looked for beside it: not where that is the home folder or a whole disk."""
    return path.is_file() and path.resolve().parent not in (Path.home(), Path(path.resolve().anchor))
