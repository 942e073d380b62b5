"""JSON, JSON Lines and XML as text a person can read and a search can find: names beside their values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from trivium.documents.parts import Part, Reading
from trivium.documents.structure import table

_MAX_DEPTH = 60
_INLINE = 80
_TEXT_FIELDS = ("text", "content", "body", "contents", "markdown")


def read_json(text: str) -> Reading:
    """Read one JSON value; Jupyter notebooks come out as their cells. Malformed JSON is kept as text, and reported."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        records = _lines(text)
        if records is not None:
            return _records(records, ())
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else f"it is not valid JSON ({error})"
        return Reading([Part(text, "code")], warnings=(f"{reason}; kept as plain text",))
    if isinstance(value, dict) and isinstance(value.get("cells"), list) and "nbformat" in value:
        return _notebook(value)
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return _records(value, ())
    return Reading([Part("\n".join(_lines_of(value)))])


def read_jsonl(text: str) -> Reading:
    """Read one JSON value per line; lines that are not valid are counted in a warning and left out."""
    records = []
    bad = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                records.append(json.loads(line))
            except (ValueError, RecursionError):
                bad.append(number)
    if bad and not records:
        return read_json(text)
    warning = ""
    if bad:
        warning = f"{len(bad)} of {len(bad) + len(records)} lines are not valid JSON, the first is line {bad[0]}"
    return _records(records, (warning,) if warning else ())


def _lines(text: str) -> list[Any] | None:
    """Return the records of JSON Lines under the name of JSON, or None."""
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return None


def _records(records: list[Any], warnings: tuple[str, ...]) -> Reading:
    """Flat records of the same fields make a table; others are paragraphs of `name: value` lines."""
    metadata = {"records": len(records)}
    if _is_flat(records):
        names = list(dict.fromkeys(name for record in records for name in record))
        rows = [names, *([_scalar(record.get(name)) for name in names] for record in records)]
        return Reading([Part(table(rows), "table")], metadata=dict(metadata), warnings=warnings)
    parts = [Part("\n".join(_lines_of(record))) for record in records]
    return Reading(parts, metadata=dict(metadata), warnings=warnings)


def _is_flat(records: list[Any]) -> bool:
    """Whether a table of the records would be readable: short scalars, few columns."""
    if len(records) < 2 or not all(isinstance(record, dict) and record for record in records):
        return False
    if len({name for record in records for name in record}) > 20:
        return False
    values = [value for record in records for value in record.values()]
    if any(isinstance(value, (dict, list)) for value in values):
        return False
    return all(len(_scalar(value)) <= 200 and "\n" not in _scalar(value) for value in values)


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _lines_of(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Yield `name: value` lines, nested ones indented; a text of several lines follows its name."""
    indent = "  " * min(depth, 10)
    label = f"{indent}{name}:" if name else ""
    if depth > _MAX_DEPTH:
        yield f"{label} …".strip()
    elif isinstance(value, dict):
        if label:
            yield label
        for key, item in value.items():
            yield from _lines_of(item, str(key), depth + bool(label))
    elif isinstance(value, list):
        if all(not isinstance(item, (dict, list)) for item in value) and sum(len(_scalar(i)) for i in value) <= _INLINE:
            yield (
                f"{label} {', '.join(_scalar(item) for item in value)}".strip()
                if label
                else ", ".join(map(_scalar, value))
            )
            return
        if label:
            yield label
        for item in value:
            lines = list(_lines_of(item, "", 0))
            yield from (f"{indent}{'- ' if at == 0 else '  '}{line}" for at, line in enumerate(lines))
    else:
        text = _scalar(value)
        yield f"{label} {text}" if label else f"{indent}{text}"


def _notebook(value: dict[str, Any]) -> Reading:
    """Return the cells of a Jupyter notebook: its Markdown and its code, without outputs."""
    from trivium.documents.structure import split_markdown

    language = str(value.get("metadata", {}).get("kernelspec", {}).get("language", "python"))
    parts: list[Part] = []
    for cell in value["cells"]:
        source = cell.get("source", "") if isinstance(cell, dict) else ""
        source = "".join(source) if isinstance(source, list) else str(source)
        if source.strip() and cell.get("cell_type") == "code":
            parts.append(Part(f"```{language}\n{source}\n```", "code"))
        elif source.strip():
            parts.extend(split_markdown(source))
    title = next((part.text for part in parts if part.kind == "heading"), "")
    return Reading(parts, title=title)


def read_xml(text: str) -> Reading:
    """Read XML as `name: text` lines, one paragraph per repeated element; feeds give a heading per entry.

    A document that is not well-formed is read as text without its tags, and reported. Entities are not expanded
    beyond those of XML itself, and nothing is fetched.
    """
    text = re.sub(r"\A\s*<\?xml[^>]*\?>", "", text)
    try:
        root = _tree(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        return _tagless(text, str(error))
    parts = list(_elements(root, 0))
    title = next((item.text.strip() for item in root.iter() if _name(item) == "title" and item.text), "")
    return Reading(parts, title=title)


def _tree(text: str) -> ElementTree.Element:
    """Parse XML; the commonest fault, a bare `&` in an address, is mended."""
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        mended = _BARE_AMPERSAND.sub("&amp;", text)
        if mended == text:
            raise
        return ElementTree.fromstring(mended)


def _name(element: ElementTree.Element) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _elements(element: ElementTree.Element, depth: int) -> Iterator[Part]:
    """Yield the parts of an element: those with children of their own become paragraphs."""
    leaves: list[str] = []
    for child in element:
        if not isinstance(child.tag, str):
            continue
        if len(child) and depth < _MAX_DEPTH and not _is_mixed(child):
            if leaves:
                yield from _leaves(leaves)
                leaves = []
            yield from _elements(child, depth + 1)
        else:
            content = _without_tags(" ".join("".join(child.itertext()).split()))
            if content:
                leaves.append(f"{_name(child)}: {content}")
    own = " ".join((element.text or "").split())
    if own and not len(element):
        leaves.append(_without_tags(own))
    yield from _leaves(leaves)


def _leaves(leaves: list[str]) -> Iterator[Part]:
    """A title among the leaves heads them."""
    if leaves and leaves[0].startswith("title: ") and len(leaves) > 1 and len(leaves[0]) < 200:
        yield Part(leaves[0].removeprefix("title: "), "heading", 2)
        leaves = leaves[1:]
    if leaves:
        yield Part("\n".join(leaves))


def _is_mixed(element: ElementTree.Element) -> bool:
    """Whether text stands between the children: then the element is a sentence with marked words."""
    tails = "".join(child.tail or "" for child in element)
    return bool((element.text or "").strip() and tails.strip())


def _without_tags(text: str) -> str:
    """Feeds carry escaped HTML inside their elements."""
    if "<" not in text:
        return text
    return " ".join(_ENTITY.sub(" ", _TAG.sub(" ", text)).split())


_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)")
_TAG = re.compile(r"<[/?!]?[A-Za-z][^<>]*>|<!--|-->")
_ENTITY = re.compile(r"&nbsp;|&#160;")


def _tagless(text: str, problem: str) -> Reading:
    """Return the words of broken XML."""
    import html

    words = html.unescape(_TAG.sub("\n", text.replace("<![CDATA[", "").replace("]]>", "")))
    lines = [" ".join(line.split()) for line in words.splitlines()]
    kept = "\n".join(line for line in lines if line)
    return Reading(
        [Part(kept)] if kept else [], warnings=(f"it is not well-formed XML ({problem}); its tags were dropped",)
    )
