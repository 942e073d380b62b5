"""Rows of tokens: what a causal model trains on, and how samples that begin alike share their beginning.

Several questions on one passage repeat its tokens. A row may therefore be a tree: the beginning that its samples
share stands once, each sample's own rest follows, sees the beginning and itself, and counts its positions from there.
The loss is the same as for samples that stand alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

IGNORED = -100
"""The label of a token that is not to be learnt."""

_LEAST_SHARED = 32  # tokens: below this a shared beginning is not worth its mask


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens in order. `branches` is 0 for a shared beginning and a number for each sample's own rest, or empty."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    positions: tuple[int, ...] = ()
    branches: tuple[int, ...] = ()
    samples: int = 1

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def trained(self) -> int:
        """How many tokens are learnt."""
        return sum(label != IGNORED for label in self.labels)


def share_beginnings(rows: Iterable[Row], *, longest: int, most: int = 8) -> list[Row]:
    """Return the rows with those that begin alike joined to trees.

    Args:
        rows: single samples.
        longest: tokens that a tree may have.
        most: samples that a tree may hold, so that a step still sees different ones.
    """
    ordered = sorted(rows, key=lambda row: row.ids)  # samples that begin alike stand side by side
    joined: list[Row] = []
    group: list[Row] = []
    for row in ordered:
        trial = [*group, row]
        if group and len(trial) <= most and _shared(trial) >= _LEAST_SHARED and _size(trial) <= longest:
            group = trial
        else:
            joined += _tree(group)
            group = [row]
    return joined + _tree(group)


def _shared(rows: Sequence[Row]) -> int:
    """Return how many first tokens all rows share, before any label and before the last token of any."""
    first, last = rows[0], rows[-1]  # sorted: what these two share, all share
    limit = min(min(_first_label(row) for row in rows), min(map(len, rows)) - 1)
    for place in range(limit):
        if first.ids[place] != last.ids[place]:
            return place
    return limit


def _first_label(row: Row) -> int:
    """Return the place whose logits are needed first: the one before the first label."""
    return next((place for place, label in enumerate(row.labels) if label != IGNORED), len(row)) - 1


def _size(rows: Sequence[Row]) -> int:
    shared = _shared(rows)
    return shared + sum(len(row) - shared for row in rows)


def _tree(rows: Sequence[Row]) -> list[Row]:
    if len(rows) < 2:
        return list(rows)
    shared = _shared(rows)
    ids, labels = list(rows[0].ids[:shared]), [IGNORED] * shared
    positions, branches = list(range(shared)), [0] * shared
    for number, row in enumerate(rows, 1):
        ids += row.ids[shared:]
        labels += [IGNORED, *row.labels[shared + 1 :]]  # what stands before is not its own beginning
        positions += range(shared, len(row))
        branches += [number] * (len(row) - shared)
    return [Row(tuple(ids), tuple(labels), tuple(positions), tuple(branches), len(rows))]


def pack(rows: Iterable[Row], longest: int) -> list[Row]:
    """Return the rows packed into rows of at most `longest` tokens that do not see one another (first fit, by length).

    A packed row is a tree without a beginning: attention over it costs its length squared, so it pays for short
    samples only.
    """
    packed: list[list[Row]] = []
    room: list[int] = []
    for row in sorted(rows, key=len, reverse=True):
        place = next((place for place, left in enumerate(room) if left >= len(row)), None)
        if place is None:
            packed.append([row])
            room.append(longest - len(row))
        else:
            packed[place].append(row)
            room[place] -= len(row)
    return [_side_by_side(group) for group in packed]


def _side_by_side(rows: Sequence[Row]) -> Row:
    if len(rows) == 1:
        return rows[0]
    ids: list[int] = []
    labels: list[int] = []
    positions: list[int] = []
    branches: list[int] = []
    for number, row in enumerate(rows, 1):
        ids += row.ids
        labels += [IGNORED, *row.labels[1:]]  # nothing predicts a sample's first token
        positions += range(len(row))
        branches += [number] * len(row)
    return Row(tuple(ids), tuple(labels), tuple(positions), tuple(branches), len(rows))
