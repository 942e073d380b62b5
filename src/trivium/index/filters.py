"""A small language for conditions on metadata, such as `year >= 2020 and language = "zh" and not title ~ "draft"`.

    expression := term ("or" term)*           term := factor ("and" factor)*
    factor     := "not" factor | "(" expression ")" | name relation value | name "in" "(" value ("," value)* ")"
    relation   := = | != | < | <= | > | >= | ~           value := "text" | 'text' | number | true | false

`~` finds text inside text, whatever its case. Texts compare by characters, so ISO dates (`"2024-05-01"`) compare as
dates. A document without the name satisfies none of its relations, not even `!=`.

Names are the metadata given to `add`, and `source`, `title`, `author`, `language`, `created`, `modified`, `added_at`,
`media_type`. `page` compares with the page of each chunk. An expression is parsed to values, never pasted into a query.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from trivium.errors import FilterError
from trivium.index.where import And, Comparison, HasAny, Not, Number, Or, Where
from trivium.types import Scalar

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d+(?:\.\d+)?(?![\w.-]))
    | (?P<relation><=|>=|!=|==|=|<|>|~)
    | (?P<mark>[(),])
    | (?P<name>[^\W\d][\w.-]*)
    )""",
    re.VERBOSE,
)
_WORDS = ("and", "or", "not", "in", "true", "false")
_RELATIONS: dict[str, Callable[[str | float, str | float], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MAX_LENGTH = 10_000
_MAX_DEPTH = 50

Values = Callable[[str], Collection[Scalar]]
"""Given a name, the values that documents of this knowledge base have for it."""


def facet(name: str, value: Scalar) -> str:
    """Return the one text by which the store knows that a document's `name` is `value`."""
    return f"{name}={json.dumps(value, ensure_ascii=False)}"


def parse(expression: str, values: Values) -> Where:
    """Return the condition that `expression` states.

    Raises:
        FilterError: the expression does not parse; the message says at which character.
    """
    if len(expression) > _MAX_LENGTH:
        raise FilterError(f"The filter has {len(expression)} characters; the limit is {_MAX_LENGTH}.", "Shorten it.")
    reader = _Reader(expression, list(_tokens(expression)))
    where = _either(reader, values, 0)
    if reader.kind != "end":
        raise reader.error("the end, `and` or `or`")
    return where


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def _tokens(expression: str) -> Iterable[_Token]:
    position = 0
    end = len(expression.rstrip())
    while position < end:
        match = _TOKEN.match(expression, position)
        if match is None:
            raise FilterError(
                f"The filter cannot be read at character {position + 1}: {expression[position : position + 20]!r}.",
                'Write it like: year >= 2020 and language = "zh"',
            )
        kind = str(match.lastgroup)
        text, start = match.group(kind), match.start(kind)
        if kind == "name" and text.lower() in _WORDS:
            kind, text = "word", text.lower()
        yield _Token(kind, text, start)
        position = match.end()
    yield _Token("end", "", end)


class _Reader:
    """The tokens of an expression, read one by one."""

    def __init__(self, expression: str, tokens: list[_Token]) -> None:
        self._expression = expression
        self._tokens = tokens
        self._at = 0

    @property
    def kind(self) -> str:
        return self._tokens[self._at].kind

    def take(self, kind: str, *texts: str) -> str | None:
        """Step over the token if it is of this kind (and one of these texts), and return its text."""
        token = self._tokens[self._at]
        if token.kind != kind or (texts and token.text not in texts):
            return None
        self._at += 1
        return token.text

    def error(self, wanted: str) -> FilterError:
        token = self._tokens[self._at]
        found = repr(token.text) if token.text else "the end"
        return FilterError(
            f"The filter {self._expression!r} has {found} at character {token.position + 1}, where {wanted} should be.",
            'Write it like: year >= 2020 and language = "zh"',
        )


def _either(reader: _Reader, values: Values, depth: int) -> Where:
    parts = [_both(reader, values, depth)]
    while reader.take("word", "or"):
        parts.append(_both(reader, values, depth))
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def _both(reader: _Reader, values: Values, depth: int) -> Where:
    parts = [_factor(reader, values, depth)]
    while reader.take("word", "and"):
        parts.append(_factor(reader, values, depth))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _factor(reader: _Reader, values: Values, depth: int) -> Where:
    if depth > _MAX_DEPTH:
        raise reader.error(f"no more than {_MAX_DEPTH} levels of brackets")
    if reader.take("word", "not"):
        return Not(_factor(reader, values, depth + 1))
    if reader.take("mark", "("):
        inner = _either(reader, values, depth + 1)
        if not reader.take("mark", ")"):
            raise reader.error("a closing bracket")
        return inner
    name = reader.take("name")
    if name is None:
        raise reader.error("a name, `not` or a bracket")
    if reader.take("word", "in"):
        return _relation(name, "in", _list(reader), values)
    relation = reader.take("relation")
    if relation is None:
        raise reader.error("one of = != < <= > >= ~ in")
    return _relation(name, "=" if relation == "==" else relation, (_value(reader),), values)


def _list(reader: _Reader) -> tuple[Scalar, ...]:
    if not reader.take("mark", "("):
        raise reader.error("an opening bracket")
    found = [_value(reader)]
    while reader.take("mark", ","):
        found.append(_value(reader))
    if not reader.take("mark", ")"):
        raise reader.error("a comma or a closing bracket")
    return tuple(found)


def _value(reader: _Reader) -> Scalar:
    if (text := reader.take("text")) is not None:
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    if (number := reader.take("number")) is not None:
        return float(number) if "." in number else int(number)
    if (word := reader.take("word", "true", "false")) is not None:
        return word == "true"
    raise reader.error('a value: "text", a number, true or false')


def _relation(name: str, relation: str, wanted: tuple[Scalar, ...], values: Values) -> Where:
    if name == "page":
        return _page(relation, wanted)
    return HasAny(
        "facets",
        tuple(
            facet(name, value)
            for value in sorted(values(name), key=repr)
            if any(_holds(relation, value, one) for one in wanted)
        ),
    )


def _page(relation: str, wanted: tuple[Scalar, ...]) -> Where:
    numbers = [one for one in wanted if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) != len(wanted) or relation == "~":
        raise FilterError("`page` is a number and compares with numbers only.", "Write it like: page <= 12")
    relations: dict[str, Comparison] = {
        "=": "=",
        "in": "=",
        "!=": "!=",
        "<": "<",
        "<=": "<=",
        ">": ">",
        ">=": ">=",
    }
    return Or(tuple(Number("page", relations[relation], one) for one in numbers))


def _holds(relation: str, value: Scalar, wanted: Scalar) -> bool:
    """Compare as numbers where both are numbers, else as texts where both are texts; a bool only equals a bool."""
    if relation == "~":
        return str(wanted).casefold() in str(value).casefold()
    compare = _RELATIONS["=" if relation == "in" else relation]
    if isinstance(value, bool) or isinstance(wanted, bool):
        return relation in ("=", "!=", "in") and type(value) is type(wanted) and compare(value, wanted)
    if isinstance(value, str) != isinstance(wanted, str):
        return _holds_mixed(relation, value, wanted)
    return compare(value, wanted)


def _holds_mixed(relation: str, value: Scalar, wanted: Scalar) -> bool:
    """Compare a text with a number: as numbers where the text is one (`--meta year=2020` may have stored either)."""
    try:
        left, right = float(value), float(wanted)
    except ValueError:
        return relation == "!="
    return _RELATIONS["=" if relation == "in" else relation](left, right)
