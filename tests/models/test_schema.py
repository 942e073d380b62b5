"""What the schema check sees, and that the smallest value always passes it."""

import pytest

from trivium.models.schema import problem, problem_of_text, smallest

SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["yes", "no"]},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
        "reasons": {"type": "array", "items": {"$ref": "#/$defs/reason"}, "minItems": 2},
        "note": {"type": "string", "minLength": 3},
    },
    "required": ["verdict", "score", "reasons"],
    "additionalProperties": False,
    "$defs": {"reason": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "maybe"}, "not one of"),
        ({"score": 9}, "outside"),
        ({"score": True}, "not of type"),
        ({"reasons": [{"text": "a"}]}, "items"),
        ({"reasons": [{"text": "a"}, {}]}, r"\$\.reasons\[1\] lacks 'text'"),
        ({"note": "no"}, "2 characters"),
        ({"extra": 1}, "does not know"),
    ],
)
def test_schema_problems_are_named(change, words):
    value = {"verdict": "yes", "score": 1, "reasons": [{"text": "a"}, {"text": "b"}], "note": "fine"} | change
    with pytest.raises(AssertionError, match=words):
        assert problem(value, SCHEMA) is None, problem(value, SCHEMA)


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA,
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"type": ["null", "string"]},
        {"type": "number", "exclusiveMinimum": 2, "maximum": 9},
        {"type": "number", "maximum": -3},
        {"type": "integer", "minimum": -5, "maximum": -2},
        {"type": "integer", "minimum": -5, "maximum": 2},
        {"allOf": [{"properties": {"a": {"type": "boolean"}}, "required": ["a"], "type": "object"}]},
        {"type": "string", "const": "yes"},
    ],
)
def test_the_smallest_value_satisfies_its_schema(schema):
    assert problem(smallest(schema), schema) is None


def test_text_that_is_not_json_is_a_problem():
    assert "not JSON" in (problem_of_text("Sure! {", SCHEMA) or "")
    assert problem_of_text('{"a": 1}', {"type": "object"}) is None
