from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.text.facts import clauses, names, negated, numbers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It lasts 24 months.", {"24"}),
        ("It lasts twenty-four months.", {"24"}),
        ("two hundred people in three cars", {"200", "3"}),
        ("one of them", set()),
        ("1,000 or 1000 or 1,000,000.5", {"1000", "1000000.5"}),
        ("on 08/03/2008 at 9:30", {"8", "3", "2008", "9:30"}),
        ("３．５ Ｍ", {"3.5"}),
        ("保修期为二十四个月", {"24"}),
        ("二〇〇八年八月八日", {"2008", "8"}),
        ("三千零五十人和两万元、十二天", {"3050", "20000", "12"}),
        ("一亿二千万人", {"120000000"}),
        ("统一的一些意见", set()),
        ("no figures here", set()),
    ],
)
def test_numbers_in_one_form(text: str, found: set[str]) -> None:
    assert numbers(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The printer was made by Acme in Oslo.", {"acme", "oslo"}),
        ("Paris is large.", set()),
        ("Maria Lopez founded it.", {"maria", "lopez"}),
        ("IBM's X-200 runs on iOS.", {"ibm", "x-200", "ios"}),
        ("I think I'm here.", set()),
        ("In March it rains.", {"march"}),
        ("保修期为二十四个月。", set()),
    ],
)
def test_names_by_their_capitals(text: str, found: set[str]) -> None:
    assert names(text) == found


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("It does not cover the battery", True),
        ("It covers everything", False),
        ("It doesn’t work", True),
        ("It covers not only the battery", False),
        ("without a receipt", True),
        ("no later than May", False),
        ("nothing was found", True),
        ("a notable noon", False),
        ("不包括电池", True),
        ("包括电池", False),
        ("不同的电池", False),
        ("不仅包括电池", False),
        ("尚未完成", True),
        ("未来的电池", False),
        ("没有电池", True),
        ("无法使用", True),
    ],
)
def test_negation(text: str, denied: bool) -> None:
    assert negated(text) == denied


def test_clauses() -> None:
    assert clauses("It is new, but it does not work because it rains") == ["It is new", "it does not work", "it rains"]
    assert clauses("它很新，但是坏了") == ["它很新", "但是坏了"]


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    numbers(text), names(text), negated(text), clauses(text)
