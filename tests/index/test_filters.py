"""The filter language: what it says, what it refuses, and that nothing in it reaches the store as code."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import FilterError
from trivium.index.filters import facet, parse
from trivium.index.store import _sql
from trivium.index.where import HasAny, Not

FACTS = {
    "year": {2019, 2020, 2021},
    "lang": {"en", "zh"},
    "title": {"Warranty terms", "Draft: prices"},
    "date": {"2024-01-31", "2024-05-01"},
    "public": {True, False},
    "version": {"10", "9"},
}


def values(name: str) -> set:
    return FACTS.get(name, set())


def chosen(expression: str) -> set[str]:
    where = parse(expression, values)
    assert isinstance(where, HasAny)
    return set(where.values)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("year >= 2020", {2020, 2021}),
        ("year != 2020", {2019, 2021}),
        ("year in (2019, 2021)", {2019, 2021}),
        ("year = 2020.0", {2020}),
        ("year == '2020'", {2020}),
    ],
)
def test_numbers(expression: str, wanted: set[int]) -> None:
    assert chosen(expression) == {facet("year", year) for year in wanted}


def test_texts_dates_and_truth_values() -> None:
    assert chosen('lang = "zh"') == {facet("lang", "zh")}
    assert chosen("title ~ 'WARRANTY'") == {facet("title", "Warranty terms")}
    assert chosen('date > "2024-02"') == {facet("date", "2024-05-01")}
    assert chosen("public = true") == {facet("public", True)}
    assert chosen("version > 9") == {facet("version", "10")}  # a text that is a number compares as one


def test_combinations_bind_as_usual() -> None:
    assert _sql(parse('year = 2019 or year = 2020 and not lang = "en"', values)) == (
        "(array_has_any(facets, ['year=2019'])) OR ((array_has_any(facets, ['year=2020'])) AND "
        "(NOT (array_has_any(facets, ['lang=\"en\"']))))"
    )
    assert isinstance(parse("not (page > 3)", values), Not)
    assert _sql(parse("page in (1, 2)", values)) == "(page = 1) OR (page = 2)"


def test_an_unknown_name_finds_nothing() -> None:
    assert chosen("colour = 'red'") == set()
    assert _sql(parse("colour = 'red'", values)) == "false"


@pytest.mark.parametrize(
    "expression",
    [
        "year >=",
        "= 3",
        "year 2020",
        "year >= 2020 and",
        "(year = 2020",
        "year in ()",
        "year in (2020",
        "year ~",
        'title = "open',
        "year = 2020; DROP TABLE chunks",
        "year = 2020 --",
        "1 = 1",
        "page ~ 3",
        "page = 'x'",
        "(" * 200 + "year = 1" + ")" * 200,
        "not " * 500 + "year = 1",
        "x" * 20_000,
    ],
)
def test_what_is_refused(expression: str) -> None:
    with pytest.raises(FilterError):
        parse(expression, values)


def test_the_error_says_where() -> None:
    with pytest.raises(FilterError, match="character 6"):
        parse("year 2020", values)


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused(expression: str) -> None:
    with contextlib.suppress(FilterError):
        parse(expression, values)


@given(st.text(max_size=40))
def test_a_value_stays_a_value(text: str) -> None:
    """Whatever a document's metadata hold, they stand inside one quoted literal of the store's language."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    sql = _sql(parse(f'name = "{quoted}"', lambda _: {text}))
    prefix, suffix = "array_has_any(facets, ['", "'])"
    assert sql.startswith(prefix)
    assert sql.endswith(suffix)
    inside = sql[len(prefix) : -len(suffix)]
    assert "'" not in inside.replace("''", "")
    assert inside.replace("''", "'") == facet("name", text)
