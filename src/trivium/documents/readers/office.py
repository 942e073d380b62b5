"""Excel, OpenDocument, RTF, Outlook and the old formats of Office, through kreuzberg.

Kreuzberg's Markdown escapes and pads for the eye; its tree of nodes holds the same content plainly, and parts are
made from that. https://docs.kreuzberg.dev
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trivium.documents.parts import Part, Reading, Unreadable
from trivium.documents.sniff import MEDIA_TYPES
from trivium.documents.structure import table
from trivium.types import Scalar

_MARKER = "\u241epage {page_num}\u241e"
_MARKED = re.compile("\u241epage (\\d+)\u241e")
_BOLD = re.compile(r"\*\*")
_IMAGE = re.compile(r"!\[(.*?)\]\(.*?\)", re.S)
_SHEETS = frozenset({"xlsx", "xls", "ods"})
_SLIDES = frozenset({"ppt", "odp"})


def read_office(data: bytes, kind: str) -> Reading:
    """Read an office file of the given kind (a key of `MEDIA_TYPES`).

    Raises:
        Unreadable: kreuzberg cannot parse it; the reason is its own, shortened.
    """
    import kreuzberg

    try:
        result = kreuzberg.extract_bytes_sync(data, MEDIA_TYPES[kind], config=config())
    except kreuzberg.KreuzbergError as error:
        raise Unreadable(reason(error)) from error
    nodes: Sequence[Mapping[str, Any]] = (result.document or {}).get("nodes", [])
    parts = list(_Nodes(nodes, kind).parts())
    if not parts and result.content.strip():
        parts = [Part(result.content)]
    meta: Mapping[str, Any] = result.metadata
    return Reading(
        parts,
        title=_title(meta, kind),
        author=", ".join(str(name) for name in meta.get("authors") or []) or str(meta.get("created_by") or ""),
        created=str(meta.get("created_at") or ""),
        modified=str(meta.get("modified_at") or ""),
        language=str(meta.get("language") or ""),
        metadata=_metadata(meta, kind),
        warnings=tuple(f"{w.source}: {w.message}" for w in result.processing_warnings),
    )


def config(**options: Any) -> Any:
    """Return the settings of kreuzberg that all readers share: no cache, no network, one thread."""
    import kreuzberg

    return kreuzberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        output_format="markdown",
        include_document_structure=True,
        pages=kreuzberg.PageConfig(extract_pages=True, insert_page_markers=True, marker_format=_MARKER),
        postprocessor=kreuzberg.PostProcessorConfig(enabled=False),
        tree_sitter=kreuzberg.TreeSitterConfig(enabled=False),
        concurrency=kreuzberg.ConcurrencyConfig(max_threads=1),
        **options,
    )


def reason(error: Exception) -> str:
    """Turn an error of kreuzberg into a reason of one clause."""
    text = str(error).split("\n")[0]
    text = re.sub(r"^(?:\w*Error: )+", "", text)
    if re.search(r"password|encrypt", text, re.I):
        return "it is encrypted; save a copy without the password"
    return f"it is damaged or not what it seems: {text[:200]}"


class _Nodes:
    """Walks over kreuzberg's nodes in reading order and makes parts of them."""

    def __init__(self, nodes: Sequence[Mapping[str, Any]], kind: str) -> None:
        self.nodes = nodes
        self.slides = kind in _SLIDES
        self.page: int | None = 1 if self.slides else None
        self.list_open = False

    def parts(self) -> Iterator[Part]:
        for node in self.nodes:
            content = node["content"]
            kind = content["node_type"]
            if kind in ("group", "list", "slide", "page_break"):
                continue
            part = self._part(node, content, kind)
            if part is not None:
                self.list_open = kind == "list_item"
                yield part

    def _part(self, node: Mapping[str, Any], content: Mapping[str, Any], kind: str) -> Part | None:
        if kind == "table":
            rows = _rows(content["grid"])
            return Part(table(rows), "table", page=self.page) if rows else None
        text = str(content.get("text") or content.get("description") or "")
        marked = _MARKED.search(text)
        if marked:
            self.page = int(marked.group(1)) if self.slides else self.page
            text = _MARKED.sub("", text)
        text = self._plain(text, kind)
        if not text:
            return None
        if kind in ("heading", "title"):
            return Part(" ".join(text.split()), "heading", int(content.get("level") or 1), page=self.page)
        if kind == "code":
            return Part(f"```{content.get('language') or ''}\n{text}\n```", "code", page=self.page)
        if kind == "list_item":
            depth, ordered = self._list_of(node)
            mark = "1. " if ordered else "- "
            glue = "\n" if self.list_open else "\n\n"
            return Part("  " * depth + mark + text.replace("\n", " "), page=self.page, glue=glue)
        return Part(text, page=self.page)

    def _plain(self, text: str, kind: str) -> str:
        """Drop the marks that kreuzberg leaves in the text of slides, and images but for what they show."""
        if kind == "image":
            return f"[{' '.join(text.split())}]" if len(text.split()) > 2 or _is_chinese(text) else ""
        if self.slides:
            text = _IMAGE.sub(lambda found: f"[{' '.join(found[1].split())}]" if found[1].strip() else "", text)
            text = _BOLD.sub("", text)
            return "" if text.strip() in ("-", "") else text.strip()
        return text.strip()

    def _list_of(self, node: Mapping[str, Any]) -> tuple[int, bool]:
        """Return how many lists lie around the list of an item, and whether that list is numbered."""
        lists = []
        parent = node.get("parent")
        while parent is not None:
            above = self.nodes[parent]
            if above["content"]["node_type"] == "list":
                lists.append(bool(above["content"].get("ordered")))
            parent = above.get("parent")
        return max(0, len(lists) - 1), bool(lists and lists[0])


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text) and len(text) > 3


def _rows(grid: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of a table that have any text, without columns that are empty throughout."""
    rows = [[""] * int(grid["cols"]) for _ in range(int(grid["rows"]))]
    for cell in grid["cells"]:
        if cell["row"] < len(rows) and cell["col"] < len(rows[cell["row"]]):
            rows[cell["row"]][cell["col"]] = str(cell["content"])
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    used = [any(row[at].strip() for row in rows) for at in range(int(grid["cols"]))]
    return [[cell for cell, keep in zip(row, used, strict=True) if keep] for row in rows]


def _title(meta: Mapping[str, Any], kind: str) -> str:
    title = str(meta.get("title") or "")
    return "" if kind in _SLIDES and re.fullmatch(r"(?:Slide \d+|PowerPoint .*)", title) else title


def _metadata(meta: Mapping[str, Any], kind: str) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for name in ("subject", "keywords", "category", "company"):
        value = meta.get(name)
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
        if text:
            found[name] = text
    if kind in _SHEETS and meta.get("sheet_names"):
        found["sheets"] = ", ".join(str(name) for name in meta["sheet_names"])
    return found
