"""Loads the prompts of `data/prompts/*.md` and fills them. A prompt is data: its words are not in the code.

A prompt file holds one or more messages. A line `## system`, `## user` or `## assistant` opens each; what stands
before the first such line is a note to the reader of the file and is not sent. `{name}` is a place to fill; a
doubled brace is a brace. Values are put in as they are: braces within a value mean nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast

from trivium.errors import UnknownName, UsageError
from trivium.types import Message

Role = Literal["system", "user", "assistant"]
_ROLE = re.compile(r"^## (system|user|assistant)[ \t]*$", re.MULTILINE)
_PLACE = re.compile(r"\{\{|\}\}|\{([a-z_][a-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt: its messages with their places unfilled."""

    name: str
    messages: tuple[Message, ...]

    @property
    def places(self) -> frozenset[str]:
        """The names that `fill` needs."""
        found = (match[1] for m in self.messages for match in _PLACE.finditer(m.content))
        return frozenset(name for name in found if name)

    def fill(self, **values: str) -> list[Message]:
        """Return the messages with each `{name}` replaced by its value.

        Raises:
            UsageError: a value is missing, or one is given that the prompt has no place for.
        """
        places, given = self.places, frozenset(values)
        if places != given:
            raise UsageError(
                f"The prompt {self.name!r} has places {sorted(places)} and was given {sorted(given)}.",
                "Give exactly those.",
            )

        def put(match: re.Match[str]) -> str:
            return values[match[1]] if match[1] else match[0][0]

        return [Message(m.role, _PLACE.sub(put, m.content)) for m in self.messages]


def names() -> list[str]:
    """Return the names of the prompts that ship with the package."""
    folder = files("trivium").joinpath("data/prompts")
    return sorted(entry.name.removesuffix(".md") for entry in folder.iterdir() if entry.name.endswith(".md"))


def parse(name: str, text: str) -> Template:
    """Read a prompt file's text.

    Raises:
        UsageError: it has no message.
    """
    marks = list(_ROLE.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)] * bool(marks)
    messages = tuple(
        Message(cast(Role, mark[1]), text[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)
    )
    if not messages:
        raise UsageError(f"The prompt {name!r} has no message.", "Begin one with a line '## system' or '## user'.")
    return Template(name, messages)


@cache
def load(name: str) -> Template:
    """Return the prompt `data/prompts/<name>.md`.

    Raises:
        UnknownName: there is none; the message lists those there are.
    """
    if name not in names():
        raise UnknownName("prompt", name, names())
    return parse(name, files("trivium").joinpath(f"data/prompts/{name}.md").read_text("utf-8"))


def fill(name: str, **values: str) -> list[Message]:
    """Load the prompt `name` and fill it: see `Template.fill`."""
    return load(name).fill(**values)
