"""From the bytes of a file to a `Document`: recognise, read, clean, join. Pure: no file, no process, no clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from trivium.documents.archive import check_archive
from trivium.documents.clean import clean
from trivium.documents.decode import decode
from trivium.documents.limits import Limits
from trivium.documents.parts import Part, Reading, Unreadable, assemble
from trivium.documents.readers import data as data_reader
from trivium.documents.readers import plain, tabular, web
from trivium.documents.sniff import BY_EXTENSION, MEDIA_TYPES, extension_of, sniff
from trivium.text.language import detect
from trivium.types import Document

Ocr = Literal["auto", "never"]
_ZIPPED = frozenset({"docx", "pptx", "xlsx", "odt", "ods", "odp", "epub"})
_XML_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]+)""")
_TEXT_READERS: dict[str, Callable[[str], Reading]] = {
    "text": plain.read_text,
    "markdown": plain.read_markdown,
    "code": plain.read_code,
    "csv": tabular.read_csv,
    "tsv": lambda text: tabular.read_csv(text, "\t"),
    "json": data_reader.read_json,
    "jsonl": data_reader.read_jsonl,
    "xml": data_reader.read_xml,
    "html": web.read_html,
}
_LANGUAGE_SAMPLE = 20_000


def nothing() -> None:
    """Do nothing: nobody waits for a sign of life."""


def parse(
    data: bytes,
    name: str,
    *,
    limits: Limits | None = None,
    ocr: Ocr = "auto",
    beat: Callable[[], None] = nothing,
) -> Document:
    """Return the document in `data`.

    Args:
        data: the file's bytes.
        name: the file's name; it becomes `source`, its extension is a hint.
        limits: what the file may take.
        ocr: whether pictures of text are read.
        beat: called after each scanned page, as a sign of life.

    Raises:
        Unreadable: the content cannot be read; the reason says why.
    """
    limits = limits or Limits()
    if not data:
        raise Unreadable("it is empty (0 bytes)")
    kind = sniff(data, name)
    reading = _read(data, kind.name, name, limits, ocr, beat)
    parts = clean(reading.parts)
    length = sum(len(part.text) for part in parts)
    if not length:
        raise Unreadable("it is empty: there is no text in it" if data.strip() else "it is empty: only white space")
    if length > limits.max_text_chars:
        raise Unreadable(
            f"its text is too long: {length:,} characters, and the limit is {limits.max_text_chars:,} (max_text_chars)"
        )
    joined = assemble(parts)
    warnings = (kind.warning, *reading.warnings) if kind.warning else reading.warnings
    return Document(
        source=name,
        text=joined.text,
        pages=joined.pages,
        headings=joined.headings,
        blocks=joined.blocks,
        title=_line(reading.title) or _first_heading(parts),
        author=_line(reading.author),
        created=reading.created,
        modified=reading.modified,
        language=detect(joined.text[:_LANGUAGE_SAMPLE]),
        media_type=_media_type(data, kind.name),
        bytes=len(data),
        metadata=reading.metadata,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _read(data: bytes, kind: str, name: str, limits: Limits, ocr: Ocr, beat: Callable[[], None]) -> Reading:
    """Hand the data to the reader of its kind."""
    if kind in _ZIPPED:
        check_archive(data, limits)
    if kind in _TEXT_READERS:
        return _read_text(data, kind, name)
    # Imported at their first use: most folders hold few kinds, and each worker process pays for what it imports.
    if kind == "pdf":
        from trivium.documents.readers.pdf import read_pdf

        return read_pdf(data, ocr=ocr != "never", beat=beat)
    if kind == "image":
        from trivium.documents.readers.image import read_image

        if ocr == "never":
            raise Unreadable("it is a picture, and reading pictures is switched off")
        return read_image(data)
    if kind == "docx":
        from trivium.documents.readers.words import read_words

        return read_words(data)
    if kind == "pptx":
        from trivium.documents.readers.slides import read_slides

        return read_slides(data)
    if kind == "epub":
        from trivium.documents.readers.book import read_book

        return read_book(data)
    if kind == "eml":
        from trivium.documents.readers.mail import read_mail

        return read_mail(data)
    from trivium.documents.readers.office import read_office

    return read_office(data, kind)


def _read_text(data: bytes, kind: str, name: str) -> Reading:
    """Decode and read a textual kind."""
    declared = web.CHARSET.search(data[:4096]) if kind == "html" else None
    declared = declared or (_XML_DECLARED.search(data[:400]) if kind in ("xml", "html") else None)
    claimed = BY_EXTENSION.get(extension_of(name), "")
    foreign = bool(claimed) and claimed not in _TEXT_READERS and claimed != "eml"
    try:
        decoded = decode(data, declared.group(1).decode("ascii", "replace") if declared else "")
    except Unreadable:
        if foreign:
            raise Unreadable(_not_what_it_claims(claimed)) from None
        raise
    if foreign and decoded.warnings:
        raise Unreadable(_not_what_it_claims(claimed))
    if claimed in ("xls", "xlsx") and kind == "text" and tabular.find_delimiter(decoded.text, certain=True):
        kind = "csv"  # many programs export text under the name of a spreadsheet
    reading = _TEXT_READERS[kind](decoded.text)
    return replace(reading, warnings=(*decoded.warnings, *reading.warnings))


def _not_what_it_claims(claimed: str) -> str:
    return f"it is damaged or not what its name says: there is no {claimed.upper()} in it"


def _media_type(data: bytes, kind: str) -> str:
    if kind != "image":
        return MEDIA_TYPES[kind]
    for magic, name in ((b"\x89PNG", "png"), (b"\xff\xd8", "jpeg"), (b"GIF", "gif"), (b"BM", "bmp"), (b"RIFF", "webp")):
        if data.startswith(magic):
            return f"image/{name}"
    return "image/tiff"


def _first_heading(parts: list[Part]) -> str:
    """Return the heading that opens a document, to name it where its properties do not."""
    return next((part.text for part in parts[:3] if part.kind == "heading" and part.level <= 2), "")


def _line(text: str) -> str:
    """Return a field of a file's properties as one clean line."""
    return " ".join(part.text for part in clean([Part(text.replace("\0", ""), "heading")]))[:500]
