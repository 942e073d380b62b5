"""The failure points by name, each with what can move it, from `data/failure_points.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Cure:
    """Something that can move a failure point.

    Attributes:
        road: "prompt", "ground" or "tune".
        setting: the option or command as it is typed, or what to change.
        why: one clause.
        stages: the stages that it moves (of FP3 the step that dropped the evidence; of FP1 "answered", where a question
            without an answer was answered); empty for all.
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


def _read() -> dict[str, Point]:
    table = json.loads(files("trivium").joinpath("data/failure_points.json").read_text("utf-8"))
    return {
        name: Point(
            one["title"],
            one["meaning"],
            tuple(Cure(**{**cure, "stages": tuple(cure.get("stages", ()))}) for cure in one["cures"]),
        )
        for name, one in table.items()
    }


POINTS: Mapping[str, Point] = _read()
"""By key, in the order FP1 to FP7, retrieval_not_needed."""
