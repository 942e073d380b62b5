"""Stop strings in a text that comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence


class StopFilter:
    """Passes text on until a stop string; what could be the beginning of one is held back.

    Args:
        stops: the strings; empty ones are ignored.

    Attributes:
        found: whether a stop string was met. It and what follows are dropped.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.found = False
        self._stops = [stop for stop in stops if stop]
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return the text that is safe to show after one more piece."""
        if self.found:
            return ""
        text = self._held + piece
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.found = True
            self._held = ""
            return text[: min(places)]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """Return what was held back, once no more pieces come."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that begins `stop`."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0
