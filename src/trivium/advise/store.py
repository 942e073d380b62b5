"""A comparison on the disk: `comparison.json` in its folder, whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trivium.advise.values import ArmResult, Comparison, Question, Seconds, Trial
from trivium.errors import UsageError
from trivium.evaluate.failure.kinds import Failure
from trivium.index.durable import read_json, write_whole
from trivium.types import Score

FILE = "comparison.json"


def save(comparison: Comparison, folder: Path) -> None:
    """Write a comparison into its folder."""
    write_whole(folder / FILE, json.dumps(_numbers(asdict(comparison)), ensure_ascii=False) + "\n")


def load(folder: Path) -> Comparison:
    """Return the comparison that `save` wrote.

    Raises:
        UsageError: the folder holds none, or one that cannot be read.
    """
    if not (folder / FILE).is_file():
        raise UsageError(f"There is no comparison at {folder}.", "Give the folder that `trivium compare` named.")
    try:
        found = read_json(folder / FILE)
        return Comparison(
            **{
                **found,
                "questions": tuple(Question(**{**one, "classes": tuple(one["classes"])}) for one in found["questions"]),
                "arms": tuple(_arm(one) for one in found["arms"]),
                "trials": tuple(_trial(one) for one in found["trials"]),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{folder / FILE} is not a comparison: {error!r}.", "Run the comparison again.") from error


def _arm(found: Mapping[str, Any]) -> ArmResult:
    failures = tuple(
        None if one is None else Failure(**{**one, "unknown": tuple(one["unknown"])}) for one in found["failures"]
    )
    values = {
        name: tuple(math.nan if value is None else value for value in row) for name, row in found["values"].items()
    }
    return ArmResult(
        **{
            **found,
            "values": values,
            "failures": failures,
            "said": tuple(found["said"]),
            "abilities": {name: Score(**score) for name, score in found["abilities"].items()},
            "seconds": Seconds(**found["seconds"]),
        }
    )


def _trial(found: Mapping[str, Any]) -> Trial:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
    return Trial(**fields)


def _numbers(value: Any) -> Any:
    """Return a value with None where JSON has no number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _numbers(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(one) for one in value]
    return value
