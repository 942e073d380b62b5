"""The forms in which question files write the same thing: a text, a list of texts, a list of lists, a truth value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trivium.tasks.records import Malformed

Alternatives = tuple[str, ...]


def text(value: Any) -> str:
    """Return a value as text: numbers are written out, true and false are `yes` and `no`, nothing is the empty text.

    Raises:
        Malformed: it is a list or an object.
    """
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:  # a missing number of a table is NaN
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    raise Malformed(f"holds {type(value).__name__} where a text is wanted")


def texts(value: Any) -> Alternatives:
    """Return a text or a (nested) list of them as distinct texts in order; a list written as a text is unpacked."""
    found: dict[str, None] = {}
    for one in _flat(unpacked(value)):
        found.setdefault(one)
    return tuple(found)


def _flat(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        value = value.get("text", value.get("answer", value.get("value")))
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flat(one)
    elif plain := text(value):
        yield plain


def unpacked(value: Any) -> Any:
    """Return the list that a text such as `["a", "b"]` writes, or the value as it is."""
    if isinstance(value, str) and value[:1] == "[" and value.rstrip()[-1:] == "]":
        try:
            listed = json.loads(value)
        except ValueError:
            return value
        if isinstance(listed, list) and all(isinstance(one, str | int | float) for one in listed):
            return listed
    return value


def parts(value: Any) -> tuple[Alternatives, ...]:
    """Return the parts of an answer, each with its alternatives: `["a", ["b", "B"]]` has two."""
    if not isinstance(value, list | tuple):
        value = [value]
    return tuple(filter(None, (texts(one) for one in value)))


def join(answers: Sequence[Alternatives], language: str) -> str:
    """Return one whole answer of several parts: the first alternative of each."""
    return ("、" if language.startswith("zh") else ", ").join(alternatives[0] for alternatives in answers)


def need(record: Mapping[str, Any], *keys: str) -> Any:
    """Return the value of the first key that the record has.

    Raises:
        Malformed: it has none of them.
    """
    for key in keys:
        if record.get(key) is not None:
            return record[key]
    raise Malformed(f"has no {' or '.join(repr(key) for key in keys)}")
