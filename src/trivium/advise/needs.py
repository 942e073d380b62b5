"""What the user says they need, from plain values: `{"fresh": true, "seconds": 2, "maintainer": "users"}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trivium.advise.values import Needs
from trivium.errors import UnknownName, UsageError

_MAINTAINERS = ("nobody", "users", "engineers")
_SHARES = ("accuracy",)
_NUMBERS = ("seconds", "budget", "memory_mib")
_COUNTS = ("labelled", "tasks")
_FLAGS = ("fresh", "private", "style", "sources", "edge_cases", "reliable")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


_KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(_SHARES, ("a share from 0 to 1", lambda value: _number(value) and value <= 1)),
    **dict.fromkeys(_NUMBERS, ("a number", _number)),
    **dict.fromkeys(_COUNTS, ("a whole number", lambda value: _number(value) and int(value) == value)),
    **dict.fromkeys(_FLAGS, ("true or false", lambda value: isinstance(value, bool))),
    "maintainer": (", ".join(_MAINTAINERS), lambda value: value in _MAINTAINERS),
}


def needs_of(stated: Mapping[str, Any]) -> Needs:
    """Return stated needs; None is "not said".

    Raises:
        UnknownName: there is no such need.
        UsageError: a value is not of its kind.
    """
    for name, value in stated.items():
        if name not in _KINDS:
            raise UnknownName("need", name, _KINDS)
        kind, fits = _KINDS[name]
        if value is not None and not fits(value):
            raise UsageError(f"The need {name}={value!r} is not {kind}.", f"Give {kind}.")
    return Needs(**stated)
