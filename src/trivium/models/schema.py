"""JSON schemas, the part that models are asked to fill: check a value, or make the smallest one that passes.

llama.cpp turns a schema into a grammar, so its output needs no check beyond parsing. Endpoints that refuse
`response_format` and the fakes do need one. Known keywords: type, properties, required, additionalProperties,
items, minItems, maxItems, enum, const, anyOf, oneOf, allOf, minLength, maxLength, pattern, minimum, maximum,
exclusiveMinimum, exclusiveMaximum, and local `$ref` (`#/...`). Other keywords are not looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def problem_of_text(text: str, schema: Schema) -> str | None:
    """Say why `text` is not JSON that satisfies `schema`, or return None."""
    try:
        value = json.loads(text)
    except ValueError as error:
        return f"not JSON: {error}"
    return problem(value, schema)


def problem(value: Any, schema: Schema, *, root: Schema | None = None, where: str = "$") -> str | None:
    """Say where and why `value` does not satisfy `schema`, or return None."""
    root = schema if root is None else root
    if "$ref" in schema:
        return problem(value, _resolve(schema["$ref"], root), root=root, where=where)
    for part in schema.get("allOf", ()):
        if found := problem(value, part, root=root, where=where):
            return found
    for choice in ("anyOf", "oneOf"):
        if choice in schema and all(problem(value, part, root=root) for part in schema[choice]):
            return f"{where} fits none of {choice}"
    if "const" in schema and value != schema["const"]:
        return f"{where} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} is not one of {list(schema['enum'])}"
    if not _has_type(value, schema.get("type")):
        return f"{where} is not of type {schema['type']}"
    if isinstance(value, dict):
        return _object_problem(value, schema, root, where)
    if isinstance(value, list):
        return _array_problem(value, schema, root, where)
    if isinstance(value, str):
        return _string_problem(value, schema, where)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number_problem(value, schema, where)
    return None


def smallest(schema: Schema, *, root: Schema | None = None) -> Any:
    """Return a small value that satisfies `schema` (`pattern` is not honoured): what a fake model answers."""
    root = schema if root is None else root
    if "$ref" in schema:
        return smallest(_resolve(schema["$ref"], root), root=root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return smallest(schema[choice][0], root=root)
    if "allOf" in schema:
        return smallest(_merged(schema["allOf"], root), root=root)
    kind = schema.get("type", "object" if "properties" in schema else "null")
    if not isinstance(kind, str):
        kind = kind[0]
    if kind == "object":
        properties = schema.get("properties", {})
        names = schema.get("required", tuple(properties))
        return {name: smallest(properties.get(name, {}), root=root) for name in names}
    if kind == "array":
        return [smallest(schema.get("items", {}), root=root) for _ in range(schema.get("minItems", 0))]
    if kind == "string":
        return "x" * int(schema.get("minLength", 0))
    if kind in ("integer", "number"):
        return _smallest_number(schema, step=1)
    return False if kind == "boolean" else None


def _resolve(reference: str, root: Schema) -> Schema:
    node: Any = root
    for key in reference.removeprefix("#").strip("/").split("/"):
        node = node[key] if key else node
    return dict(node)


def _merged(parts: list[Schema], root: Schema) -> Schema:
    merged: dict[str, Any] = {"properties": {}, "required": []}
    for part in parts:
        part = _resolve(part["$ref"], root) if "$ref" in part else part
        merged["properties"] |= part.get("properties", {})
        merged["required"] += part.get("required", [])
        merged |= {key: value for key, value in part.items() if key not in ("properties", "required")}
    return merged


def _has_type(value: Any, kind: str | list[str] | None) -> bool:
    if kind is None:
        return True
    return any(_TYPES[name](value) for name in ([kind] if isinstance(kind, str) else kind))


def _object_problem(value: dict[str, Any], schema: Schema, root: Schema, where: str) -> str | None:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            return f"{where} lacks {name!r}"
    extra = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name not in properties and extra is False:
            return f"{where} has {name!r}, which the schema does not know"
        part = properties.get(name, extra if isinstance(extra, Mapping) else {})
        if found := problem(item, part, root=root, where=f"{where}.{name}"):
            return found
    return None


def _array_problem(value: list[Any], schema: Schema, root: Schema, where: str) -> str | None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return f"{where} has {len(value)} items"
    for number, item in enumerate(value):
        if found := problem(item, schema.get("items", {}), root=root, where=f"{where}[{number}]"):
            return found
    return None


def _string_problem(value: str, schema: Schema, where: str) -> str | None:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return f"{where} has {len(value)} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{where} does not match {schema['pattern']!r}"
    return None


def _number_problem(value: float, schema: Schema, where: str) -> str | None:
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    if not low <= value <= high:
        return f"{where} is {value}, outside {low} to {high}"
    if value <= schema.get("exclusiveMinimum", float("-inf")) or value >= schema.get("exclusiveMaximum", float("inf")):
        return f"{where} is {value}, at or beyond an exclusive limit"
    return None


def _smallest_number(schema: Schema, *, step: int) -> float:
    low: float = schema.get("minimum", schema.get("exclusiveMinimum", float("-inf")) + step)
    high: float = schema.get("maximum", schema.get("exclusiveMaximum", float("inf")) - step)
    return max(low, min(high, 0))
