"""CSV and TSV."""

from __future__ import annotations

import pytest

from trivium.documents.readers.tabular import find_delimiter, read_csv


def lines(text: str, delimiter: str = "") -> list[str]:
    return "\n".join(part.text for part in read_csv(text, delimiter).parts).split("\n")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in (["name", "price"], ["a", "1"], ["b", "2"]))
    assert find_delimiter(text) == delimiter
    assert lines(text) == ["| name | price |", "| --- | --- |", "| a | 1 |", "| b | 2 |"]


def test_quoted_cells_with_breaks_commas_and_bars() -> None:
    assert lines('a,b\n"x, y","line\nbreak | bar"\n')[2] == "| x, y | line break \\| bar |"


def test_semicolons_with_decimal_commas() -> None:
    assert lines("Ort;Preis\nBern;3,50\nGenf;4,25\n")[2] == "| Bern | 3,50 |"


def test_title_lines_stand_above_the_table() -> None:
    reading = read_csv("Stanley Cups,,\nTeam,Location,Cups\nBlues,STL,1\n")
    assert [part.kind for part in reading.parts] == ["prose", "table"]
    assert reading.parts[0].text == "Stanley Cups"
    assert reading.metadata == {"rows": 1}


def test_one_column_is_a_table_too() -> None:
    assert lines("name\na\nb") == ["| name |", "| --- |", "| a |", "| b |"]


def test_ragged_and_empty_rows() -> None:
    assert lines("a,b,c\n1\n\n,,\n1,2,3,4") == [
        "| a | b | c |  |",
        "| --- | --- | --- | --- |",
        "| 1 |  |  |  |",
        "| 1 | 2 | 3 | 4 |",
    ]


def test_a_quote_that_never_ends_is_reported() -> None:
    reading = read_csv('a,b\n1,2\n"' + "x" * 20_000_000)
    assert "row 3 is malformed" in reading.warnings[0]


def test_a_certain_delimiter_needs_every_line() -> None:
    assert find_delimiter("Dear all, hello.\nThis is a letter.\nYours, A", certain=True) == ""
    assert find_delimiter("a\tb\n1\t2\n3\t4", certain=True) == "\t"
