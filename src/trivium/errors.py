"""Every error that Trivium raises on purpose. Each says what was wrong, where, and the cure.

TriviumError
├── UsageError             the caller asked for something that cannot be (exit status 2)
│   ├── UnknownName        a name outside the allowed set, which the message lists
│   ├── FilterError        a filter expression that does not parse
│   └── NotMergeable       an adapter that cannot become part of the weights
├── MissingExtra           an optional dependency is not installed; carries the install line
├── DocumentError          one file could not be read; carries `source` and `reason`
├── ModelError             a model could not be had or could not answer
│   ├── ModelNotFound      a model's file is neither here nor fetchable; lists the ways to provide it
│   ├── ChecksumError      a file is not the one that was pinned
│   ├── ContextOverflow    the prompt is too long; carries `tokens` and `limit`
│   ├── JudgeError         a judge gave no usable verdict; carries `reason`
│   ├── RemoteError        an endpoint failed for good; carries `status`
│   └── TrainingFailed     training diverged, or ran out of memory
└── StoreError             the knowledge base itself
    ├── StoreNotFound      there is no knowledge base at this place
    ├── StoreVersion       written by a newer or older Trivium
    ├── StoreBusy          another process holds the writer's lock for too long
    ├── Overtaken          the commit that was being read is gone: look again
    └── StoreFull          no space left, or the folder cannot be written
"""

from __future__ import annotations

from collections.abc import Iterable


class TriviumError(Exception):
    """The root of the tree. `str(error)` is the whole message: what was wrong, then the cure.

    Args:
        problem: what was wrong and where, one sentence.
        cure: what the reader can do about it, one sentence; may be empty.
    """

    exit_status = 1

    def __init__(self, problem: str, cure: str = "") -> None:
        self.problem = problem
        self.cure = cure
        super().__init__(f"{problem} {cure}".strip())


class UsageError(TriviumError):
    """The caller asked for something that cannot be."""

    exit_status = 2


class UnknownName(UsageError):
    """A name outside the allowed set."""

    def __init__(self, what: str, name: str, allowed: Iterable[str]) -> None:
        names = ", ".join(sorted(allowed))
        super().__init__(f"There is no {what} named {name!r}.", f"Choose one of: {names}.")


class FilterError(UsageError):
    """A filter expression that does not parse."""


class NotMergeable(UsageError):
    """An adapter that cannot become part of the base model's weights."""


class MissingExtra(TriviumError):
    """An optional dependency is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"This needs the package {module!r}, which is not installed.",
            f"Install it with: pip install 'trivium[{extra}]'",
        )


class DocumentError(TriviumError):
    """One file could not be read."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"{source}: {reason}")


class ModelError(TriviumError):
    """A model could not be had or could not answer."""


class ModelNotFound(ModelError):
    """A model's file is neither here nor fetchable."""


class ChecksumError(ModelError):
    """A file is not the one that was pinned."""


class ContextOverflow(ModelError):
    """The prompt does not fit the model's context."""

    def __init__(self, tokens: int, limit: int) -> None:
        self.tokens = tokens
        self.limit = limit
        super().__init__(
            f"The prompt has {tokens} tokens and the model reads {limit}: {tokens - limit} too many.",
            "Ask a shorter question, show fewer passages (--k), or use a model with a longer context.",
        )


class JudgeError(ModelError):
    """A judge gave no usable verdict."""

    def __init__(self, judge: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The judge {judge} gave no usable verdict: {reason}.", "It counts as a failure, not a score.")


class RemoteError(ModelError):
    """An endpoint failed for good."""

    def __init__(self, problem: str, cure: str = "", status: int | None = None) -> None:
        self.status = status
        super().__init__(problem, cure)


class TrainingFailed(ModelError):
    """Training diverged, or ran out of memory."""


class StoreError(TriviumError):
    """The knowledge base itself."""


class StoreNotFound(StoreError):
    """There is no knowledge base at this place."""


class StoreVersion(StoreError):
    """Written by a newer or older Trivium."""


class StoreBusy(StoreError):
    """Another process holds the writer's lock for too long."""


class Overtaken(StoreError):
    """The commit that was being read has been taken off the disk meanwhile: look again."""


class StoreFull(StoreError):
    """No space left, or the folder cannot be written."""
