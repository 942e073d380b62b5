"""`trivium demo`: the whole path on real documents, from files to cited answers and one refusal.

The documents are this project's own documentation in English and Chinese, as Markdown, HTML, DOCX and PDF
(`data/demo/`, made by docs/make_demo_documents.py), or the user's own.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.options import Chat, Debug, Embedder, Reranker, open_kb
from trivium.cli.screen import Screen
from trivium.errors import UsageError

if TYPE_CHECKING:
    from trivium.api import KnowledgeBase

QUESTIONS = (
    "Who may read a document that was added without --access?",
    "What happens to a file that cannot be read?",
    "删除一份文档会删除什么？",
    "How many employees work in the Paris office?",
)
"""Two in English, one in Chinese, and one that the documents do not answer."""


def demo(
    ctx: typer.Context,
    docs: Annotated[
        Path | None, typer.Option("--docs", metavar="FOLDER", help="Your documents, instead of Trivium's own.")
    ] = None,
    question: Annotated[
        list[str] | None, typer.Option("--question", metavar="TEXT", help="Your question; may be repeated.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="PATH", help="Where the demo's knowledge bases are kept.")
    ] = Path(".demo"),
    chat: Chat = "",
    embedder: Embedder = "",
    reranker: Reranker = "",
    debug: Debug = False,
) -> int:
    """Add real documents, and print cited answers and one honest refusal."""
    screen: Screen = ctx.obj
    source = docs or _own_documents()
    if not source.exists():
        raise UsageError(f"There is no folder {source}.", "Give your documents with --docs FOLDER.")
    name = "documentation" if docs is None else _name(source)
    at = folder / name
    base = open_kb(screen, str(at), embedder=embedder, chat=chat, reranker=reranker, create=True, answers=True)
    failed = _add(screen, base, source)
    asked = question or (QUESTIONS if docs is None else ())
    for one in asked:
        _ask(screen, base, one)
    screen.out.print()
    screen.out.print(f"Ask more: trivium chat --kb {at}", soft_wrap=True)
    return 1 if failed else 0


def _own_documents() -> Path:
    from importlib.resources import files

    return Path(str(files("trivium").joinpath("data/demo")))


def _name(source: Path) -> str:
    """Return a folder name for a knowledge base of `source`: another folder of the same name gets another one."""
    absolute = str(source.resolve())
    return f"{source.resolve().name or 'root'}-{hashlib.sha256(absolute.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _add(screen: Screen, base: KnowledgeBase, source: Path) -> int:
    """Add the documents, drop those that have vanished since the last demo, and say what is there."""
    from trivium.cli.progress import adding

    with adding(screen) as show:
        report = base.add([source], progress=show)
    if vanished := base.missing():
        base.remove(vanished)
    for failure in report.failed:
        screen.say(f"Not added: {failure.source}: {failure.reason}", style="yellow")
    documents = base.documents()
    kinds = sorted({Path(document.source).suffix.lstrip(".").upper() or "text" for document in documents})
    screen.out.print(
        f"{len(documents)} documents ({', '.join(kinds)}), {sum(d.chunks for d in documents)} chunks; "
        f"{report.added + report.updated} of them read now, in {report.seconds:.1f} s.",
        soft_wrap=True,
    )
    return len(report.failed)


def _ask(screen: Screen, base: KnowledgeBase, question: str) -> None:
    from rich.text import Text

    from trivium.cli.ask import answer
    from trivium.cli.show import show_answer

    screen.out.print()
    screen.out.print(Text.assemble(("? ", "bold green"), (question, "bold")), soft_wrap=True)
    started = time.monotonic()
    result = answer(screen, base, question)
    show_answer(screen, result)
    screen.out.print(f"({time.monotonic() - started:.1f} s)", style="dim")
