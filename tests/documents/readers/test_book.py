"""EPUB: chapters in the order of the spine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trivium.documents.parts import Unreadable
from trivium.documents.readers.book import read_book

MakeZip = Callable[[dict[str, bytes | str]], bytes]
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'
)
PACKAGE = (
    '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
    "<dc:title>书名</dc:title><dc:creator>Ann</dc:creator><dc:creator>Bob</dc:creator><dc:language>zh</dc:language>"
    '</metadata><manifest><item id="b" href="b%20two.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="c" href="c.css" media-type="text/css"/></manifest>'
    '<spine><itemref idref="a"/><itemref idref="c"/><itemref idref="b"/><itemref idref="gone"/></spine></package>'
)

CHINESE = '<html><head><meta charset="gb2312"/></head><body><h1>第一章</h1><p>正文</p></body></html>'


def files() -> dict[str, bytes | str]:
    return {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/content.opf": PACKAGE,
        "OEBPS/b two.xhtml": "<html><body><h1>Second</h1><p>later</p></body></html>",
        "OEBPS/a.xhtml": CHINESE.encode("gb18030"),
    }


def test_chapters_in_order(make_zip: MakeZip) -> None:
    reading = read_book(make_zip(files()))
    assert [part.text for part in reading.parts] == ["第一章", "正文", "Second", "later"]
    assert (reading.title, reading.author, reading.language) == ("书名", "Ann, Bob", "zh")


def test_a_missing_chapter_is_reported(make_zip: MakeZip) -> None:
    content = files()
    del content["OEBPS/b two.xhtml"]
    assert read_book(make_zip(content)).warnings == ("its chapter OEBPS/b two.xhtml is missing",)


def test_rights_management(make_zip: MakeZip) -> None:
    sealed = '<encryption><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes256-cbc"/></encryption>'
    with pytest.raises(Unreadable, match="rights management"):
        read_book(make_zip({**files(), "META-INF/encryption.xml": sealed}))
    font = '<encryption><EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></encryption>'
    assert read_book(make_zip({**files(), "META-INF/encryption.xml": font})).parts


@pytest.mark.parametrize("broken", ["META-INF/container.xml", "OEBPS/content.opf"])
def test_a_damaged_package(broken: str, make_zip: MakeZip) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        read_book(make_zip({**files(), broken: "<not xml"}))
    content = files()
    del content[broken]
    with pytest.raises(Unreadable, match="damaged"):
        read_book(make_zip(content))
