"""The arms of a comparison, from one word each: `PATTERN`, `PATTERN+ADAPTER`, or a system of the user's.

| word | arm |
|---|---|
| `closed_book` | the model alone; always runs, so that a case where retrieval hurts is seen |
| `instructed` | the model alone, told how to answer |
| `few_shot`, `few_shot_nearest` | solved examples before the question: fixed, or the nearest by the embedder |
| `chain_of_thought` | the model alone, reasoning first |
| `naive`, `advanced`, … | any pattern over the knowledge base (`trivium.patterns.PATTERNS`) |
| `retrieve_only` | the best sentence of the best passage; no model speaks |
| `long_context` | whole documents in the prompt |
| `closed_book+tuned` | tuned on the training data, then asked the bare question, as it was trained |
| `advanced+tuned` | the same adapter, over the knowledge base |
| `advanced+raft` | tuned to answer from passages, on grounded samples of the training questions |
| `advanced+grounded` | with the adapter that ships with Trivium, tuned to answer from passages |
| `advanced+NAME` | with an adapter of the user's, given as `NAME=FILE` |
| `python:MODULE:FUNCTION`, `http://HOST/v1#MODEL`, a file of answers | see `trivium.systems` |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trivium.advise.values import Road
from trivium.errors import UnknownName, UsageError
from trivium.patterns import ALONE, PATTERNS
from trivium.systems import kind_of

FEW_SHOT = ("few_shot", "few_shot_nearest")
PROMPTING = (*ALONE, *FEW_SHOT)
"""Patterns that are shown no passage."""
TUNED, RAFT, GROUNDED = "tuned", "raft", "grounded"
TRAINED = (TUNED, RAFT)
"""Adapters that a comparison trains itself."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to answer.

    Attributes:
        name: as it was written.
        pattern: of `PROMPTING` or `PATTERNS`; "" for a system of the user's.
        adapter: the name of the adapter that it speaks through; "" for the model as it is.
        road: what it does to the model.
    """

    name: str
    pattern: str
    adapter: str
    road: Road

    @property
    def searches(self) -> bool:
        """Whether it needs the knowledge base."""
        return bool(self.pattern) and self.pattern not in PROMPTING


def arm_of(word: str, adapters: Sequence[str] = ()) -> Arm:
    """Return the arm that a word names.

    Args:
        word: see the module's table.
        adapters: the names of the user's own adapters.

    Raises:
        UnknownName, UsageError: it names none.
    """
    pattern, _, adapter = word.partition("+")
    known = {*PROMPTING, *PATTERNS}
    if pattern not in known:
        if "+" not in word:
            try:
                kind_of(word)
            except UsageError as error:
                raise UnknownName("arm", word, [*known, *WITH_ADAPTER, "python:…", "http://…", "ANSWERS"]) from error
            return Arm(word, "", "", "other")
        raise UnknownName("pattern", pattern, sorted(known))
    names = [*TRAINED, GROUNDED, *adapters]
    if "+" in word and adapter not in names:
        raise UnknownName("adapter", adapter, names)
    if adapter in (RAFT, GROUNDED) and pattern in PROMPTING:
        raise UsageError(f"{word}: this adapter answers from passages.", f"Take it with a pattern: advanced+{adapter}.")
    if adapter and pattern in ("retrieve_only", "instructed", "chain_of_thought"):
        raise UsageError(f"{word}: this arm goes without an adapter.", "Take closed_book+NAME or advanced+NAME.")
    grounded = pattern not in PROMPTING
    road: Road = ("both" if grounded else "tune") if adapter else ("ground" if grounded else "prompt")
    return Arm(word, pattern, adapter, road)


WITH_ADAPTER = ("closed_book+tuned", "advanced+tuned", "advanced+raft", "advanced+grounded")


def default_arms(*, kb: bool, shots: bool, train: bool, shipped: bool, adapters: Sequence[str] = ()) -> list[str]:
    """Return the arms of a comparison that names none: every road that can be taken with what was given.

    Args:
        kb: there is a knowledge base.
        shots: there are training questions.
        train: there is data to tune on, or tuning was asked for.
        shipped: the chat model is the one that Trivium's own adapters are for.
        adapters: the user's own.
    """
    wanted: Mapping[str, bool] = {
        "closed_book": True,
        "instructed": True,
        "few_shot_nearest": shots,
        "retrieve_only": kb,
        "advanced": kb,
        "advanced+grounded": kb and shipped,
        "closed_book+tuned": train,
        "advanced+tuned": train and kb,
        **{f"closed_book+{name}": True for name in adapters},
        **{f"advanced+{name}": kb for name in adapters},
    }
    return [name for name, there in wanted.items() if there]
