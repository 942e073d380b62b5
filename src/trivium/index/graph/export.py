"""A graph for other programs: JSON, GraphML (Gephi, yEd, NetworkX), a Cypher script (Neo4j)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from trivium.index.graph.values import KINDS
from trivium.index.graph.view import View

XML_ILLEGAL = {at: " " for at in range(32) if at not in (9, 10, 13)} | {0xFFFE: " ", 0xFFFF: " "}


def as_dict(view: View, *, least: int = 1) -> dict[str, Any]:
    """Return the nodes and edges that an asker sees, by name, in a fixed order.

    Args:
        view: the graph.
        least: leave out what fewer chunks mention.
    """
    kept = np.flatnonzero(view.degree >= least)
    inside = set(kept.tolist())
    chunks: dict[int, list[str]] = {int(node): [] for node in kept}
    for node, chunk in zip(view.node.tolist(), view.chunk.tolist(), strict=True):
        if node in inside:
            chunks[node].append(view.chunks[chunk])
    names = view.all_names
    about = view.about
    nodes = [
        {
            "name": view.names[node],
            "kind": KINDS[int(view.kind[node])],
            "names": sorted(names[node]),
            "chunks": sorted(chunks[node]),
            **({"about": about[node]} if node in about else {}),
        }
        for node in kept.tolist()
    ]
    counts = {(low, high): count for low, high, count in zip(*(a.tolist() for a in view.pairs), strict=True)}
    pairs = sorted((pair for pair in {**counts, **view.said} if inside.issuperset(pair)), key=lambda p: (p[0], p[1]))
    edges = [
        {
            "source": view.names[low],
            "target": view.names[high],
            "count": counts.get((low, high), 0),
            **({"about": view.said[low, high]} if (low, high) in view.said else {}),
        }
        for low, high in pairs
    ]
    return {"nodes": nodes, "edges": edges}


def to_json(graph: Mapping[str, Any]) -> str:
    """Return the graph as JSON text."""
    return json.dumps(graph, ensure_ascii=False, indent=1) + "\n"


def to_graphml(graph: Mapping[str, Any]) -> str:
    """Return the graph as GraphML (graphml.graphdrawing.org)."""
    number = {node["name"]: at for at, node in enumerate(graph["nodes"])}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
        '<key id="name" for="node" attr.name="name" attr.type="string"/>',
        '<key id="kind" for="node" attr.name="kind" attr.type="string"/>',
        '<key id="chunks" for="node" attr.name="chunks" attr.type="string"/>',
        '<key id="count" for="edge" attr.name="count" attr.type="int"/>',
        '<key id="about" for="all" attr.name="about" attr.type="string"/>',
        '<graph edgedefault="undirected">',
    ]
    for node in graph["nodes"]:
        fields = {"name": node["name"], "kind": node["kind"], "chunks": " ".join(node["chunks"])}
        lines.append(f'<node id="n{number[node["name"]]}">{_data(fields, node)}</node>')
    for edge in graph["edges"]:
        ends = f'source="n{number[edge["source"]]}" target="n{number[edge["target"]]}"'
        lines.append(f"<edge {ends}>{_data({'count': str(edge['count'])}, edge)}</edge>")
    return "\n".join([*lines, "</graph>", "</graphml>", ""])


def _data(fields: Mapping[str, str], item: Mapping[str, Any]) -> str:
    about = {"about": "\n".join(item["about"])} if "about" in item else {}
    return "".join(
        f"<data key={quoteattr(key)}>{escape(value.translate(XML_ILLEGAL))}</data>"
        for key, value in {**fields, **about}.items()
    )


def to_cypher(graph: Mapping[str, Any]) -> str:
    """Return statements that make the graph in Neo4j and its like; a second run changes nothing."""
    lines = ["CREATE CONSTRAINT entity_name IF NOT EXISTS FOR (e:Entity) REQUIRE e.name IS UNIQUE;"]
    for node in graph["nodes"]:
        about = "\n".join(node.get("about", []))
        lines.append(
            f"MERGE (e:Entity {{name: {_quoted(node['name'])}}}) SET e.kind = {_quoted(node['kind'])}, "
            f"e.chunks = [{', '.join(map(_quoted, node['chunks']))}], e.about = {_quoted(about)};"
        )
    for edge in graph["edges"]:
        about = "\n".join(edge.get("about", []))
        lines.append(
            f"MATCH (a:Entity {{name: {_quoted(edge['source'])}}}), (b:Entity {{name: {_quoted(edge['target'])}}}) "
            f"MERGE (a)-[r:WITH]->(b) SET r.count = {edge['count']}, r.about = {_quoted(about)};"
        )
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    plain = text.translate(XML_ILLEGAL).replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{plain}'"


WRITERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "json": to_json,
    "graphml": to_graphml,
    "cypher": to_cypher,
}
