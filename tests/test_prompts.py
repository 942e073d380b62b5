from __future__ import annotations

import pytest

from trivium import prompts
from trivium.errors import UnknownName, UsageError
from trivium.types import Message


def test_a_prompt_is_parsed_and_filled_literally() -> None:
    template = prompts.parse("p", "a note\n## system\nBe {mood}. {{x}}\n\n## user\n{question}\n")
    assert template.places == {"mood", "question"}
    assert template.fill(mood="{question} \\1", question="Why?") == [
        Message("system", "Be {question} \\1. {x}"),
        Message("user", "Why?"),
    ]


def test_missing_and_surplus_values_are_refused() -> None:
    template = prompts.parse("p", "## user\n{question}")
    with pytest.raises(UsageError, match="question"):
        template.fill()
    with pytest.raises(UsageError, match="extra"):
        template.fill(question="a", extra="b")
    with pytest.raises(UsageError, match="no message"):
        prompts.parse("p", "just words")


def test_an_unknown_prompt_lists_those_there_are() -> None:
    with pytest.raises(UnknownName, match="nothing-like-it"):
        prompts.load("nothing-like-it")


def test_every_prompt_that_ships_parses() -> None:
    for name in prompts.names():
        assert prompts.load(name).messages
