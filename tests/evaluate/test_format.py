from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import UnknownName, UsageError
from trivium.evaluate.metrics.format import checks, list_items, obeys, problem, table_rows

SCHEMA = json.dumps({"type": "object", "properties": {"year": {"type": "integer"}}, "required": ["year"]})
TABLE = "| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | 4 |\n"

RIGHT = [
    ("", "anything"),
    ("json", '{"a": [1, 2.5, null]}'),
    ("json", '```json\n{"a": 1}\n```'),
    ("json", "[]"),
    (f"json:{SCHEMA}", '{"year": 1999}'),
    ("list", "- a\n- b"),
    ("list", "Here they are:\n\n1. a\n2. b\n   more of b\n"),
    ("list:3", "1) a\n2) b\n3) c"),
    ("list:2", "- a\n  - part of a\n- b"),
    ("list>=2", "* a\n* b\n* c"),
    ("list:2", "1、苹果\n2、梨"),
    ("list:2", "一、苹果\n二、梨"),
    ("list:2", "（1）苹果\n（2）梨"),
    ("list<3", "• a"),
    ("table", f"The figures:\n\n{TABLE}"),
    ("table:2", TABLE),
    ("table", "a | b\n--- | ---\n1 | 2"),
    ("table:1", "<table><tr><th>a</th></tr><tr><td>1</td></tr></table>"),
    ("words<=3", "one two three"),
    ("words:4", "北京 in 2024"),
    ("characters<10", "123456789"),
    ("sentences:2", "One. Two."),
    ("sentences<=1", "仅一句。"),
    ("language:zh", "答案是北京大学。"),
    ("language:zh", "使用 RAG 与 fine-tuning 的区别在于数据"),
    ("language:zh", "1985"),
    ("language:en", "It is the capital of France."),
    ("language:en", "Paris"),
    ("language:zh-CN", "北京"),
    (r"regex:^\d{4}$", "1985"),
    ("regex:a; b", "a; b"),
    ("list:2; words<=6; language:en", "- the first\n- the second"),
    (f"json:{SCHEMA}; words<=5", '{"year": 1}'),
]
WRONG = [
    ("json", "{'a': 1}"),
    ("json", "The answer is {}"),
    ("json", '{"a": NaN}'),
    ("json", "[" * 100_000),
    ("json", ""),
    (f"json:{SCHEMA}", '{"year": "1999"}'),
    (f"json:{SCHEMA}", "{}"),
    ("list", "a, b and c"),
    ("list", "It was 1985. Then"),
    ("list", "3.5 metres"),
    ("list", "First\nsecond\n- a"),
    ("list", "- a\n- b\nThat is all."),
    ("list:3", "- a\n- b"),
    ("table", "a | b"),
    ("table", "| a | b |\n|---|\n| 1 | 2 |"),
    ("table:3", TABLE),
    ("table", "text\n---\nmore"),
    ("words<=3", "one two three four"),
    ("characters<=3", "北京大学"),
    ("sentences:1", "One. Two."),
    ("language:zh", "It is the capital of France."),
    ("language:zh", "Paris"),
    ("language:en", "北京"),
    ("language:en", "Das ist die Hauptstadt von Frankreich und nicht mehr."),
    (r"regex:^\d{4}$", "in 1985"),
    ("list:2; words<=3", "- the first\n- the second"),
]


@pytest.mark.parametrize(("form", "text"), RIGHT)
def test_right_forms(form: str, text: str) -> None:
    assert problem(text, form) is None
    assert obeys(text, form) == 1.0


@pytest.mark.parametrize(("form", "text"), WRONG)
def test_wrong_forms(form: str, text: str) -> None:
    assert problem(text, form)
    assert obeys(text, form) == 0.0


@pytest.mark.parametrize(
    "form",
    ["words", "words:many", "list:x", "list=", "language:", "language:Chinese?", "regex:(", "json:{", "json:[1]"],
)
def test_forms_that_cannot_be_read(form: str) -> None:
    with pytest.raises(UsageError, match=form.split(":")[0].split("=")[0]):
        problem("text", form)


def test_unknown_forms_name_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="characters, json, language, list, regex, sentences, table, words"):
        problem("text", "haiku")
    with pytest.raises(UnknownName, match="LIST"):
        problem("text", "LIST")


def test_a_schema_without_sense_is_an_error_not_a_score() -> None:
    with pytest.raises(UsageError, match="does not make sense"):
        problem('{"a": 1}', 'json:{"$ref": "#"}')
    with pytest.raises(UsageError, match="does not make sense"):
        problem('"x"', 'json:{"type": "word"}')


def test_the_problem_is_said() -> None:
    assert problem("- a", "list:2") == "1 items, not 2"
    assert problem("- a\nb", "list") == "line 2 is not an item"
    assert problem("one two", "words<2") == "2 words, not <2"
    assert problem('{"year": "x"}', f"json:{SCHEMA}") == "$.year is not of type integer"
    assert problem("Das ist nicht gut und auch nicht schön.", "language:en") == "written in de, not in en"


@given(text=st.text(max_size=200) | st.text(st.sampled_from("-*1.|\n <table>rd/"), max_size=60))
def test_any_text_is_judged(text: str) -> None:
    for form in ("json", "list", "table", "words<5", "sentences:1", "language:en", "characters:0"):
        assert obeys(text, form) in (0.0, 1.0)
    assert list_items(text)[0] >= 0
    rows = table_rows(text)
    assert rows is None or rows >= 0


def test_forms_are_read_once() -> None:
    assert checks("list:2; words<9") is checks("list:2; words<9")
    assert len(checks("list:2; words<9")) == 2
