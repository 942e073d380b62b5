"""PowerPoint (PPTX, ECMA-376 part 1): the text of each slide in the order of reading, tables, charts, and notes.

Read directly, for kreuzberg leaves out speaker's notes and the data of charts.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from xml.etree import ElementTree

from trivium.documents.parts import Part, Reading, Unreadable
from trivium.documents.readers.ooxml import Package
from trivium.documents.structure import table

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MAIN = "ppt/presentation.xml"
_TITLES = frozenset({"title", "ctrTitle"})
_RUNNING = frozenset({"sldNum", "dt", "ftr", "hdr"})
_LISTS = frozenset({"body", "obj", ""})
_ROW = 360_000
"""Shapes whose tops differ by less than this (1 cm, in EMU) stand in one row."""

_MAX_DEPTH = 20
_TITLE_LENGTH = 60
_JUNK_TITLE = re.compile(r"(?:Slide \d+|PowerPoint .*|Presentation\d*|演示文稿\d*)", re.I)


def read_slides(data: bytes) -> Reading:
    """Read a presentation whose container was checked (`archive.check_archive`). Slides are its pages.

    Raises:
        Unreadable: the presentation's own file is missing or broken.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        package = Package(archive)
        warnings: list[str] = []
        parts: list[Part] = []
        try:
            slides = _slides(package)
        except (KeyError, ElementTree.ParseError) as error:
            raise Unreadable(f"it is damaged: its list of slides cannot be read ({error})") from error
        for number, name in enumerate(slides, 1):
            try:
                parts.extend(_Slide(package, name, number).parts())
            except (KeyError, ElementTree.ParseError) as error:
                warnings.append(f"slide {number} is damaged and was left out ({error})")
        fields = package.properties()
    title = fields.get("title", "")
    if not title or _JUNK_TITLE.fullmatch(title):
        title = next((part.text for part in parts if part.kind == "heading"), "")
    return Reading(
        parts,
        title=title,
        author=fields.get("creator", ""),
        created=fields.get("created", ""),
        modified=fields.get("modified", ""),
        metadata={"slides": len(slides)},
        warnings=tuple(warnings),
    )


def _slides(package: Package) -> list[str]:
    """Return the names of the slides in order."""
    related = package.related(_MAIN)
    listed = package.xml(_MAIN).iter(f"{_P}sldId")
    return [related[item.get(f"{_R}id", "")][1] for item in listed if item.get(f"{_R}id", "") in related]


@dataclass(frozen=True, slots=True)
class _Shape:
    """A shape's parts, and where it stands, if it says so."""

    parts: list[Part]
    title: bool
    place: tuple[int, int] | None


class _Slide:
    """One slide."""

    def __init__(self, package: Package, name: str, number: int) -> None:
        self.package = package
        self.number = number
        self.root = package.xml(name)
        self.related = package.related(name)

    def parts(self) -> list[Part]:
        """Return the title, then the shapes from the top to the foot, then the notes."""
        tree = self.root.find(f"{_P}cSld/{_P}spTree")
        shapes = list(self._shapes(tree, 0)) if tree is not None else []
        titles = [shape for shape in shapes if shape.title]
        others = [shape for shape in shapes if not shape.title]
        if all(shape.place is not None for shape in others):
            others.sort(key=lambda shape: shape.place or (0, 0))
            if not titles and len(others) > 1 and _heads(others[0], others[1]):
                top = replace(others[0].parts[0], kind="heading", level=2)
                others[0] = _Shape([top], True, others[0].place)
        parts = [part for shape in [*titles, *others] for part in shape.parts]
        return [*parts, *self._notes()]

    def _shapes(self, tree: ElementTree.Element, depth: int) -> Iterator[_Shape]:
        """Yield the shapes of a tree in the order of the file; those of a group stay together."""
        for item in tree:
            kind = str(item.tag).removeprefix(_P)
            if kind == "sp":
                yield from self._text_shape(item)
            elif kind == "grpSp" and depth < _MAX_DEPTH:
                inner = [part for shape in self._shapes(item, depth + 1) for part in shape.parts]
                yield _Shape(inner, False, _place(item.find(f"{_P}grpSpPr/{_A}xfrm")))
            elif kind == "graphicFrame":
                yield _Shape(list(self._graphic(item)), False, _place(item.find(f"{_P}xfrm")))
            elif kind == "pic":
                text = _described(item)
                parts = [Part(f"[{text}]", page=self.number)] if text else []
                yield _Shape(parts, False, _place(item.find(f"{_P}spPr/{_A}xfrm")))

    def _text_shape(self, item: ElementTree.Element) -> Iterator[_Shape]:
        holder = item.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
        role = holder.get("type", "") if holder is not None else "shape"
        body = item.find(f"{_P}txBody")
        if role in _RUNNING or body is None:
            return
        lines = _paragraphs(body)
        if not lines:
            return
        place = _place(item.find(f"{_P}spPr/{_A}xfrm"))
        if role in _TITLES:
            text = " ".join(text for _, text in lines).replace("\n", " ")
            yield _Shape([Part(text, "heading", 2 if self.number > 1 else 1, self.number)], True, place)
        elif role in _LISTS and len(lines) > 1:
            parts = [
                Part(f"{'  ' * level}- {text}", page=self.number, glue="\n" if at else "\n\n")
                for at, (level, text) in enumerate(lines)
            ]
            yield _Shape(parts, False, place)
        else:
            yield _Shape([Part("\n".join(text for _, text in lines), page=self.number)], False, place)

    def _graphic(self, item: ElementTree.Element) -> Iterator[Part]:
        """Yield a table, the data of a chart, or the words of a diagram."""
        grid = item.find(f".//{_A}tbl")
        if grid is not None:
            yield Part(table(_cells(grid)), "table", page=self.number)
            return
        for reference in item.iter():
            target = self.related.get(reference.get(f"{_R}id", "") or reference.get(f"{_R}dm", ""))
            if target is None:
                continue
            if target[0] == "chart":
                yield from _chart(self.package.xml(target[1]), self.number)
            elif target[0] == "diagramData":
                root = self.package.xml(target[1])
                words = [" ".join("".join(p.itertext()).split()) for p in root.iter(f"{_A}p")]
                yield from (Part(f"- {word}", page=self.number, glue="\n") for word in words if word)

    def _notes(self) -> Iterator[Part]:
        """Yield what the speaker notes to the slide."""
        for kind, name in self.related.values():
            if kind != "notesSlide":
                continue
            for item in self.package.xml(name).iter(f"{_P}sp"):
                holder = item.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
                body = item.find(f"{_P}txBody")
                if body is not None and holder is not None and holder.get("type") == "body":
                    text = "\n".join(text for _, text in _paragraphs(body))
                    if text:
                        yield Part(f"Notes: {text}", page=self.number)


def _heads(first: _Shape, second: _Shape) -> bool:
    """Whether the topmost shape of a slide without a title serves as one: a short line with a row to itself."""
    text = first.parts[0].text if len(first.parts) == 1 and first.parts[0].kind == "prose" else ""
    alone = first.place is not None and second.place is not None and first.place[0] < second.place[0]
    return alone and "\n" not in text and 1 < len(text) <= _TITLE_LENGTH and any(c.isalpha() for c in text)


def _place(transform: ElementTree.Element | None) -> tuple[int, int] | None:
    """Return the row and the left edge of a shape."""
    offset = transform.find(f"{_A}off") if transform is not None else None
    if offset is None:
        return None
    try:
        return int(offset.get("y", "0")) // _ROW, int(offset.get("x", "0"))
    except ValueError:
        return None


def _described(item: ElementTree.Element) -> str:
    """Return what a picture shows, where its author says so in more than a name."""
    properties = item.find(f"{_P}nvPicPr/{_P}cNvPr")
    text = " ".join(properties.get("descr", "").split()) if properties is not None else ""
    return text if len(text.split()) > 2 or (len(text) > 3 and not text.isascii()) else ""


def _paragraphs(body: ElementTree.Element) -> list[tuple[int, str]]:
    """Return the paragraphs of a shape that hold text, with the level of each in its list."""
    found = []
    for paragraph in body.iter(f"{_A}p"):
        text = _text(paragraph).strip()
        properties = paragraph.find(f"{_A}pPr")
        level = properties.get("lvl", "0") if properties is not None else "0"
        if text:
            found.append((int(level) if level.isdecimal() else 0, text))
    return found


def _text(paragraph: ElementTree.Element) -> str:
    """Return the text of a paragraph; its line breaks stay."""
    pieces = []
    for item in paragraph.iter():
        if item.tag == f"{_A}t":
            pieces.append(item.text or "")
        elif item.tag == f"{_A}br":
            pieces.append("\n")
    return "".join(pieces)


def _cells(grid: ElementTree.Element) -> list[list[str]]:
    """Return the rows of a table; merged cells repeat the text of the first."""
    rows: list[list[str]] = []
    for line in grid.iter(f"{_A}tr"):
        row: list[str] = []
        for cell in line.iter(f"{_A}tc"):
            if cell.get("hMerge") in ("1", "true") and row:
                row.append(row[-1])
            elif cell.get("vMerge") in ("1", "true") and rows and len(rows[-1]) > len(row):
                row.append(rows[-1][len(row)])
            else:
                row.append(" ".join(_text(p) for p in cell.iter(f"{_A}p")).strip())
        rows.append(row)
    return rows


def _chart(root: ElementTree.Element, page: int) -> Iterator[Part]:
    """Yield the title and the data of a chart: a row per category, a column per series."""
    title = root.find(f".//{_C}chart/{_C}title")
    words = " ".join("".join(_text(p) for p in title.iter(f"{_A}p")).split()) if title is not None else ""
    if words:
        yield Part(words, page=page)
    header = [""]
    columns: list[dict[int, str]] = []
    names: dict[int, str] = {}
    for series in root.iter(f"{_C}ser"):
        text = series.find(f"{_C}tx")
        header.append(_values(text).get(0, "") if text is not None else "")
        for tag in ("cat", "xVal"):
            labels = series.find(f"{_C}{tag}")
            names.update(_values(labels) if labels is not None else {})
        for tag in ("val", "yVal"):
            values = series.find(f"{_C}{tag}")
            if values is not None:
                columns.append(_values(values))
    places = sorted({at for column in columns for at in column})
    if places:
        rows = [[names.get(at, ""), *(column.get(at, "") for column in columns)] for at in places]
        yield Part(table([header, *rows]), "table", page=page)


def _values(element: ElementTree.Element) -> dict[int, str]:
    """Return the cached points of a chart's reference by their place."""
    found = {}
    for at, point in enumerate(element.iter(f"{_C}pt")):
        place = point.get("idx", "")
        found[int(place) if place.isdecimal() else at] = " ".join((point.findtext(f"{_C}v") or "").split())
    return found
