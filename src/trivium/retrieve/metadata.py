"""The filters on metadata that a question may mean, as a list to choose from, and what is chosen as an expression.

Only names and values that documents of this knowledge base have, and numbers that the question itself names, stand
in the list: whatever is chosen parses, and says nothing of documents that the asker may not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from trivium.text.content import content_terms
from trivium.text.fence import neutralise
from trivium.text.normalise import normalise
from trivium.types import Scalar

FEW = 12
"""Values that a name may have so that all of them are offered; of more, those that share a word with the question."""
MOST = 40
"""Filters offered at most."""
_LONGEST = 60
_NAME = re.compile(r"[^\W\d][\w.-]*")
_NUMBER = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?![\w-])")
_WORDS = frozenset(("and", "or", "not", "in", "true", "false"))
_NEVER = ("source", "added_at", "media_type")
"""What a question does not speak of: names of files, and when and in which form they came."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One relation: `text` is the expression of `trivium.index.filters`."""

    name: str
    relation: str
    value: Scalar

    @property
    def text(self) -> str:
        """The relation as an expression."""
        return f"{self.name} {self.relation} {json.dumps(self.value, ensure_ascii=False)}"

    @property
    def said(self) -> bool:
        """Whether the relation is equality: `> 2020` is more than a value that is named."""
        return self.relation == "="


def filters_for(question: str, metadata: Mapping[str, AbstractSet[Scalar]]) -> list[Filter]:
    """Return the filters that a question may mean, those whose value it names first, at most `MOST`.

    Args:
        question: plain text.
        metadata: what `Index.metadata` gives for the asker: names with the values that occur.
    """
    asked = frozenset(content_terms(question))
    found: list[Filter] = []
    for name in sorted(metadata):
        if name in _NEVER or name in _WORDS or not _NAME.fullmatch(name):
            continue
        values = [value for value in sorted(metadata[name], key=str) if _plain(value)]
        near = [value for value in values if not asked.isdisjoint(content_terms(str(value)))]
        found += [Filter(name, "=", value) for value in (values if len(values) <= FEW else near)]
        if values and all(_number(value) is not None for value in values):
            numbers = [int(text) if text.isdigit() else float(text) for text in _NUMBER.findall(question)]
            found += [Filter(name, relation, number) for number in numbers for relation in (">=", ">", "<=", "<")]
    return sorted(found, key=lambda one: not named(one, question))[:MOST]


def named(one: Filter, question: str) -> bool:
    """Whether the question says the value of a filter on equality, word for word."""
    value = normalise(str(one.value))
    if not one.said or isinstance(one.value, bool) or not value:
        return False
    border = r"(?<![^\W_\u3040-\u9fff])", r"(?![^\W_\u3040-\u9fff])"
    return re.search(border[0] + re.escape(value) + border[1], normalise(question)) is not None


def expression(chosen: Sequence[Filter]) -> str:
    """Return filters as one expression: those of one name and equality are alternatives, all others hold together."""
    alternatives: dict[str, list[str]] = {}
    parts: list[str] = []
    for one in dict.fromkeys(chosen):
        if one.said:
            alternatives.setdefault(one.name, []).append(one.text)
        else:
            parts.append(one.text)
    return " and ".join([*(f"({' or '.join(texts)})" for texts in alternatives.values()), *parts])


def _number(value: Scalar) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except ValueError:
        return None


def _plain(value: Scalar) -> bool:
    """Whether a value can stand in a prompt and in an expression as it is; whoever wrote it is not trusted."""
    text = str(value)
    return 0 < len(text) <= _LONGEST and text.isprintable() and neutralise(text) == text and "\\" not in text
