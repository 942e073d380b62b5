"""The bench on which every arm is put: the same models, knowledge base, decoding and limits for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.advise.arms import FEW_SHOT, GROUNDED, RAFT, Arm
from trivium.advise.prices import Prices
from trivium.errors import UsageError
from trivium.evaluate.failure import Holders
from trivium.generate.manner import GROUNDED as GROUNDED_NAME
from trivium.models.adapted import Adapted
from trivium.models.base import Chat, Embedder, Reranker
from trivium.models.chat import open_chat, shipped_adapters, split_spec
from trivium.patterns import PATTERNS
from trivium.patterns.few_shot import Shot, Shots, few_shot, fixed, nearest
from trivium.patterns.instructed import INSTRUCTIONS, instructed
from trivium.systems import OpenSystem, by_example, function_system, open_system, pattern_system
from trivium.types import Answer, Example

if TYPE_CHECKING:
    from trivium.index import Index

_LEAST_TOKENS, _MOST_TOKENS = 32, 512
_A_WORD = 1.5  # tokens, in the languages that models know best
_REASONING = 160
"""Tokens that a chain of thought may take beyond the answer's."""


@dataclass(frozen=True)
class Bench:
    """What all arms share.

    Attributes:
        chat: the spec of the chat model (`trivium.models.chat.open_chat`), "" for the embedded one.
        index: the knowledge base, as its latest commit left it; None without one.
        embedder: chooses the nearest examples; None where there is none.
        reranker: of the patterns that rerank.
        adapters: files or folders of adapters by name: the user's and those trained here.
        callables: the user's own systems by name.
        instructions: of the arms that are told how to answer.
        max_tokens: of an answer without passages; see `answer_room`.
        k: how many passages a pattern retrieves; None is its own number.
        weights: of the arms of the search, for `advanced`; None is the search's own.
        principals: who asks.
        prices: what answers cost.
        parallel: requests at once, to an endpoint.
        corpus: which chunks hold an answer.
    """

    chat: str = ""
    index: Index | None = None
    embedder: Callable[[], Embedder] | None = None
    reranker: Reranker | None = None
    adapters: Mapping[str, str] = field(default_factory=dict)
    callables: Mapping[str, Callable[[str], Answer]] = field(default_factory=dict)
    instructions: str = INSTRUCTIONS
    max_tokens: int = 64
    k: int | None = None
    weights: Mapping[str, float] | None = None
    principals: Sequence[str] | None = None
    prices: Prices = field(default_factory=Prices)
    parallel: int = 1
    corpus: Holders | None = None

    @property
    def remote(self) -> bool:
        """Whether the chat model runs elsewhere."""
        return self.chat.startswith(("http://", "https://"))

    @contextmanager
    def opened(self, arm: Arm, shots: Sequence[Shot] = (), n: int = 0) -> Iterator[OpenSystem]:
        """Open an arm's system with its model, and free the model's memory at the end.

        Args:
            arm: which.
            shots: solved examples, for the arms of few shots.
            n: how many of them are shown.

        Raises:
            UsageError: the arm needs what is not there.
            ModelError: a model cannot be opened.
        """
        chat: list[Chat] = []

        def model() -> Chat:
            chat.append(self._chat(arm))
            return chat[-1]

        try:
            yield self._system(arm, model, shots, n)
        finally:
            for one in chat:
                getattr(one.chat if isinstance(one, Adapted) else one, "close", lambda: None)()

    def _system(self, arm: Arm, model: Callable[[], Chat], shots: Sequence[Shot], n: int) -> OpenSystem:
        if arm.name in self.callables:
            found = function_system(self.callables[arm.name], index=self.index, principals=self.principals)
            return replace(found, name=arm.name)
        if not arm.pattern:
            given: dict[str, Any] = {"index": self.index, "chat": model, "principals": self.principals}
            return open_system(arm.name, **given, parallel=self.parallel)
        if arm.searches:
            if self.index is None:
                raise UsageError(f"The arm {arm.name} needs a knowledge base.", "Give its folder with --kb.")
            found = pattern_system(
                arm.pattern, self.index, model(), reranker=self.reranker, k=self.k, principals=self.principals,
                corpus=self.corpus, weights=self.weights if arm.pattern == "advanced" else None,
            )  # fmt: skip
            return replace(found, name=arm.name, alone=None)
        return self._alone(arm, model(), shots, n)

    def _alone(self, arm: Arm, chat: Chat, shots: Sequence[Shot], n: int) -> OpenSystem:
        """Return an arm without passages."""
        settings: dict[str, Any] = {"name": arm.name, "kind": "pattern", "chat": chat.name}
        given: dict[str, Any] = {"chat": chat, "max_tokens": self.max_tokens}
        if arm.pattern in FEW_SHOT:
            given |= {"shots": self._shots(arm, shots, n), "instructions": self.instructions}
            settings |= {"shots": _digest(shots), "n": n}
            answer: Callable[..., Any] = few_shot
        elif arm.adapter:  # asked as it was trained: the bare question
            given |= {"instructions": ""}
            answer = instructed
        else:
            answer = PATTERNS[arm.pattern]
            if arm.pattern == "instructed":
                given |= {"instructions": self.instructions}
            elif arm.pattern == "chain_of_thought":
                given["max_tokens"] += _REASONING
        settings |= {key: value for key, value in given.items() if isinstance(value, str | int)}
        return OpenSystem(arm.name, by_example(partial(answer, **given)), settings, corpus=self.corpus)

    def _shots(self, arm: Arm, shots: Sequence[Shot], n: int) -> Shots:
        if not shots:
            raise UsageError(f"The arm {arm.name} needs solved examples.", "Give training questions with answers.")
        if arm.pattern == "few_shot":
            return fixed(shots[:n])
        if self.embedder is None:
            raise UsageError(f"The arm {arm.name} needs an embedder.", "Give a knowledge base, or take few_shot.")
        return nearest(shots, self.embedder(), n)

    def _chat(self, arm: Arm) -> Chat:
        """Open the chat model with the arm's adapter."""
        if not arm.adapter:
            return open_chat(self.chat or None, parallel=self.parallel)
        base, _ = split_spec(self.chat)
        place = self.adapters.get(arm.adapter) or (shipped_adapters().get(GROUNDED) if arm.adapter == GROUNDED else "")
        if not place:
            raise UsageError(f"There is no adapter {arm.adapter!r}.", "Give it as --adapter NAME=FILE.")
        if arm.adapter in (RAFT, GROUNDED):
            return open_chat(f"{base}+{GROUNDED_NAME}={place}", parallel=self.parallel)
        return Adapted(open_chat(f"{base}+{arm.adapter}={place}", parallel=self.parallel), arm.adapter)

    def disk_of(self, arm: Arm) -> int:
        """Return the bytes on the disk that an arm needs besides the base model: its adapter, its knowledge base."""
        place = self.adapters.get(arm.adapter, "") or (shipped_adapters().get(arm.adapter, "") if arm.adapter else "")
        total = _size(Path(place)) if place else 0
        return total + (_size(self.index.root) if arm.searches and self.index is not None else 0)


def answer_room(examples: Sequence[Example]) -> int:
    """Return the tokens that an answer may take: twice those of all but the longest known answers, 32 to 512.

    Args:
        examples: of the training and validation parts; none of the test part is looked at.
    """
    lengths = sorted(min(map(_tokens, example.answers)) for example in examples if example.answers)
    usual = lengths[int(0.95 * (len(lengths) - 1))] if lengths else 0
    return int(max(_LEAST_TOKENS, min(_MOST_TOKENS, 2 * usual + 16)))


def _tokens(text: str) -> float:
    wide = sum(character >= "\u2e80" for character in text)
    return _A_WORD * (len(text.split()) + wide)


def _digest(shots: Sequence[Shot]) -> str:
    return hashlib.sha256(
        repr([(shot.question, shot.answer) for shot in shots]).encode("utf-8", "replace")
    ).hexdigest()[:16]


def _size(place: Path) -> int:
    if place.is_file():
        return place.stat().st_size
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) if place.is_dir() else 0
