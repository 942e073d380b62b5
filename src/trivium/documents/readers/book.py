"""EPUB: the chapters in the order of the spine, each headed by its own title."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree import ElementTree

from trivium.documents.decode import decode
from trivium.documents.parts import Part, Reading, Unreadable
from trivium.documents.readers.web import CHARSET, read_html

_CONTAINER = "META-INF/container.xml"
_DC = "{http://purl.org/dc/elements/1.1/}"
_FONTS = ("idpf.org/2008/embedding", "ns.adobe.com/pdf/enc")


def read_book(data: bytes) -> Reading:
    """Read an EPUB whose container was checked (`archive.check_archive`).

    Raises:
        Unreadable: it is protected, or has no spine to follow.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        _check_rights(archive)
        try:
            path, package = _package(archive)
            chapters = list(_spine(package, path))
        except (KeyError, ElementTree.ParseError) as error:
            raise Unreadable(f"it is damaged: its package file cannot be read ({error})") from error
        parts: list[Part] = []
        warnings: list[str] = []
        for name in chapters:
            try:
                content = archive.read(name)
            except KeyError:
                warnings.append(f"its chapter {name} is missing")
                continue
            declared = CHARSET.search(content[:4096])
            decoded = decode(content, declared.group(1).decode("latin-1") if declared else "")
            warnings.extend(decoded.warnings)
            parts.extend(read_html(decoded.text, fragment=True).parts)
    return Reading(
        parts,
        title=_field(package, "title"),
        author=", ".join(item.text.strip() for item in package.iter(f"{_DC}creator") if item.text),
        created=_field(package, "date"),
        language=_field(package, "language"),
        metadata={"chapters": len(chapters)},
        warnings=tuple(warnings),
    )


def _check_rights(archive: zipfile.ZipFile) -> None:
    """A book under rights management lists encrypted chapters; fonts alone may be obfuscated."""
    try:
        encryption = archive.read("META-INF/encryption.xml").decode("utf-8", "replace")
    except KeyError:
        return
    methods = encryption.count("EncryptionMethod ")
    if methods > sum(encryption.count(font) for font in _FONTS):
        raise Unreadable("it is protected by rights management and cannot be read")


def _package(archive: zipfile.ZipFile) -> tuple[str, ElementTree.Element]:
    container = ElementTree.fromstring(archive.read(_CONTAINER))
    for item in container.iter():
        if str(item.tag).endswith("rootfile") and item.get("full-path"):
            path = str(item.get("full-path"))
            return path, ElementTree.fromstring(archive.read(path))
    raise KeyError("no rootfile")


def _spine(package: ElementTree.Element, path: str) -> Iterator[str]:
    """Yield the names of the chapters inside the archive, in reading order."""
    folder = posixpath.dirname(path)
    items = {}
    for item in package.iter():
        if str(item.tag).endswith("}item") and "html" in item.get("media-type", ""):
            items[item.get("id")] = posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))
    for reference in package.iter():
        if str(reference.tag).endswith("}itemref") and reference.get("idref") in items:
            yield items[reference.get("idref")]


def _field(package: ElementTree.Element, name: str) -> str:
    return next((item.text.strip() for item in package.iter(f"{_DC}{name}") if item.text), "")
