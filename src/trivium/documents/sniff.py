"""What a file is, by its content first and its name second."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import PurePath

from trivium.documents.parts import Unreadable

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xls": "application/vnd.ms-excel",
    "doc": "application/msword",
    "ppt": "application/vnd.ms-powerpoint",
    "msg": "application/vnd.ms-outlook",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "rtf": "application/rtf",
    "epub": "application/epub+zip",
    "eml": "message/rfc822",
    "html": "text/html",
    "xml": "application/xml",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "markdown": "text/markdown",
    "text": "text/plain",
    "code": "text/plain",
    "image": "image/*",
}
"""The kinds of file that are read, and their media types."""

_EXTENSIONS = {
    "markdown": "md markdown mdown mkd mdx rmd qmd",
    "text": "txt text log rst org adoc asciidoc tex srt vtt ini cfg conf toml yaml yml properties",
    "html": "html htm xhtml shtml mhtml",
    "xml": "xml rss atom svg xsd xsl dita docbook nxml",
    "csv": "csv",
    "tsv": "tsv tab",
    "json": "json geojson ipynb",
    "jsonl": "jsonl ndjson",
    "eml": "eml",
    "image": "png jpg jpeg tif tiff bmp gif webp",
    "code": "py pyi js mjs ts tsx jsx java kt scala c h cc cpp hpp cxx cs go rs rb php swift m sh bash zsh ps1 "
    "sql r jl lua pl pm hs ml clj ex exs erl dart vue css scss less proto graphql dockerfile mk cmake gradle",
    "docx": "docx docm dotx",
    "xlsx": "xlsx xlsm xltx",
    "pptx": "pptx pptm potx ppsx",
    **{kind: kind for kind in ("pdf", "xls", "doc", "ppt", "msg", "odt", "ods", "odp", "rtf", "epub")},
}
BY_EXTENSION = {extension: kind for kind, extensions in _EXTENSIONS.items() for extension in extensions.split()}
"""Extension, in lower case and without its dot, to kind."""

_TEXT_KINDS = frozenset({"html", "xml", "csv", "tsv", "json", "jsonl", "markdown", "text", "code", "eml"})
_IMAGES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")
_FOREIGN = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"\xca\xfe\xba\xbe": "a program",
    b"SQLite format 3": "an SQLite database",
    b"PAR1": "a Parquet file",
    b"ID3": "a sound file",
    b"OggS": "a sound file",
    b"fLaC": "a sound file",
    b"\x1aE\xdf\xa3": "a video",
    b"\x00\x00\x01\x00": "an icon",
    b"wOFF": "a font",
    b"\x93NUMPY": "a NumPy array",
    b"\x80\x04\x95": "a Python pickle",
    b"%!PS": "a PostScript file",
    b"SIMPLE  =": "a FITS image",
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = {
    "EncryptedPackage": "encrypted",
    "WordDocument": "doc",
    "PowerPoint Document": "ppt",
    "Workbook": "xls",
    "Book": "xls",
    "__properties_version1.0": "msg",
}
_ZIP_PARTS = {
    "word/": "docx",
    "ppt/": "pptx",
    "xl/": "xlsx",
}
_ZIP_MIMETYPES = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
}
_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*){0,20}<(?:!doctype\s+html|html[\s>])", re.I | re.S)
_XML = re.compile(rb"\s*<\?xml[\s]")
_MAIL = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*:[ \t].*\r?\n(?:[ \t].*\r?\n)*){3,}", re.M)
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Kind:
    """A key of `MEDIA_TYPES`, and the warning to give when name and content disagree."""

    name: str
    warning: str = ""


def extension_of(name: str) -> str:
    """Return the extension of a file name, in lower case, without its dot; `Makefile` gives `makefile`."""
    path = PurePath(name)
    return path.suffix[1:].lower() if path.suffix else path.name.lower()


def sniff(data: bytes, name: str) -> Kind:
    """Return the kind of a file from its bytes and its name.

    Raises:
        Unreadable: the content is of a kind that is not read, or is none that is known.
    """
    claimed = BY_EXTENSION.get(extension_of(name), "")
    actual = _by_magic(data, claimed) or _by_text(data, claimed)
    if not actual:
        if claimed in _TEXT_KINDS or not claimed:
            return Kind(claimed or "text")
        # Not the binary format that its name promises; whether it is text at all shows when it is decoded.
        return Kind("text", f"its name says {claimed.upper()}, its content is plain text")
    if claimed and actual != claimed and not (claimed in _TEXT_KINDS and actual in _TEXT_KINDS):
        return Kind(actual, f"its name says {claimed.upper()}, its content is {actual.upper()}")
    return Kind(actual)


def _by_magic(data: bytes, claimed: str) -> str:
    """Return the kind that the first bytes prove, or an empty string."""
    head = data[:1024]
    if b"%PDF-" in head:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(data)
    if head.startswith(b"PK\x05\x06"):
        raise Unreadable("it is an empty ZIP archive")
    if head.startswith(_OLE):
        return _ole_kind(data, claimed)
    if head.lstrip()[:5] == b"{\\rtf":
        return "rtf"
    if head.startswith(_IMAGES) and _is_image(data):
        return "image"
    if head[:4] == b"RIFF":
        if head[8:12] == b"WEBP":
            return "image"
        raise Unreadable("it is a sound file or a video, which is not read")
    if head[4:8] == b"ftyp":
        raise Unreadable("it is a video, which is not read")
    for magic, what in _FOREIGN.items():
        if head.startswith(magic) and not _looks_textual(head):
            raise Unreadable(f"it is {what}, which is not read")
    return ""


def _is_image(data: bytes) -> bool:
    """Two letters prove no bitmap: `BMW.txt` may begin so."""
    return not data.startswith(b"BM") or (len(data) > 26 and data[6:10] == b"\0\0\0\0")


def _looks_textual(head: bytes) -> bool:
    return b"\0" not in head and all(byte >= 32 or byte in b"\t\n\r\f" for byte in head[:64])


def _zip_kind(data: bytes) -> str:
    """Tell the office formats apart by the names inside; other archives are not opened."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries}
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                kind = _ZIP_MIMETYPES.get(archive.read("mimetype").strip())
                if kind:
                    return kind
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise Unreadable("it is damaged: a ZIP container whose directory cannot be read") from error
    if "META-INF/container.xml" in names:
        return "epub"
    if "[Content_Types].xml" in names:
        for prefix, kind in _ZIP_PARTS.items():
            if any(name.startswith(prefix) for name in names):
                return kind
    raise Unreadable("it is a ZIP archive, which is not read; unpack it first")


def _ole_kind(data: bytes, claimed: str) -> str:
    """Tell the old office formats apart by the streams in their directory, whose names are UTF-16."""
    for stream, kind in _OLE_STREAMS.items():
        if (stream + "\0").encode("utf-16-le") in data:
            if kind == "encrypted":
                raise Unreadable("it is encrypted; save a copy without the password")
            return kind
    if claimed in _OLE_STREAMS.values():
        raise Unreadable(f"it is damaged: the part that holds the {claimed.upper()} is missing")
    raise Unreadable("it is an OLE container of a kind that is not read")


def _by_text(data: bytes, claimed: str) -> str:
    """Return the kind that a textual beginning shows where the name does not settle it, or an empty string."""
    head = data[:4096]
    for bom in _BOMS:
        head = head.removeprefix(bom)
    if claimed == "code":
        return "code"
    # A saved page or the error page of a failed download, whatever the name says.
    if _HTML.match(head) and claimed != "markdown":
        return "html"
    if claimed in _TEXT_KINDS:
        return claimed
    if _XML.match(head):
        return "xml"
    if not claimed and _MAIL.match(head) and re.search(rb"^(?:From|Received|Return-Path):", head, re.M | re.I):
        return "eml"
    return ""
