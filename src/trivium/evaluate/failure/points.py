"""The failure points by name, each with what can move it, from `data/failure_points.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cure:
    """Something that can move a failure point.

    Attributes:
        road: "prompt", "ground" or "tune".
        setting: the option or command, as it is typed.
        why: one clause.
        stages: of FP3, the stages that it moves; empty for all.
    """

    road: str
    setting: str
    why: str
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """A failure point: `title` in a few words, `meaning` in a sentence, and its cures, the first to try first."""

    title: str
    meaning: str
    cures: tuple[Cure, ...]


POINTS: Mapping[str, Point] = {}
"""By key, in the order FP1 to FP7, retrieval_not_needed."""
