"""What a graph is made of: the contributions of chunks, and the nodes and edges that an asker sees of them.

A node or an edge is never stored. Contributions are, each with its chunk; nodes and edges are drawn from those whose
chunks the asker may read, so that nothing of the others can show: no name, no description, no degree, no merging.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from trivium.text.normalise import fold_marks, normalise

Kind = Literal["subject", "name", "title", "number", "phrase"]
KINDS: tuple[Kind, ...] = ("subject", "name", "title", "number", "phrase")
"""What a mention is, the most telling first: what its document is about, a name, a quoted title, a number with its
unit, a phrase of plain words.
"""

NAMED: tuple[Kind, ...] = ("subject", "name", "title")
"""The kinds that name one thing."""


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity named in a chunk. `sentence` counts the sentences of the chunk; the subject's is -1."""

    name: str
    kind: Kind
    sentence: int


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation that a model read out of a chunk: the names of two entities, and how they are related."""

    source: str
    target: str
    about: str
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contribution:
    """All that one chunk gives to the graph.

    `aliases` are pairs (short form, name) that the text itself defines; `about` are a model's descriptions by name.
    """

    chunk: str
    mentions: tuple[Mention, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    relations: tuple[Relation, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Node:
    """An entity as an asker sees it: its commonest name, all names, and how many chunks name it."""

    name: str
    kind: Kind
    names: tuple[str, ...]
    chunks: tuple[str, ...]
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """Two entities that stand in one sentence `count` times, or that a model has related; and the chunks of it."""

    source: str
    target: str
    count: int
    chunks: tuple[str, ...]
    about: tuple[str, ...] = ()


@lru_cache(maxsize=1 << 16)
def entity_key(name: str) -> str:
    """Return what two writings of one name have in common: no case, accents, punctuation, article or plural.

    `The U.S. Navy` and `us navy` have one key, `Warranties` and `warranty` too; a last word in capitals keeps its s.
    """
    text = fold_marks(normalise(name)).replace("’", "'")
    for ending in ("'s", "'"):
        text = text.removesuffix(ending)
    letters = "".join(c if c.isalnum() or unicodedata.category(c) == "Mn" else _gap(c) for c in text)
    words = letters.split()
    if len(words) > 1 and words[0] in ("the", "a", "an"):
        words = words[1:]
    if words and not name[-1:].isupper():
        words[-1] = _singular(words[-1])
    return " ".join(words)


def _gap(character: str) -> str:
    return "" if character in ".'·・" else " "


def _singular(word: str) -> str:
    if len(word) < 5 or not word.isascii() or word.endswith(("ss", "us", "is", "os", "as")) or not word.endswith("s"):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("xes", "shes", "ches", "sses")) else word[:-1]
