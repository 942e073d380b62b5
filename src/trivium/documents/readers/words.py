"""Word (DOCX, ECMA-376 part 1): headings by style, lists as numbered, tables, pages, notes.

Read directly, for kreuzberg drops `<` and `>` from the text of Word files, and most page breaks.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

from trivium.documents.parts import Part, Reading, Unreadable
from trivium.documents.readers.numbering import Numbering
from trivium.documents.readers.ooxml import Package
from trivium.documents.structure import table

_MAIN = "word/document.xml"
_GONE = frozenset({"del", "moveFrom", "Fallback", "instrText", "delText", "pPr", "rPr", "rt"})
"""What is not in the text that a reader sees: deletions, fallbacks for old programs, field codes, ruby."""

_PAGE = "\x0c"
_NOTE = "\x0e{}\x0f"
_CODE_STYLES = ("code", "source", "preformatted", "macro")
_MAX_DEPTH = 40


def read_words(data: bytes) -> Reading:
    """Read a document whose container was checked (`archive.check_archive`).

    Raises:
        Unreadable: its main part is missing or broken.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        package = Package(archive)
        try:
            related = package.related("")
            main = next((name for kind, name in related.values() if kind == "officeDocument"), _MAIN)
            document = _Document(package, main)
        except (KeyError, ElementTree.ParseError) as error:
            raise Unreadable(f"it is damaged: its main part cannot be read ({error})") from error
        parts = list(document.parts())
        fields = package.properties()
    return Reading(
        parts,
        title=fields.get("title", ""),
        author=fields.get("creator", ""),
        created=fields.get("created", ""),
        modified=fields.get("modified", ""),
        warnings=tuple(document.warnings),
    )


@dataclass(slots=True)
class _Style:
    """A paragraph style: its name in English, its heading level or 0, its list."""

    name: str = ""
    level: int = 0
    list_id: str = ""
    list_level: int = 0


@dataclass(slots=True)
class _Line:
    """A paragraph's text, with marks for page breaks and notes, and the text boxes that hang on it."""

    text: str
    boxes: list[ElementTree.Element] = field(default_factory=list)


class _Document:
    """Walks over the body once."""

    def __init__(self, package: Package, main: str) -> None:
        self.package = package
        self.warnings: list[str] = []
        self.root = package.xml(main)
        self.w = self.root.tag[: self.root.tag.index("}") + 1]
        self.related = package.related(main)
        self.styles = self._styles()
        self.numbering = Numbering(self._part("numbering"), self.w)
        self.notes = self._notes("footnotes") | self._notes("endnotes")
        # Word marks where its pages broke when it last laid out the text; other programs only the breaks asked for.
        self.rendered = next(self.root.iter(f"{self.w}lastRenderedPageBreak"), None) is not None
        self.page = 1

    def parts(self) -> Iterator[Part]:
        """Yield the parts of the body; runs of code paragraphs become one block."""
        body = self.root.find(f"{self.w}body")
        code: list[str] = []
        for part in self._blocks(body, 0) if body is not None else ():
            if part.kind == "code":
                code.append(part.text)
                continue
            if code:
                yield Part("```\n" + "\n".join(code) + "\n```", "code", page=part.page)
                code = []
            yield part
        if code:
            yield Part("```\n" + "\n".join(code) + "\n```", "code", page=self.page)

    # Parts of the package

    def _part(self, kind: str) -> ElementTree.Element | None:
        """Return the root of a related part; one that is broken is reported and left out."""
        for found, name in self.related.values():
            if found == kind:
                try:
                    return self.package.xml(name)
                except (KeyError, ElementTree.ParseError) as error:
                    self.warnings.append(f"its {kind} cannot be read ({error})")
        return None

    def _styles(self) -> dict[str, _Style]:
        """Return the paragraph styles by id; what a style does not say it takes from the one it is based on."""
        root = self._part("styles")
        if root is None:
            return {}
        elements = {item.get(f"{self.w}styleId", ""): item for item in root.iter(f"{self.w}style")}
        return {name: self._style(name, elements, 0) for name in elements}

    def _style(self, name: str, elements: dict[str, ElementTree.Element], depth: int) -> _Style:
        item = elements.get(name)
        if item is None or depth > _MAX_DEPTH:
            return _Style()
        based = self._style(self._value(item, "basedOn"), elements, depth + 1)
        label = self._value(item, "name").lower()
        outline = self._value(item, "pPr/outlineLvl")
        level = int(outline) + 1 if outline.isdecimal() and int(outline) < 9 else 0
        if not level and label.startswith("heading ") and label[8:].isdecimal():
            level = int(label[8:])
        if label == "title":
            level = 1
        list_id = self._value(item, "pPr/numPr/numId")
        list_level = self._value(item, "pPr/numPr/ilvl")
        return _Style(
            label,
            level or based.level,
            list_id or based.list_id,
            int(list_level) if list_level.isdecimal() else based.list_level,
        )

    def _value(self, item: ElementTree.Element, path: str) -> str:
        """Return the `val` of the element at a path, or an empty string."""
        found = item.find("/".join(f"{self.w}{step}" for step in path.split("/")))
        return found.get(f"{self.w}val", "") if found is not None else ""

    def _notes(self, kind: str) -> dict[str, str]:
        """Return the texts of the notes by kind and id."""
        root = self._part(kind)
        if root is None:
            return {}
        notes = {}
        for item in root:
            if item.get(f"{self.w}type") is None:  # others are the lines that part notes from the text
                lines = (self._line(paragraph).text for paragraph in item.iter(f"{self.w}p"))
                notes[f"{kind}{item.get(f'{self.w}id', '')}"] = " ".join(" ".join(lines).replace(_PAGE, "").split())
        return notes

    # The body

    def _blocks(self, parent: ElementTree.Element, depth: int) -> Iterator[Part]:
        """Yield the parts of the paragraphs and tables under an element."""
        if depth > _MAX_DEPTH:
            return
        for item in parent:
            kind = _local(item)
            if kind == "p":
                yield from self._paragraph(item, depth)
            elif kind == "tbl":
                yield from self._table(item)
            elif kind in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag", "AlternateContent", "Choice"):
                yield from self._blocks(item, depth + 1)

    def _paragraph(self, item: ElementTree.Element, depth: int) -> Iterator[Part]:
        style = self.styles.get(self._value(item, "pPr/pStyle"), _Style())
        line = self._line(item)
        if not style.name.startswith("toc "):
            yield from self._text_parts(item, style, line)
        else:
            self.page += line.text.count(_PAGE)
        for box in line.boxes:
            yield from self._blocks(box, depth + 1)
        section = item.find(f"{self.w}pPr/{self.w}sectPr")
        if section is not None and not self.rendered and self._value(section, "type") in ("", "nextPage"):
            self.page += 1

    def _text_parts(self, item: ElementTree.Element, style: _Style, line: _Line) -> Iterator[Part]:
        """Yield a paragraph, cut where a page breaks, and the notes it refers to."""
        text, notes = self._without_notes(line.text)
        marker, depth = self._marker(item, style) if text.replace(_PAGE, "").strip() else ("", 0)
        outline = self._value(item, "pPr/outlineLvl")
        level = int(outline) + 1 if outline.isdecimal() and int(outline) < 9 else style.level
        glue = "\n" if marker and not level else "\n\n"
        for at, piece in enumerate(text.split(_PAGE)):
            if at:
                self.page += 1
            if not piece.strip():
                continue
            if level:
                yield Part(f"{marker} {' '.join(piece.split())}".strip(), "heading", level, self.page)
            elif any(word in style.name for word in _CODE_STYLES):
                yield Part(piece, "code", page=self.page)
            else:
                lead = f"{'  ' * depth}{marker} " if marker else ""
                yield Part(lead + piece.strip(), page=self.page, glue=glue)
            # The rest of the paragraph goes on on the next page.
            marker, glue = "", " " if piece[-1:].isspace() else ""
        for note in notes:
            yield Part(f"Note: {note}", page=self.page)

    def _marker(self, item: ElementTree.Element, style: _Style) -> tuple[str, int]:
        """Return the number or bullet that Word prints before a paragraph, and how deep its list lies."""
        list_id = self._value(item, "pPr/numPr/numId") or style.list_id
        level = self._value(item, "pPr/numPr/ilvl")
        depth = int(level) if level.isdecimal() else style.list_level
        return (self.numbering.next(list_id, depth), depth) if list_id not in ("", "0") else ("", 0)

    def _without_notes(self, text: str) -> tuple[str, list[str]]:
        """Return a text without the marks of its notes, and the notes."""
        found = []
        pieces = text.split("\x0e")
        kept = [pieces[0]]
        for piece in pieces[1:]:
            name, _, rest = piece.partition("\x0f")
            if self.notes.get(name):
                found.append(self.notes[name])
            kept.append(rest)
        return "".join(kept), found

    def _line(self, paragraph: ElementTree.Element) -> _Line:
        """Return what a reader sees of a paragraph."""
        line = _Line("")
        pieces: list[str] = []
        self._collect(paragraph, pieces, line.boxes)
        line.text = "".join(pieces)
        return line

    def _collect(self, parent: ElementTree.Element, pieces: list[str], boxes: list[ElementTree.Element]) -> None:
        for item in parent:
            kind = _local(item)
            if kind == "t":
                pieces.append((item.text or "").replace(_PAGE, ""))
            elif kind == "txbxContent":
                boxes.append(item)
            elif kind in ("tab", "ptab"):
                pieces.append("\t")
            elif kind in ("br", "cr"):
                is_page = item.get(f"{self.w}type") == "page"
                pieces.append("\n" if not is_page else _PAGE if not self.rendered else "")
            elif kind == "lastRenderedPageBreak":
                pieces.append(_PAGE)
            elif kind == "noBreakHyphen":
                pieces.append("-")
            elif kind in ("footnoteReference", "endnoteReference"):
                pieces.append(_NOTE.format(f"{kind[:-9]}s{item.get(f'{self.w}id', '')}"))
            elif kind == "docPr":
                pieces.append(_described(item))
            elif kind not in _GONE:
                self._collect(item, pieces, boxes)

    def _table(self, item: ElementTree.Element) -> Iterator[Part]:
        """Yield a table; one of a single cell is a frame around text."""
        start = self.page
        rows: list[list[str]] = []
        for line in self._children(item, "tr"):
            row: list[str] = []
            for cell in self._children(line, "tc"):
                span = self._value(cell, "tcPr/gridSpan")
                merge = cell.find(f"{self.w}tcPr/{self.w}vMerge")
                goes_on = merge is not None and merge.get(f"{self.w}val", "continue") == "continue"
                above = rows[-1] if goes_on and rows else []
                text = above[len(row)] if len(above) > len(row) else self._cell(cell)
                row.extend([text] * (min(int(span), 100) if span.isdecimal() else 1))
            rows.append(row)
        if sum(len(row) for row in rows) == 1 and rows:
            yield Part(rows[0][0] if rows[0] else "", page=start)
        elif any(cell for row in rows for cell in row):
            yield Part(table(rows), "table", page=start)

    def _children(self, parent: ElementTree.Element, kind: str) -> Iterator[ElementTree.Element]:
        """Yield the rows of a table or the cells of a row, also those wrapped in controls and insertions."""
        for item in parent:
            if _local(item) == kind:
                yield item
            elif _local(item) in ("sdt", "sdtContent", "customXml", "ins"):
                yield from self._children(item, kind)

    def _cell(self, cell: ElementTree.Element) -> str:
        """Return the text of a cell on one line, with that of tables inside it."""
        texts = []
        for paragraph in cell.iter(f"{self.w}p"):
            text, notes = self._without_notes(self._line(paragraph).text)
            self.page += text.count(_PAGE)
            texts += [text.replace(_PAGE, ""), *notes]
        return " ".join(" ".join(texts).split())


def _local(item: ElementTree.Element) -> str:
    """Return the name of an element without its namespace."""
    return item.tag.rsplit("}", 1)[-1] if isinstance(item.tag, str) else ""


def _described(item: ElementTree.Element) -> str:
    """Return what a picture shows, where its author says so in more than a name."""
    text = " ".join(item.get("descr", "").split())
    return f" [{text}] " if len(text.split()) > 2 or (len(text) > 3 and not text.isascii()) else ""
