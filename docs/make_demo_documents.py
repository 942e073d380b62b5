"""Makes the documents of `trivium demo` from the pages of docs/: the same words as Markdown, HTML, DOCX and PDF.

    python docs/make_demo_documents.py          # or: make demo-documents

The formats are written by hand, with the standard library alone, and come out the same, byte for byte, each time.
A test makes them again and compares.
"""

from __future__ import annotations

import html
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

DOCS = Path(__file__).parent
DEMO = DOCS.parent / "src" / "trivium" / "data" / "demo"
FORMATS = {
    "getting-started": "md",
    "how-it-works": "pdf",
    "access": "docx",
    "models": "html",
    "command-line": "md",
    "python": "md",
    "zh/getting-started": "html",
    "zh/how-it-works": "pdf",
    "zh/access": "docx",
    "zh/models": "md",
    "zh/command-line": "md",
}


@dataclass(frozen=True)
class Block:
    """A heading (`h1`, `h2`, ...), paragraph (`p`), list item (`li`, `ol`), code (`pre`) or table row (`tr`)."""

    kind: str
    text: str
    cells: tuple[str, ...] = ()


def plain(text: str) -> str:
    """Return the words of Markdown's inline marks."""
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return re.sub(r"`([^`]+)`|\*\*", lambda mark: mark[1] or "", text)


def blocks(markdown: str) -> Iterator[Block]:
    """Read the part of Markdown that the pages use."""
    for piece in re.findall(r"^```(?s:.*?)^```$|(?:^(?!```).+$\n?)+", markdown, re.MULTILINE):
        piece = piece.strip()
        lines = piece.split("\n")
        if piece.startswith("```"):
            yield Block("pre", "\n".join(lines[1:-1]))
        elif heading := re.match(r"(#+) (.*)", piece):
            yield Block(f"h{len(heading[1])}", plain(heading[2]))
        elif piece.startswith("|"):
            for line in lines:
                if not re.fullmatch(r"[|\-: ]+", line):
                    cells = tuple(plain(cell.strip()) for cell in line.strip("|").split("|"))
                    yield Block("tr", " ".join(cells), cells)
        elif re.match(r"(-|\d+\.) ", piece):
            for item in re.split(r"\n(?=(?:-|\d+\.) )", piece):
                kind = "li" if item.startswith("-") else "ol"
                text = join_lines(item.split("\n"))
                yield Block(kind, plain(text[2:] if kind == "li" else text))
        else:
            yield Block("p", plain(join_lines(lines)))


def join_lines(lines: list[str]) -> str:
    """Join the lines of a paragraph: Chinese without a space."""
    text = " ".join(line.strip() for line in lines)
    return re.sub(r"(?<=[\u3000-\u9fff\uff00-\uffef]) (?=[\u3000-\u9fff\uff00-\uffef])", "", text)


# -- HTML -----------------------------------------------------------------------------------------------------------


def as_html(page: list[Block], language: str) -> bytes:
    """Return a small web page."""
    body = []
    for kind, run in grouped(page):
        if kind == "tr":
            rows = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in b.cells) + "</tr>\n" for b in run)
            body.append(f"<table>\n{rows}</table>")
        elif kind in ("li", "ol"):
            tag = "ul" if kind == "li" else "ol"
            items = "".join(f"<li>{html.escape(re.sub(r'^[0-9]+[.] ', '', b.text))}</li>\n" for b in run)
            body.append(f"<{tag}>\n{items}</{tag}>")
        else:
            body += [f"<{kind}>{html.escape(b.text)}</{kind}>" for b in run]
    title = html.escape(page[0].text)
    head = f'<!DOCTYPE html>\n<html lang="{language}">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
    return (head + "<body>\n" + "\n".join(body) + "\n</body>\n</html>\n").encode()


def grouped(page: list[Block]) -> Iterator[tuple[str, list[Block]]]:
    """Put neighbouring blocks of one kind together."""
    run: list[Block] = []
    for block in page:
        if run and block.kind != run[-1].kind:
            yield run[0].kind, run
            run = []
        run.append(block)
    if run:
        yield run[0].kind, run


# -- DOCX -----------------------------------------------------------------------------------------------------------

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def as_docx(page: list[Block], language: str) -> bytes:
    """Return a Word document (ECMA-376): the smallest package with headings, lists, code and tables."""
    body = []
    for kind, run in grouped(page):
        if kind == "tr":
            cell = "<w:tc><w:tcPr/>{}</w:tc>"
            rows = ("<w:tr>" + "".join(cell.format(_paragraph(c)) for c in b.cells) + "</w:tr>" for b in run)
            grid = "<w:gridCol/>" * len(run[0].cells)
            body.append(f"<w:tbl><w:tblPr/><w:tblGrid>{grid}</w:tblGrid>{''.join(rows)}</w:tbl>")
            continue
        style = {"h1": "Heading1", "h2": "Heading2", "h3": "Heading3", "li": "ListParagraph", "pre": "Code"}.get(
            kind, ""
        )
        for block in run:
            body += [_paragraph(line, style) for line in block.text.split("\n")]
    types = "".join(
        f'<Override PartName="/{part}" ContentType="application/vnd.openxmlformats-{kind}+xml"/>'
        for part, kind in (
            ("word/document.xml", "officedocument.wordprocessingml.document.main"),
            ("word/styles.xml", "officedocument.wordprocessingml.styles"),
            ("docProps/core.xml", "package.core-properties"),
        )
    )
    default = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">{default}{types}</Types>',
        "_rels/.rels": _relations(
            (f"{_OFFICE}/officeDocument", "word/document.xml"),
            (f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
        ),
        "word/_rels/document.xml.rels": _relations((f"{_OFFICE}/styles", "styles.xml")),
        "word/document.xml": f"<w:document {_W}><w:body>{''.join(body)}</w:body></w:document>",
        "word/styles.xml": f"<w:styles {_W}>{_styles()}</w:styles>",
        "docProps/core.xml": (
            f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<dc:title>{escape(page[0].text)}</dc:title><dc:language>{language}</dc:language></cp:coreProperties>"
        ),
    }
    return _zip({name: (_XML + text).encode() for name, text in parts.items()})


def _paragraph(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def _styles() -> str:
    def style(name: str, shown: str, properties: str) -> str:
        return f'<w:style w:type="paragraph" w:styleId="{name}"><w:name w:val="{shown}"/>{properties}</w:style>'

    headings = "".join(
        style(
            f"Heading{n}",
            f"heading {n}",
            f'<w:pPr><w:outlineLvl w:val="{n - 1}"/></w:pPr><w:rPr><w:b/><w:sz w:val="{40 - 6 * n}"/></w:rPr>',
        )
        for n in (1, 2, 3)
    )
    code = '<w:rPr><w:rFonts w:ascii="Courier New"/></w:rPr>'
    return headings + style("ListParagraph", "List Paragraph", "") + style("Code", "Code", code)


def _relations(*pairs: tuple[str, str]) -> str:
    inner = "".join(f'<Relationship Id="r{n}" Type="{kind}" Target="{part}"/>' for n, (kind, part) in enumerate(pairs))
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{inner}</Relationships>'


def _zip(parts: dict[str, bytes]) -> bytes:
    import io

    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))  # no clock, so that the file is the same each time
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)  # stored: the same bytes whatever the version of zlib
    return memory.getvalue()


# -- PDF ------------------------------------------------------------------------------------------------------------

_HELVETICA = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 "
    "584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 "
    "667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 "
    "278 556 500 722 500 500 500 334 260 334 584"
)
_WIDTHS = {chr(32 + n): int(width) / 1000 for n, width in enumerate(_HELVETICA.split())}
_PAGE_WIDTH, _PAGE_HEIGHT, _MARGIN = 595, 842, 72
_SIZES = {"h1": 20, "h2": 15, "h3": 12.5}
_NOT_FIRST = "，。、；：！？）》”’」』,.;:!?)"


def width(text: str) -> float:
    """Return the width of `text` in ems: Helvetica's own for ASCII, one em for Chinese."""
    return sum(_WIDTHS.get(c, 1.0 if c >= "\u2e80" else 0.556) for c in text)


def wrapped(text: str, size: float, room: float) -> Iterator[str]:
    """Cut a paragraph into lines: between words, and between Chinese characters."""
    line = ""
    for word in re.findall(r"[\u2e80-\uffef][，。、；：！？）》”’」』]*|[^\s\u2e80-\uffef]+|\s+", text):
        if line.strip() and width(line + word.rstrip()) * size > room and word[0] not in _NOT_FIRST:
            yield line.strip()
            line = ""
        line += word
    if line.strip():
        yield line.strip()


def as_pdf(page: list[Block], language: str) -> bytes:
    """Return a PDF of A4 pages with a footer. English in Helvetica, Chinese in the reader's own song type."""
    pages: list[list[str]] = [[]]
    y = float(_PAGE_HEIGHT - _MARGIN)
    for block in page:
        if block.kind == "tr":
            sys.exit("the PDF pages have no tables: write the page in another format")
        size = _SIZES.get(block.kind, 10.5)
        font = "F2" if block.kind in _SIZES else "F1"
        indent = 14.0 if block.kind in ("li", "ol", "pre") else 0.0
        y -= 0.9 * size if block.kind in _SIZES else 0.5 * size
        lines = (
            block.text.split("\n")
            if block.kind == "pre"
            else list(wrapped(block.text, size, _PAGE_WIDTH - 2 * _MARGIN - indent))
        )
        # A heading does not stand alone at the foot of a page.
        need = size * 1.4 * (len(lines) + 2 if block.kind in _SIZES else min(len(lines), 2))
        if y - need < _MARGIN:
            pages.append([])
            y = float(_PAGE_HEIGHT - _MARGIN)
        for line in lines:
            if y - 1.4 * size < _MARGIN:
                pages.append([])
                y = float(_PAGE_HEIGHT - _MARGIN)
            y -= 1.4 * size
            pages[-1].append(_text(line, font, size, _MARGIN + indent, y))
    for number, content in enumerate(pages, 1):
        content.append(_text(f"Trivium  {number}", "F1", 8, _MARGIN, _MARGIN / 2))
    return _pdf(["\n".join(content).encode("ascii") for content in pages], page[0].text, language)


def _text(line: str, font: str, size: float, x: float, y: float) -> str:
    """Return the operators that draw one line, changing the font where the script changes."""
    shown = []
    for run in re.findall(r"[\u2e80-\uffef“”’‘…]+|[^\u2e80-\uffef“”’‘…]+", line):
        if run[0] < "\u0100":
            data = run.encode("cp1252").hex()
            shown.append(f"/{font} {size} Tf <{data}> Tj")
        else:
            shown.append(f"/F3 {size} Tf <{run.encode('utf-16-be').hex()}> Tj")
    return f"BT {x:g} {y:.1f} Td {' '.join(shown)} ET"


def _pdf(contents: list[bytes], title: str, language: str) -> bytes:
    """Write the objects, the cross-reference table and the trailer (ISO 32000-1, 7.5)."""
    first_page = 9
    kids = " ".join(f"{first_page + 2 * n} 0 R" for n in range(len(contents)))
    base = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R /Lang ({language}) >>".encode(),
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        base.format("Helvetica").encode(),
        base.format("Helvetica-Bold").encode(),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [6 0 R] >>",
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /DW 1000 /FontDescriptor 7 0 R"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> >>",
        b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0"
        b" /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>",
        b"<< /Title <feff" + title.encode("utf-16-be").hex().encode() + b"> /Producer (Trivium) >>",
    ]
    for n, content in enumerate(contents):
        resources = "/Resources << /Font << /F1 3 0 R /F2 4 0 R /F3 5 0 R >> >>"
        box = f"/MediaBox [0 0 {_PAGE_WIDTH} {_PAGE_HEIGHT}]"
        here = first_page + 2 * n
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} {resources} /Contents {here + 1} 0 R >>".encode())
        objects.append(_stream(content))
    out = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, data in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, data)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 8 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _stream(data: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(data), data)


WRITERS = {"html": as_html, "docx": as_docx, "pdf": as_pdf}


def make() -> dict[str, bytes]:
    """Return the demo's documents by their path within the demo's folder."""
    made = {}
    for name, suffix in FORMATS.items():
        text = (DOCS / f"{name}.md").read_text("utf-8")
        language, _, page = name.rpartition("/")
        language = language or "en"
        path = f"{language}/{page}.{suffix}"
        made[path] = text.encode() if suffix == "md" else WRITERS[suffix](list(blocks(text)), language)
    return made


def main() -> None:
    """Write the documents, and delete those that are no longer made."""
    made = make()
    for old in sorted(DEMO.rglob("*.*")) if DEMO.exists() else ():
        if old.relative_to(DEMO).as_posix() not in made:
            old.unlink()
    for path, data in made.items():
        (DEMO / path).parent.mkdir(parents=True, exist_ok=True)
        (DEMO / path).write_bytes(data)
        sys.stdout.write(f"{path}: {len(data):,} bytes\n")


if __name__ == "__main__":
    main()
