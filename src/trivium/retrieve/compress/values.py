"""What compression takes and gives, and how a budget is spent on the most telling pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from trivium.models.base import Chat, Embedder
from trivium.text.sentences import sentence_spans
from trivium.types import Hit, Span, Usage


@dataclass(frozen=True, slots=True)
class Tools:
    """The models that a compressor may use.

    Attributes:
        chat: the model that will read the passages.
        embedder: one that can read the question; None goes by words alone.
    """

    chat: Chat
    embedder: Embedder | None = None


@dataclass(frozen=True, slots=True)
class Compressed:
    """A passage with parts left out.

    Attributes:
        hit: the whole passage.
        kept: the spans of `hit.chunk.text` that are left, in order.
        summary: words of a model that stand in the place of the passage, and of those after it.
    """

    hit: Hit
    kept: tuple[Span, ...] = ()
    summary: str = ""

    @property
    def text(self) -> str:
        """What a reader is shown: the summary, or what is left, with a space where something was left out."""
        text = self.hit.chunk.text
        return self.summary or " ".join(text[start:end] for start, end in joined(text, self.kept))

    def shown(self) -> Hit:
        """Return the hit with the text that is shown; its offsets stay those of the whole passage."""
        return replace(self.hit, chunk=replace(self.hit.chunk, text=self.text))

    def sentences(self, length: int | None = None) -> list[Span]:
        """Return the spans, in the document, of the sentences of which at least half the characters are shown.

        Args:
            length: how many characters of `text` are shown, where it was cut; None is all.
        """
        left, room = [], len(self.text) if length is None else length
        for start, end in joined(self.hit.chunk.text, self.kept):
            left.append((start, min(end, start + max(room, 0))))
            room -= end - start + 1
        found, offset = [], self.hit.chunk.start
        for start, end in sentence_spans(self.hit.chunk.text):
            held = sum(max(0, min(end, stop) - max(start, begin)) for begin, stop in left)
            if 2 * held >= end - start:
                found.append((offset + start, offset + end))
        return found


@dataclass(frozen=True, slots=True)
class Compression:
    """What became of some passages.

    Attributes:
        passages: those of which anything is left, in the order to show them.
        method: what was done.
        note: why it is not what was asked for; else "".
        usage: of the chat model, where it wrote; scoring costs no tokens that are written or billed.
    """

    passages: tuple[Compressed, ...]
    method: str
    note: str = ""
    usage: Usage = field(default_factory=Usage)


def joined(text: str, spans: Sequence[Span]) -> list[Span]:
    """Return spans, in order, with those made one between which nothing but white space stands."""
    found: list[Span] = []
    for start, end in spans:
        if found and not text[found[-1][1] : start].strip():
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def best_within(spans: Sequence[Span], values: Sequence[float], budget: float) -> list[int]:
    """Return the places of the most valuable spans that fit a budget of characters, in their order; at least one.

    Spans are taken by their value until the first that does not fit, so that none of little value fills a gap.
    """
    taken: list[int] = []
    for place in sorted(range(len(spans)), key=lambda place: -values[place]):
        budget -= spans[place][1] - spans[place][0]
        if budget < 0 and taken:
            break
        taken.append(place)
    return sorted(taken)
