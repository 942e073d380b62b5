"""Questions written by a chat model after a few examples, for a knowledge base that has none.

Dai et al. 2022, Promptagator, arXiv:2209.11755: eight or fewer examples show what a question of this task is like, and
only questions whose own passage the search brings back are kept (the round trip).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from trivium.errors import UsageError
from trivium.models.base import Chat
from trivium.tasks.leak import same
from trivium.tasks.synthesis.checks import form
from trivium.tasks.training.values import Retrieval
from trivium.tune.retrieval.unlabelled import Passage
from trivium.types import Message

MOST_SHOWN = 8
_PASSAGE = 1200  # characters of a passage that are shown
_TOKENS = 64

Find = Callable[[str, int], Sequence[str]]
"""Gives the ids of the best chunks for a question: `(question, how many)`."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the chat model wrote: the samples that were kept, of `tried` passages, and why the others were not."""

    samples: tuple[Retrieval, ...]
    tried: int
    dropped: Mapping[str, int] = field(default_factory=dict)


def write_samples(
    chat: Chat,
    passages: Sequence[Passage],
    shown: Sequence[tuple[str, str]],
    *,
    find: Find,
    count: int = 100,
    k: int = 1,
    temperature: float = 0.7,
    seed: int = 0,
    on_passage: Callable[[int, int], None] | None = None,
) -> Written:
    """Return `count` questions, each with the passage that it was written for.

    Args:
        chat: writes.
        passages: of the knowledge base, drawn by the seed; each is tried once.
        shown: passages with a question each, from this task: one to eight.
        find: the search of the knowledge base, for the round trip.
        count: questions wanted.
        k: hits among which a question's own passage must be; the paper takes the first alone.
        temperature: of the writing.
        seed: of the draw and the writing.
        on_passage: told how many are kept of how many tried.

    Raises:
        UsageError: no example is shown, or too many.
        ModelError: the chat model failed.
    """
    if not 1 <= len(shown) <= MOST_SHOWN:
        raise UsageError(
            f"{len(shown)} examples were given.",
            f"Give 1 to {MOST_SHOWN} questions with the passages that answer them.",
        )
    order = list(passages)
    random.Random(seed).shuffle(order)
    samples: list[Retrieval] = []
    dropped: Counter[str] = Counter()
    asked = {same(question) for _, question in shown}
    tried = 0
    for passage in order:
        if len(samples) >= count:
            break
        tried += 1
        said = chat.complete(
            _messages(shown, passage.text),
            max_tokens=_TOKENS,
            temperature=temperature,
            seed=seed + tried,
            stop=["\n\n"],
        ).text
        question = _question(said)
        why = form(question) or ("asked already" if same(question) in asked else "")
        if not why and passage.id not in find(question, k):
            why = "passage not found"
        if why:
            dropped[why] += 1
        else:
            asked.add(same(question))
            samples.append(Retrieval(question, (passage.text,), id=f"{passage.id}#written", group=passage.source))
        if on_passage is not None:
            on_passage(len(samples), tried)
    return Written(tuple(samples), tried, dict(dropped))


def _messages(shown: Sequence[tuple[str, str]], passage: str) -> list[Message]:
    turns = []
    for text, question in shown:
        turns += [Message("user", _asked(text)), Message("assistant", question)]
    return [*turns, Message("user", _asked(passage))]


def _asked(passage: str) -> str:
    return f"Passage: {' '.join(passage.split())[:_PASSAGE]}\n\nWrite one question that this passage answers."


def _question(said: str) -> str:
    """Return the first line, without a label or quotation marks."""
    line = next((line for line in said.splitlines() if line.strip()), "")
    return line.strip().removeprefix("Question:").removeprefix("Q:").strip().strip('"“”').strip()
