"""`trivium add`, `sync`, `list`, `remove`, `verify`, `export`, `import`: what a knowledge base holds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.options import Debug, Embedder, Json, Kb, metadata, names, open_kb
from trivium.cli.screen import Screen

if TYPE_CHECKING:
    from trivium.index.tally import AddReport
    from trivium.index.upkeep import RemoveReport

Access = Annotated[
    str,
    typer.Option("--access", metavar="PRINCIPALS", help="Who may read them: user:ada,group:legal. Default: everyone."),
]
Meta = Annotated[
    list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="Kept with each document, for --filter.")
]


def register(app: typer.Typer) -> None:
    """Put this file's commands on the command line."""
    app.command("add", epilog="Example: trivium add docs/ report.pdf --access group:legal --meta year=2024")(add)
    app.command("sync", epilog="Example: trivium sync docs/ --yes")(sync)
    app.command("list", epilog="Example: trivium list --json")(list_documents)
    app.command("remove", epilog="Example: trivium remove docs/old.pdf")(remove)
    app.command("verify", epilog="Example: trivium verify")(verify)
    app.command("export", epilog="Example: trivium export handbook.trivium.tar")(export)
    app.command("import", epilog="Example: trivium import handbook.trivium.tar --kb handbook")(import_archive)


def add(
    ctx: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files and folders.")],
    access: Access = "",
    meta: Meta = None,
    chunker: Annotated[str, typer.Option("--chunker", metavar="NAME", help="How documents are cut.")] = "sliding",
    embedder: Embedder = "",
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Add files and folders. Unchanged files are passed over; a changed one replaces its old self."""
    from trivium.cli.progress import adding

    screen: Screen = ctx.obj
    principals, facts = names(access), metadata(meta or [])
    base = open_kb(screen, kb, embedder=embedder, create=True)
    with adding(screen) as show:
        report = base.add(paths, access=principals, metadata=facts, chunker=chunker, progress=show)
    if screen.as_json:
        screen.emit(asdict(report))
    else:
        _show_added(screen, report)
    return 1 if report.failed else 0


def _show_added(screen: Screen, report: AddReport) -> None:
    for failure in report.failed:
        screen.say(f"Not added: {failure.source}: {failure.reason}", style="yellow")
    rate = f", {report.chunks / report.seconds:.0f} chunks/s" if report.chunks >= 100 and report.seconds else ""
    screen.out.print(
        f"Added {report.added:,}, updated {report.updated:,}, unchanged {report.unchanged:,}, "
        f"failed {len(report.failed):,}: {report.chunks:,} chunks in {report.seconds:.1f} s{rate}."
    )


def sync(
    ctx: typer.Context,
    paths: Annotated[list[str] | None, typer.Argument(metavar="PATH", help="Files and folders to add.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove vanished files without asking.")] = False,
    embedder: Embedder = "",
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Bring the knowledge base in line with the files: changed ones are read again, vanished ones may be removed."""
    from trivium.cli.progress import adding
    from trivium.cli.show import near

    screen: Screen = ctx.obj
    base = open_kb(screen, kb, embedder=embedder, create=bool(paths))
    vanished = base.missing()
    known = [document.source for document in base.documents() if document.source not in set(vanished)]
    files = [source for source in known if Path(source).is_absolute() and Path(source).is_file()]
    with adding(screen) as show:
        report = base.add([*files, *(paths or [])], progress=show)
    if not screen.as_json:
        _show_added(screen, report)
        for source in vanished:
            screen.out.print(f"Vanished: {near(source)}", soft_wrap=True)
    removed = None
    if vanished and (yes or _agreed(screen, len(vanished))):
        removed = base.remove(vanished)
    if screen.as_json:
        gone = [one.source for one in removed.removed] if removed else []
        screen.emit({**asdict(report), "vanished": vanished, "removed": gone})
    elif removed:
        _show_removed(screen, removed)
    elif vanished:
        screen.say("They were kept. Remove them with: trivium sync --yes")
    return 1 if report.failed else 0


def _agreed(screen: Screen, count: int) -> bool:
    """Ask whether vanished files are removed; where nobody can answer, they are not."""
    import sys

    if screen.as_json or not sys.stdin.isatty():
        return False
    return typer.confirm(f"Remove {count} vanished from the knowledge base?", err=True)


def list_documents(ctx: typer.Context, kb: Kb = "", json: Json = False, debug: Debug = False) -> int:
    """List the documents."""
    screen: Screen = ctx.obj
    documents = open_kb(screen, kb, fetch=False).documents()
    if screen.as_json:
        screen.emit({"documents": [asdict(document) for document in documents]})
        return 0
    from rich.table import Table

    from trivium.cli.show import near

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("source", overflow="fold")
    for heading in ("chunks", "bytes"):
        table.add_column(heading, justify="right")
    table.add_column("access", overflow="fold")
    with_facts = any(d.metadata for d in documents)
    if with_facts:
        table.add_column("metadata", overflow="fold")
    table.add_column("added", no_wrap=True)
    for d in documents:
        facts = [", ".join(f"{key}={value}" for key, value in d.metadata.items())] if with_facts else []
        table.add_row(near(d.source), f"{d.chunks:,}", f"{d.bytes:,}", ", ".join(d.access), *facts, d.added_at[:10])
    if documents:
        screen.out.print(table)
    else:
        screen.say("The knowledge base is empty. Add documents with: trivium add PATH")
    return 0


def remove(
    ctx: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help="As `trivium list` names them.")],
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Delete documents and all that was made from them, and print the receipt."""
    screen: Screen = ctx.obj
    receipt = open_kb(screen, kb, fetch=False).remove(sources)
    if screen.as_json:
        screen.emit({"removed": [asdict(one) for one in receipt.removed], "left": receipt.left})
    else:
        _show_removed(screen, receipt)
    return 1 if receipt.left else 0


def _show_removed(screen: Screen, receipt: RemoveReport) -> None:
    from trivium.cli.show import near

    for one in receipt.removed:
        screen.out.print(
            f"Removed {near(one.source)}: {one.chunks:,} chunks, {one.vectors:,} vectors, "
            f"{one.lexical:,} lexical entries, {one.cached_answers:,} cached answers.",
            soft_wrap=True,
        )
    screen.out.print(f"Left: {receipt.left}.")


def verify(
    ctx: typer.Context,
    repair: Annotated[bool, typer.Option("--repair/--no-repair", help="Mend what is found, or only report it.")] = True,
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Compare what is recorded with what is stored, and mend or report the differences."""
    screen: Screen = ctx.obj
    report = open_kb(screen, kb, fetch=False).verify(repair=repair)
    if screen.as_json:
        screen.emit({"documents": report.documents, "chunks": report.chunks, "problems": list(report.problems)})
        return 1 if report.problems else 0
    for problem in report.problems:
        screen.out.print(problem, style="yellow", soft_wrap=True)
    state = "no problems" if not report.problems else f"{len(report.problems)} problems"
    mended = ", mended: run `trivium add` again for what was lost" if report.repaired and report.problems else ""
    screen.out.print(f"{report.documents:,} documents, {report.chunks:,} chunks: {state}{mended}.")
    return 1 if report.problems else 0


def export(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write.")],
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Write the whole knowledge base to one file."""
    screen: Screen = ctx.obj
    written = Path(open_kb(screen, kb, fetch=False).export(path) or path)
    size = written.stat().st_size
    if screen.as_json:
        screen.emit({"path": str(written), "bytes": size})
    else:
        screen.out.print(f"Wrote {written}: {size / 1e6:.1f} MB.", soft_wrap=True)
    return 0


def import_archive(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What `trivium export` wrote.")],
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Unpack an exported knowledge base into a new folder."""
    from trivium.api import import_archive as unpack
    from trivium.cli.options import place

    screen: Screen = ctx.obj
    at = place(screen, kb)
    documents = len(unpack(path, at).documents())
    if screen.as_json:
        screen.emit({"kb": at, "documents": documents})
    else:
        screen.out.print(f"Imported {documents:,} documents into {at}.", soft_wrap=True)
    return 0
