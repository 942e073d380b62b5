"""`trivium graph build`, `show`, `export`, `draw`: the entities of a knowledge base and how they stand together."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivium.cli.options import Debug, Json, Kb, Principals, names, open_kb
from trivium.cli.screen import Screen

if TYPE_CHECKING:
    from trivium.api import KnowledgeBase
    from trivium.index.graph.view import View

Filter = Annotated[str, typer.Option("--filter", metavar="EXPR", help="A condition on metadata: year >= 2023.")]
Least = Annotated[int, typer.Option("--least", metavar="N", min=1, help="Leave out what fewer chunks name.")]
Entity = Annotated[str, typer.Argument(metavar="ENTITY", help="A name, in any writing. Default: the whole graph.")]


def register(app: typer.Typer) -> None:
    """Put this file's commands on the command line."""
    group = typer.Typer(
        help="The graph of entities: build it, look at it, take it elsewhere.",
        epilog="Example: trivium graph build && trivium graph show Geneva",
        no_args_is_help=True,
    )
    group.command("build", epilog="Example: trivium graph build")(build)
    group.command("show", epilog="Example: trivium graph show 'World Health Organization'")(show)
    group.command("export", epilog="Example: trivium graph export graph.graphml --least 2")(export)
    group.command("draw", epilog="Example: trivium graph draw geneva.svg Geneva")(draw)
    app.add_typer(group, name="graph")


def build(ctx: typer.Context, kb: Kb = "", json: Json = False, debug: Debug = False) -> int:
    """Draw the entities out of every document that is new or changed, without a model; later additions follow."""
    from trivium.cli.progress import stages
    from trivium.index.graph.build import sync

    screen: Screen = ctx.obj
    base = open_kb(screen, kb, fetch=False)
    with stages(screen) as show_stage:
        report = sync(base, progress=lambda done, total: show_stage("Reading documents", done, total))
    if screen.as_json:
        screen.emit(asdict(report))
    else:
        screen.out.print(
            f"Read {report.documents:,} documents ({report.chunks:,} chunks), unchanged {report.unchanged:,}, "
            f"forgotten {report.forgotten:,}, in {report.seconds:.1f} s."
        )
        screen.out.print("Ask with it: trivium ask QUESTION --pattern hippo")
    return 0


def show(
    ctx: typer.Context,
    entity: Entity = "",
    filter: Filter = "",
    principals: Principals = "",
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, help="How many lines.")] = 20,
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Show an entity with its names, passages and neighbours; without one, the entities that most chunks name."""
    screen: Screen = ctx.obj
    base, seen = _seen(screen, kb, filter, principals)
    if entity:
        return _show_one(screen, base, seen, entity, most)
    order = sorted(range(seen.size), key=lambda node: (-seen.degree[node], seen.names[node]))
    top = [seen.describe(node) for node in order if seen.kind[node] < _PHRASE][:most]
    if screen.as_json:
        entities = [{"name": node.name, "kind": node.kind, "chunks": len(node.chunks)} for node in top]
        screen.emit({"entities": seen.size, "chunks": len(seen.chunks), "pairs": len(seen.pairs[0]), "most": entities})
        return 0
    screen.out.print(f"{seen.size:,} entities in {len(seen.chunks):,} chunks, {len(seen.pairs[0]):,} pairs.")
    for node in top:
        screen.out.print(f"{len(node.chunks):>6,}  {node.name}", soft_wrap=True)
    return 0


_PHRASE = 4  # the place of plain phrases among the kinds


def _show_one(screen: Screen, base: KnowledgeBase, seen: View, entity: str, most: int) -> int:
    from trivium.errors import UnknownName

    number = seen.find(entity)
    if number is None:
        raise UnknownName("entity", entity, sorted(name for name in seen.names if entity.lower() in name.lower())[:10])
    node = seen.describe(number)
    edges = seen.edges(number, most)
    if screen.as_json:
        screen.emit({**asdict(node), "edges": [asdict(edge) for edge in edges]})
        return 0
    sources = {record.id: record.source for record in base.records()}
    screen.out.print(f"{node.name} ({node.kind}), in {len(node.chunks):,} chunks", style="bold", soft_wrap=True)
    if len(node.names) > 1:
        screen.out.print(f"Also: {', '.join(node.names[1:])}", soft_wrap=True)
    for text in node.about:
        screen.out.print(text, soft_wrap=True)
    for edge in edges:
        screen.out.print(f"{edge.count:>6,}  {edge.target}", soft_wrap=True)
    found = dict.fromkeys(sources[chunk.rpartition(":")[0]] for chunk in node.chunks)
    for source in list(found)[:most]:
        screen.out.print(f"Named in: {source}", soft_wrap=True)
    return 0


def export(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Its ending says the format: .json .graphml .cypher")],
    filter: Filter = "",
    principals: Principals = "",
    least: Least = 1,
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Write the graph as JSON, GraphML or a Cypher script: of it, what the asker may read."""
    from trivium.errors import UnknownName
    from trivium.index.durable import write_whole
    from trivium.index.graph.export import WRITERS, as_dict

    screen: Screen = ctx.obj
    format = path.suffix.lstrip(".").lower()
    if format not in WRITERS:
        raise UnknownName("format of a graph", format, WRITERS)
    _, seen = _seen(screen, kb, filter, principals)
    graph = as_dict(seen, least=least)
    write_whole(path.absolute(), WRITERS[format](graph))
    if screen.as_json:
        screen.emit({"path": str(path), "nodes": len(graph["nodes"]), "edges": len(graph["edges"])})
    else:
        counts = f"{len(graph['nodes']):,} entities, {len(graph['edges']):,} pairs"
        screen.out.print(f"Wrote {path}: {counts}.", soft_wrap=True)
    return 0


def draw(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The picture to write, in SVG.")],
    entity: Entity = "",
    filter: Filter = "",
    principals: Principals = "",
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, max=200, help="How many entities.")] = 40,
    kb: Kb = "",
    json: Json = False,
    debug: Debug = False,
) -> int:
    """Draw an entity with its neighbours, or the entities that most chunks name."""
    from trivium.errors import UnknownName
    from trivium.index.durable import write_whole
    from trivium.index.graph.draw import draw as picture

    screen: Screen = ctx.obj
    _, seen = _seen(screen, kb, filter, principals)
    if entity and seen.find(entity) is None:
        raise UnknownName("entity", entity, sorted(name for name in seen.names if entity.lower() in name.lower())[:10])
    write_whole(path.absolute(), picture(seen, entity, most=most))
    if screen.as_json:
        screen.emit({"path": str(path), "entities": min(most, seen.size)})
    else:
        screen.out.print(f"Wrote {path}.", soft_wrap=True)
    return 0


def _seen(screen: Screen, kb: str, filter: str, principals: str) -> tuple[KnowledgeBase, View]:
    """Return the knowledge base and the graph that the asker sees of it.

    Raises:
        UsageError: no graph has been built.
    """
    from trivium.errors import UsageError
    from trivium.index.graph.view import view

    base = open_kb(screen, kb, fetch=False)
    if not base.graph.exists():
        raise UsageError(f"{base.root} has no graph.", "Make one with `trivium graph build`: it needs no model.")
    return base, view(base, principals=names(principals) or None, where=filter or None)
