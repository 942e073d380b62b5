"""Encodings: found without being told, believed when told rightly, and never silently lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trivium.documents.decode import decode
from trivium.documents.parts import Unreadable

SIMPLIFIED = "中华人民共和国成立以后，科学院的各个研究所陆续建立起来，研究人员的数量也有了很大的增长。"
TRADITIONAL = "臺灣的歷史可以追溯到數萬年以前，考古學家在這個地方發現了許多重要的遺址，說明當時已經有人居住。"
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗い所で泣いていた。"
KOREAN = "대한민국은 동아시아의 한반도 남부에 있는 나라이다. 수도는 서울이며 공용어는 한국어이다."
FRENCH = "L’été était très chaud cette année : j’ai acheté un café au lait pour 3,50 €, c’était délicieux."
RUSSIAN = "Москва является столицей Российской Федерации и крупнейшим по численности населения городом страны."
ARABIC = "القاهرة هي عاصمة جمهورية مصر العربية وأكبر مدنها، وهي أكبر مدينة عربية من حيث عدد السكان."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "gb18030"),
        (SIMPLIFIED, "gb2312"),
        (TRADITIONAL, "big5"),
        (TRADITIONAL, "cp950"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        (KOREAN, "euc_kr"),
        (FRENCH, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (ARABIC, "cp1256"),
        *((text, f"utf-16-{end}") for text in (SIMPLIFIED, JAPANESE, FRENCH, RUSSIAN) for end in ("le", "be")),
        *((text, "utf-16") for text in (SIMPLIFIED, FRENCH)),
        *((text, "utf-8-sig") for text in (SIMPLIFIED, FRENCH)),
        (SIMPLIFIED, "utf-32"),
    ],
)
def test_found_without_being_told(text: str, encoding: str) -> None:
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert not decoded.warnings


def test_real_chinese_paragraphs_in_gb18030_and_big5(shared_data: Path) -> None:
    articles = json.loads((shared_data / "cmrc2018" / "cmrc2018_dev.json").read_text("utf-8"))["data"]
    texts = [article["paragraphs"][0]["context"][:40] for article in articles[:300]]
    wrong = [text for text in texts if decode(text.encode("gb18030")).text != text]
    assert len(wrong) <= 1
    encodable = [text for text in texts if _encodes(text, "utf-16-le")]
    wrong = [text for text in encodable if decode(text.encode("utf-16-le")).text != text]
    assert len(wrong) <= 2


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def test_ascii_before_the_first_chinese_line() -> None:
    data = ("name = value\n" * 3000 + SIMPLIFIED).encode("gb18030")
    assert decode(data).text.endswith(SIMPLIFIED)


def test_a_declaration_is_believed_where_it_gives_text() -> None:
    short = "Größe"
    assert decode(short.encode("cp1252"), "iso-8859-1").text == short
    assert decode("漢字".encode("euc_jp"), "euc-jp").text == "漢字"
    assert decode("中文".encode("gbk"), "gb2312").text == "中文"


def test_a_wrong_declaration_is_reported_and_not_believed() -> None:
    decoded = decode(SIMPLIFIED.encode("gb18030"), "iso-8859-1")
    assert decoded.text == SIMPLIFIED
    assert "declares CP1252 and was read as GB18030" in decoded.warnings[0]


@pytest.mark.parametrize("label", ["", "x-unknown", "utf-8", "UTF-16", "'gb2312'", "\0", "rot13", "base64", "idna"])
def test_no_label_breaks_anything(label: str) -> None:
    assert decode(SIMPLIFIED.encode("gb18030"), label).text == SIMPLIFIED


def test_what_is_lost_is_counted() -> None:
    data = (SIMPLIFIED * 20).encode("gb18030")
    broken = data[:100] + b"\xff\xff" + data[100:]
    decoded = decode(broken)
    assert "could not be decoded as GB18030" in decoded.warnings[0]
    assert decoded.text.count(SIMPLIFIED) >= 18


def test_utf8_with_a_few_broken_bytes_stays_utf8() -> None:
    decoded = decode((SIMPLIFIED * 3).encode() + b"\xe4\xb8" + b"end")
    assert decoded.encoding == "utf-8"
    assert decoded.warnings == (
        f"1 place could not be decoded as UTF-8 (shown as \ufffd), the first at byte {len((SIMPLIFIED * 3).encode())}",
    )


def test_an_uncertain_guess_says_so() -> None:
    decoded = decode("же".encode("koi8_r"))
    assert any("uncertain" in warning for warning in decoded.warnings)


@pytest.mark.parametrize("data", [bytes(range(256)) * 40, b"\0" * 5000, b"\x7fELF\x02\x01\x01" + bytes(2000)])
def test_binary_is_no_text(data: bytes) -> None:
    with pytest.raises(Unreadable, match="binary"):
        decode(data)


def test_nul_in_ordinary_text_is_only_dirt() -> None:
    assert decode(b"plain text " * 500 + b"\0" + b"more").encoding == "utf-8"
