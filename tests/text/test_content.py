from __future__ import annotations

import subprocess
import sys

import pytest

from trivium.text.content import Words, content_terms, share


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("How long is the warranty of the X-200?", ("long", "warranti", "x-200", "x", "200")),
        ("To be or not to be", ("to", "be", "or", "not")),
        ("打印机的保修期是多长时间？", ("打印机", "保修期")),
        ("ＲＴＸ ４０９０显卡的功耗", ("显卡", "功耗", "rtx", "4090")),
        ("", ()),
        ("?!", ()),
    ],
)
def test_terms_that_carry_content(text: str, terms: tuple[str, ...]) -> None:
    assert content_terms(text) == terms


def test_chinese_words_are_found_however_they_are_cut() -> None:
    words = Words("本产品保修期限为两年", "Made in Oslo")
    assert "保修期" in words
    assert "保修" in words
    assert "oslo" in words
    assert "保险" not in words
    assert "slo" not in words  # parts of words count in Chinese only


def test_share_by_hand() -> None:
    assert share({"a": 3.0, "b": 1.0}, frozenset("a")) == 0.75
    assert share({"a": 3.0, "b": 1.0}, frozenset("a"), Words("b")) == 1.0
    assert share({"a": 3.0}, frozenset()) == 0.0
    assert share({}, frozenset()) == 1.0


def test_an_english_question_of_chinese_passages_reads_no_dictionary() -> None:
    code = (
        "import sys; from trivium.text.content import Words, content_terms; from trivium.text import chinese;"
        "assert 'x' in Words('打印机的保修期 x'); content_terms('How long?');"
        "sys.exit(chinese._dictionary.cache_info().currsize)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
