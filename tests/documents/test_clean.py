"""Cleaning: what is printed for the eye goes, what carries meaning stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.documents.clean import (
    clean,
    clean_code,
    clean_prose,
    close_spread,
    drop_running_lines,
    join_lines,
    words_of,
)
from trivium.documents.parts import Part


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("ＡＢＣ１２３ｘ", "ABC123x"),
        ("价格：１００％，（约）！", "价格：100%，（约）！"),  # Chinese punctuation stays full-width
        ("「全角」『カギ』、。", "「全角」『カギ』、。"),
        ("a\u00a0b\u2003c", "a b c"),
        ("a  b\t\tc", "a b c"),
        ("  - indented", "  - indented"),
        ("line one  \nline two\t\n", "line one\nline two"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("soft\u00adhyphen zero\u200bwidth \ufefftext", "softhyphen zerowidth text"),
        ("ﬁnal ﬂow oﬃce", "final flow office"),
        ("cafe\u0301", "café"),
        ("bell\x07 and null\x00", "bell and null"),
        ("名前\u3000\u3000太郎", "名前 太郎"),
        ("\u3000\u3000段首缩进", "\u3000\u3000段首缩进"),
    ],
)
def test_prose(raw: str, kept: str) -> None:
    assert clean_prose(raw) == kept


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean_prose(text)
    assert clean_prose(once) == once
    assert clean_code(clean_code(text)) == clean_code(text)


def test_code_keeps_its_spaces_and_signs() -> None:
    code = "def f(x):\n\tif x  ==  １:\n\n\n\n        return 'ａ'"
    assert clean_code(code + "  \r\n") == code
    (part,) = clean([Part("a  b", "code")])
    assert part.text == "a  b"


def test_a_part_without_text_is_dropped() -> None:
    assert clean([Part(" \u200b\n "), Part("x")]) == [Part("x")]


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["the com-", "pile step"], "the compile step"),
        (["a state-of-the-", "art method"], "a state-of-the-art method"),
        (["from A-", "B to C"], "from A-B to C"),
        (["ends here.", "Next"], "ends here. Next"),
        (["研究所陆续建立", "起来"], "研究所陆续建立起来"),
        (["用 GPU", "训练"], "用 GPU 训练"),
        (["한국어는", "띄어 쓴다"], "한국어는 띄어 쓴다"),
        (["pages 10-", "12"], "pages 10- 12"),
        (["", "  x  ", ""], "x"),
        ([], ""),
        (["dan\ufffe", "gerous"], "dangerous"),
    ],
)
def test_join_lines(lines: list[str], joined: str) -> None:
    assert join_lines(lines) == joined


def test_the_document_decides_on_a_hyphen() -> None:
    words = words_of("a year-over-year gain, community members, features based on it; based on the community")
    assert join_lines(["year\ufffe", "over"], words) == "year-over"
    assert join_lines(["community\ufffe", "based"], words) == "community-based"
    assert join_lines(["com\ufffe", "munity"], words) == "community"
    assert join_lines(["un\ufffe", "seen"], words) == "unseen"


def test_spread_chinese_is_closed() -> None:
    assert close_spread("关 于 红 军 作 战 的 原 则") == "关于红军作战的原则"
    assert close_spread("总 则 and a b c d e") == "总 则 and a b c d e"


def test_running_heads_and_page_numbers_go() -> None:
    bodies = [f"{word} body" for word in ("first", "second", "third", "fourth")]
    pages = [
        ["Annual Report 2023", body, f"Balance: {n * n}17", "c", "d", "e", f"{body} foot", f"Page {n} of 4"]
        for n, body in enumerate(bodies, 1)
    ]
    kept = drop_running_lines(pages)
    assert kept[2] == ["third body", "Balance: 917", "c", "d", "e", "third body foot"]


def test_left_and_right_pages_differ() -> None:
    heads = ["{} Introduction", "Handbook {}"]
    pages = [[heads[n % 2].format(n + 10), f"text {'abcdefgh'[n]}"] for n in range(8)]
    assert drop_running_lines(pages) == [[f"text {letter}"] for letter in "abcdefgh"]


@pytest.mark.parametrize("number", ["7", "- 7 -", "Page 7", "7 / 12", "vii", "第 7 页", "第7页 共12页", "［7］"])
def test_page_numbers(number: str) -> None:
    pages = [["Text.", "More.", "a", "b", "c", "d", "e", number], ["Other."]]
    assert number not in drop_running_lines(pages)[0]


@pytest.mark.parametrize("line", ["1984", "3.5 million", "Page turners", "mix of 5"])
def test_numbers_inside_a_text_stay(line: str) -> None:
    pages = [["Head", "a", "b", "c", line, "d", "e", "f", "Foot"], ["Other."]]
    assert line in drop_running_lines(pages)[0]


def test_a_single_page_loses_nothing() -> None:
    assert drop_running_lines([["Title", "1"]]) == [["Title", "1"]]
    assert drop_running_lines([]) == []
    assert drop_running_lines([[]]) == [[]]
