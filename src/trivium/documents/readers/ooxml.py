"""The container of the Office Open XML formats (ECMA-376 part 2): files, their relationships, their properties."""

from __future__ import annotations

import posixpath
import zipfile
from xml.etree import ElementTree

_DC = "{http://purl.org/dc/elements/1.1/}"
_TERMS = "{http://purl.org/dc/terms/}"


class Package:
    """The files inside the container, found through their relationships."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    def xml(self, name: str) -> ElementTree.Element:
        data = self.archive.read(name)
        if b"<!DOCTYPE" in data[:1000]:
            raise ElementTree.ParseError("it declares a document type, which Office files do not")
        return ElementTree.fromstring(data)

    def related(self, name: str) -> dict[str, tuple[str, str]]:
        """Return what a file refers to: id to the kind of relation and the name."""
        folder, base = posixpath.split(name)
        try:
            root = self.xml(posixpath.join(folder, "_rels", f"{base}.rels"))
        except KeyError:
            return {}
        found = {}
        for item in root:
            if item.get("TargetMode") != "External":
                target = item.get("Target", "")
                path = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
                kind = item.get("Type", "").rsplit("/", 1)[-1]
                found[item.get("Id", "")] = (kind, posixpath.normpath(path))
        return found

    def properties(self) -> dict[str, str]:
        """Return title, creator and dates."""
        try:
            root = self.xml("docProps/core.xml")
        except (KeyError, ElementTree.ParseError):
            return {}
        tags = {"title": f"{_DC}title", "creator": f"{_DC}creator"}
        tags |= {"created": f"{_TERMS}created", "modified": f"{_TERMS}modified"}
        return {name: " ".join((root.findtext(tag) or "").split()) for name, tag in tags.items()}
