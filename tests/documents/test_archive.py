"""ZIP containers: refused before they inflate."""

from __future__ import annotations

import struct
import time
import zipfile
from collections.abc import Callable
from io import BytesIO

import pytest

from trivium.documents.archive import check_archive
from trivium.documents.limits import Limits
from trivium.documents.parts import Unreadable

MakeZip = Callable[[dict[str, bytes | str]], bytes]


def test_an_ordinary_archive_passes(make_zip: MakeZip) -> None:
    check_archive(make_zip({"a.xml": "<a/>" * 1000, "b.bin": bytes(range(256))}), Limits())


def test_a_bomb_is_refused_by_its_directory(make_zip: MakeZip) -> None:
    data = make_zip({"word/document.xml": bytes(60_000_000)})
    began = time.monotonic()
    with pytest.raises(Unreadable, match=r"inflate from 0\.1 MB to 60\.0 MB.* ZIP bomb"):
        check_archive(data, Limits())
    assert time.monotonic() - began < 0.5


def test_the_limit_on_inflated_size(make_zip: MakeZip) -> None:
    with pytest.raises(Unreadable, match="ZIP bomb"):
        check_archive(make_zip({"a": "abc" * 1000}), Limits(max_inflated_bytes=1000))


def test_a_directory_that_lies(make_zip: MakeZip) -> None:
    data = bytearray(make_zip({"a.xml": bytes(5_000_000)}))
    entry = data.rfind(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)
    data[22:26] = struct.pack("<I", 10)
    with pytest.raises(Unreadable, match="damaged"):
        check_archive(bytes(data), Limits())


def test_too_many_entries() -> None:
    body = BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for number in range(50_001):
            archive.writestr(str(number), b"")
    with pytest.raises(Unreadable, match="50,001 files"):
        check_archive(body.getvalue(), Limits())


@pytest.mark.parametrize("place", [5, 40, -30])
def test_damage_is_told(place: int, make_zip: MakeZip) -> None:
    data = bytearray(make_zip({"a.xml": "<a>some text that is long enough</a>" * 20}))
    data[place:] = bytes(len(data[place:]))
    with pytest.raises(Unreadable, match="damaged"):
        check_archive(bytes(data), Limits())


def test_an_encrypted_entry(make_zip: MakeZip) -> None:
    data = bytearray(make_zip({"a.xml": "x"}))
    entry = data.rfind(b"PK\x01\x02")
    data[entry + 8] |= 1
    with pytest.raises(Unreadable, match="encrypted"):
        check_archive(bytes(data), Limits())
