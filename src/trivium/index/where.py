"""Conditions on rows, as plain values. Nothing here knows the store engine: `store.py` turns them into its language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from trivium.types import EVERYONE

Comparison = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class HasAny:
    """The list `column` holds at least one of `values`; no values: no row."""

    column: Literal["access", "facets", "headings"]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Among:
    """The text `column` is one of `values`; no values: no row."""

    column: Literal["id", "kind", "document_id"]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """The number `column` stands in this relation to `value`."""

    column: Literal["page", "ordinal"]
    operator: Comparison
    value: int | float


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    part: Where


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; no parts: every row."""

    parts: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Some part holds; no parts: no row."""

    parts: tuple[Where, ...]


Where = HasAny | Among | Number | Not | And | Or


def every(parts: Iterable[Where | None]) -> Where:
    """Return the conjunction of the conditions given, leaving out those that are None."""
    return And(tuple(part for part in parts if part is not None))


def readable_by(principals: Sequence[str] | None) -> Where:
    """Return the condition that the asker may read a row.

    None or an empty list is an unknown asker, who sees what everyone may read. Access is never decided after a
    search: this condition is part of every one.
    """
    return HasAny("access", (EVERYONE, *sorted({p for p in principals or () if p})))
