"""In which language to answer, and how to refuse in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from trivium.text.language import NAMES, detect


@cache
def refusal_table() -> Mapping[str, Any]:
    """Return `data/refusal.json`: the texts of refusals, how models refuse, and the thresholds."""
    table: Mapping[str, Any] = json.loads(files("trivium").joinpath("data/refusal.json").read_text("utf-8"))
    return table


def language_name(question: str) -> str:
    """Return the English name of the language of the question, for a prompt."""
    return NAMES.get(detect(question), "the language of the question")


def refusal_text(question: str) -> str:
    """Return "The documents do not say." in the language of the question, in English where it is not known."""
    texts = refusal_table()["texts"]
    text: str = texts.get(detect(question), texts["en"])
    return text
