"""A set-up of the pipeline, and the single changes that can be made to it: what `trivium improve` searches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from trivium.advise.arms import GROUNDED, PROMPTING, RAFT, TUNED
from trivium.models.rerank import LATE

_DEFAULT_K = 10


@dataclass(frozen=True, slots=True)
class Setup:
    """How questions are answered.

    Attributes:
        pattern: of `trivium.patterns.PATTERNS`.
        adapter: the chat model's; "" for none.
        k: passages; 0 is the pattern's own number.
        reranker: a spec of `trivium.models.rerank.open_reranker`; "" for none.
        dense: the weight of the dense arm, 0 to 1; the lexical arm has the rest. -1 is the search's own.
        chunker: how documents are cut; "" as they are stored.
    """

    pattern: str = "advanced"
    adapter: str = ""
    k: int = 0
    reranker: str = ""
    dense: float = -1.0
    chunker: str = ""

    @property
    def arm(self) -> str:
        """The word of its arm."""
        return self.pattern + (f"+{self.adapter}" if self.adapter else "")

    @property
    def name(self) -> str:
        """In a few words, such as `advanced+raft k=5 reranker=late`."""
        words = [self.arm]
        words += [f"k={self.k}"] if self.k else []
        words += [f"reranker={self.reranker}"] if self.reranker else []
        words += [f"dense={self.dense:g}"] if self.dense >= 0 else []
        words += [f"chunker={self.chunker}"] if self.chunker else []
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Possible:
    """What can be changed here: `adapters` that are at hand or can be trained, `chunkers` to cut anew by."""

    adapters: tuple[str, ...] = ()
    chunkers: tuple[str, ...] = ()


def _k(now: Setup, possible: Possible) -> Iterator[Setup]:
    for k in (3, 5, 10, 20):
        if k != (now.k or _DEFAULT_K):
            yield replace(now, k=k)


def _reranker(now: Setup, possible: Possible) -> Iterator[Setup]:
    yield replace(now, reranker="" if now.reranker else LATE)


def _weights(now: Setup, possible: Possible) -> Iterator[Setup]:
    if now.pattern == "advanced":
        for dense in (0.25, 0.75):
            if dense != now.dense:
                yield replace(now, dense=dense)


def _pattern(now: Setup, possible: Possible) -> Iterator[Setup]:
    for pattern in ("advanced", "naive", "retrieve_only"):
        if pattern != now.pattern and not (pattern == "retrieve_only" and now.adapter):
            yield replace(now, pattern=pattern, dense=-1.0)


def _adapter(now: Setup, possible: Possible) -> Iterator[Setup]:
    if now.pattern in PROMPTING or now.pattern == "retrieve_only":
        return
    for adapter in ("", *possible.adapters):
        if adapter != now.adapter:
            yield replace(now, adapter=adapter)


def _chunker(now: Setup, possible: Possible) -> Iterator[Setup]:
    for chunker in possible.chunkers:
        if chunker != now.chunker:
            yield replace(now, chunker=chunker)


STEPS: Mapping[str, Callable[[Setup, Possible], Iterator[Setup]]] = {
    "reranker": _reranker,
    "k": _k,
    "weights": _weights,
    "adapter": _adapter,
    "pattern": _pattern,
    "chunker": _chunker,
}
"""The kinds of change, the cheap ones first."""

CURES: Mapping[str, tuple[str, ...]] = {
    "FP2": ("reranker", "weights", "k", "chunker", "adapter", "pattern"),
    "FP3": ("k", "adapter", "reranker", "pattern", "weights", "chunker"),
    "FP4": ("adapter", "pattern", "k", "reranker", "weights", "chunker"),
    "FP5": ("adapter", "pattern", "k", "reranker", "weights", "chunker"),
    "FP6": ("adapter", "pattern", "k", "reranker", "weights", "chunker"),
    "FP7": ("k", "adapter", "chunker", "reranker", "weights", "pattern"),
}
"""The order in which steps are taken, by the failure point that most errors come from."""

ADAPTERS = (GROUNDED, RAFT, TUNED)
