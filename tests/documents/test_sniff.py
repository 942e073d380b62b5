"""What a file is: content before name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trivium.documents.parts import Unreadable
from trivium.documents.sniff import sniff

MakeZip = Callable[[dict[str, bytes | str]], bytes]


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"%PDF-1.7 ...", "a.pdf", "pdf"),
        (b"\xef\xbb\xbf\n%PDF-1.4", "a.txt", "pdf"),
        (b"{\\rtf1 x}", "a.doc", "rtf"),
        (b"\x89PNG\r\n\x1a\n", "a.jpg", "image"),
        (b"# Title", "a.md", "markdown"),
        (b"a,b\n1,2", "A.CSV", "csv"),
        (b"x", "Makefile", "text"),
        (b"BMW builds cars", "bmw.txt", "text"),
        (b"MZ is a region", "mz.txt", "text"),
        (b"<!DOCTYPE HTML><p>x", "page", "html"),
        (b"<html><body>404", "report.csv", "html"),
        (b"<!-- saved --><!DOCTYPE html>", "a.xml", "html"),
        (b"<html>{{ x }}</html>", "template.vue", "code"),
        (b"<html> in markdown", "a.md", "markdown"),
        (b'<?xml version="1.0"?><a/>', "feed", "xml"),
        (b"From: a@b\nTo: c@d\nSubject: x\n\nhi", "message", "eml"),
        (b"def f(): pass", "a.py", "code"),
    ],
)
def test_kind(data: bytes, name: str, kind: str) -> None:
    assert sniff(data, name).name == kind


def test_office_formats_by_what_is_inside(make_zip: MakeZip) -> None:
    types = {"[Content_Types].xml": "<Types/>"}
    for folder, kind in (("word", "docx"), ("ppt", "pptx"), ("xl", "xlsx")):
        found = sniff(make_zip({**types, f"{folder}/main.xml": "<x/>"}), "a.zip")
        assert found.name == kind
    assert sniff(make_zip({"mimetype": "application/vnd.oasis.opendocument.text"}), "a.docx").name == "odt"
    assert sniff(make_zip({"META-INF/container.xml": "<x/>"}), "a").name == "epub"


def test_disagreement_is_told() -> None:
    assert sniff(b"%PDF-1.4", "a.docx").warning == "its name says DOCX, its content is PDF"
    assert sniff(b"%PDF-1.4", "a.pdf").warning == ""
    assert sniff(b"plain words", "a.pdf").warning == "its name says PDF, its content is plain text"
    assert sniff(b"plain words", "a.unknown").warning == ""


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "gzip"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"\x7fELF\x02\x01\x01\x00", "a program"),
        (b"MZ\x90\x00\x03\x00", "a program"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "sound"),
        (b"\x00\x00\x00\x18ftypmp42", "video"),
        (b"PK\x05\x06" + bytes(18), "empty ZIP"),
        (b"PK\x03\x04" + bytes(30), "damaged"),
    ],
)
def test_foreign_formats_are_named(data: bytes, what: str) -> None:
    with pytest.raises(Unreadable, match=what):
        sniff(data, "a.bin")


def test_a_zip_archive_is_not_opened(make_zip: MakeZip) -> None:
    with pytest.raises(Unreadable, match="ZIP archive"):
        sniff(make_zip({"a.txt": "x"}), "a.docx")


def test_old_office_files_by_their_streams() -> None:
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)
    assert sniff(head + "WordDocument\0".encode("utf-16-le"), "a").name == "doc"
    assert sniff(head + "Workbook\0".encode("utf-16-le"), "a").name == "xls"
    with pytest.raises(Unreadable, match="encrypted"):
        sniff(head + "EncryptedPackage\0".encode("utf-16-le"), "a.xlsx")
    with pytest.raises(Unreadable, match="damaged"):
        sniff(head, "a.xls")
    with pytest.raises(Unreadable, match="OLE"):
        sniff(head, "a")
