"""PDF, through PDFium: text in reading order with its pages, headings by size, tables by place.

https://pypdfium2.readthedocs.io. What PDFium writes as Markdown itself, or kreuzberg on top of it, loses lines and
takes words for headings; here its characters and their boxes are read, and the layout is made from these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trivium.documents.clean import join_lines, running_lines
from trivium.documents.parts import Part, Reading, Unreadable
from trivium.documents.readers import pdf_stand_in
from trivium.documents.readers.image import BY_OCR, NEEDS_OCR, ocr_available, printed, recognise
from trivium.documents.readers.pdf_fonts import Letters, letters_by_name
from trivium.documents.readers.pdf_layout import join_pages, levels, page_parts, style_of
from trivium.documents.readers.pdf_lines import Line, PageText, ordered, page_lines

_UNMAPPED_SHARE = 0.05
_GARBAGE_SHARE = 0.3
_TOLD_SHARE = 0.01
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?\s*(?:([+-])(\d\d)'?(\d\d)?|Z)?")
_JUNK_TITLE = re.compile(
    r"(?:untitled|microsoft (?:word|powerpoint|excel) -.*|powerpoint .*|slide \d+|document\d*|.*\.(?:pdf|docx?|pptx?"
    r"|xlsx?|indd|dvi|tex|qxd|p65|fm|rtf|odt))",
    re.I,
)
_PASSWORD, _SECURITY = 4, 5


def read_pdf(data: bytes, *, ocr: bool = True, beat: Callable[[], None] | None = None) -> Reading:
    """Read a PDF. Pages without any text are read by tesseract where it is installed and `ocr` is true.

    `beat` is called after each page that tesseract has read.

    A text layer is taken for what it is: also one that another program's OCR wrote. It is refused only where its
    fonts give no letters at all. A page without text among others is reported in a warning.

    Raises:
        Unreadable: it is encrypted, damaged, has no pages, or no text layer.
    """
    import pypdfium2

    pdf_stand_in.install()
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise Unreadable(_reason(error)) from error
    try:
        pages, warnings = _readable_pages(document, data)
        silent = [number for number, lines in enumerate(pages, 1) if not lines]
        seen = _recognised(document, silent, beat) if silent and ocr and ocr_available() else {}
        silent = [number for number in silent if number not in seen]
        if len(silent) == len(pages):
            what = "its 1 page is a picture" if len(pages) == 1 else f"its {len(pages)} pages are pictures"
            raise Unreadable(f"it has no text layer: {what}; {NEEDS_OCR}")
        if silent:
            names = ", ".join(map(str, silent[:20])) + (" …" if len(silent) > 20 else "")
            verb = "have" if len(silent) > 1 else "has"
            warnings.append(f"page{'s' * (len(silent) > 1)} {names} of {len(pages)} {verb} no text")
        if seen:
            warnings.append(BY_OCR)
        parts = _parts(pages, seen)
        return Reading(parts, warnings=tuple(warnings), **_properties(document, parts))
    finally:
        document.close()


def _reason(error: Exception) -> str:
    """Say why PDFium could not open a file."""
    code = getattr(error, "err_code", None)
    if code in (_PASSWORD, _SECURITY):
        return "it is encrypted; save a copy without the password"
    return "it is damaged: PDFium cannot find its way in it"


def _lines_of_pages(document: Any, letters: Letters) -> tuple[list[list[Line]], int, list[str]]:
    """Return the lines of each page in reading order, how many characters have no letter, and warnings."""
    import pypdfium2

    if not len(document):
        raise Unreadable("it is damaged: it has no pages")
    pages: list[list[Line]] = []
    warnings: list[str] = []
    unmapped = 0
    for number in range(len(document)):
        try:
            page = document[number]
        except pypdfium2.PdfiumError:
            pages.append([])
            warnings.append(f"page {number + 1} is damaged and was left out")
            continue
        text = PageText(page, letters)
        unmapped += text.unmapped
        pages.append(ordered(page_lines(text)))
        text.close()
        page.close()
    return pages, unmapped, warnings


def _readable_pages(document: Any, data: bytes) -> tuple[list[list[Line]], list[str]]:
    """Return the lines of each page and warnings.

    Raises:
        Unreadable: the fonts do not say which letters their glyphs are, and their glyphs' names do not either.
    """
    pages, unmapped, warnings = _lines_of_pages(document, {})
    if unmapped > _UNMAPPED_SHARE * _length(pages):
        letters = letters_by_name(data)
        if letters:
            pages, unmapped, warnings = _lines_of_pages(document, letters)
            warnings.append("its fonts name no letters; the text was made from the names of their glyphs")
    if unmapped > _GARBAGE_SHARE * (_length(pages) + unmapped):
        raise Unreadable("its text layer holds no letters: its fonts lack the table from glyphs to letters")
    if unmapped > _TOLD_SHARE * _length(pages):
        warnings.append(f"{unmapped} characters have no letter in their fonts and were left out")
    return pages, warnings


def _length(pages: Sequence[Sequence[Line]]) -> int:
    return sum(len(line.text) for lines in pages for line in lines)


def _recognised(document: Any, numbers: Sequence[int], beat: Callable[[], None] | None) -> dict[int, list[Part]]:
    """Return the parts of those pages, by number, in which tesseract sees text."""
    found: dict[int, list[Part]] = {}
    for number in numbers:
        page = document[number - 1]
        paragraphs = recognise(printed(page)).split("\n\n")
        page.close()
        if beat is not None:
            beat()
        parts = [Part(join_lines(text.split("\n")), page=number) for text in paragraphs if text.strip()]
        if parts:
            found[number] = parts
    return found


def _parts(pages: Sequence[Sequence[Line]], seen: Mapping[int, list[Part]]) -> list[Part]:
    """Return the parts of the document, without running heads and feet; `seen` are those of scanned pages."""
    kept = [_without_running(lines, mask) for lines, mask in zip(pages, _running(pages), strict=True)]
    style = style_of(kept)
    parts: list[Part] = []
    for number, lines in enumerate(kept, 1):
        parts.extend(seen.get(number) or page_parts(lines, style, number))
    return join_pages(levels(parts), style.words)


def _running(pages: Sequence[Sequence[Line]]) -> list[dict[int, bool]]:
    """Tell which lines run through the pages, looking at each page from its top to its foot."""
    orders = [sorted(range(len(lines)), key=lambda at: lines[at].y0) for lines in pages]
    texts = [[lines[at].text for at in order] for lines, order in zip(pages, orders, strict=True)]
    return [dict(zip(order, mask, strict=True)) for order, mask in zip(orders, running_lines(texts), strict=True)]


def _without_running(lines: Sequence[Line], mask: dict[int, bool]) -> list[Line]:
    return [line for at, line in enumerate(lines) if not mask[at]]


def _properties(document: Any, parts: Sequence[Part]) -> dict[str, Any]:
    """Return the properties that a `Reading` takes; a title that only names a file is made from the first heading."""
    found: dict[str, str] = document.get_metadata_dict()
    title = found.get("Title", "").strip()
    if not title or _JUNK_TITLE.fullmatch(title):
        opening = [part for part in parts[:4] if part.kind == "heading" and part.page == 1]
        title = opening[0].text if opening else ""
    return {
        "title": title,
        "author": found.get("Author", ""),
        "created": _date(found.get("CreationDate", "")),
        "modified": _date(found.get("ModDate", "")),
        "metadata": {
            key: found[name] for key, name in (("subject", "Subject"), ("keywords", "Keywords")) if found.get(name)
        },
    }


def _date(value: str) -> str:
    """Turn a date of PDF (`D:20090401163925-07'00'`) into ISO 8601."""
    match = _DATE.match(value.strip())
    if not match:
        return ""
    year, month, day, hour, minute, second, sign, off_hour, off_minute = match.groups()
    date = f"{year}-{month or '01'}-{day or '01'}"
    if hour is None:
        return date
    zone = f"{sign}{off_hour}:{off_minute or '00'}" if sign else "Z"
    return f"{date}T{hour}:{minute or '00'}:{second or '00'}{zone}"
