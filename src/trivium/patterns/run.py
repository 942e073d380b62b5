"""What every pattern shares: the clock and trace of one answer, and the asker's view of the documents."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from trivium.generate.answer import Draft
from trivium.types import Answer, Document, Hit, Step, Timing, Usage

if TYPE_CHECKING:
    from trivium.index import Index


@dataclass
class Run:
    """One answer in the making: the steps done so far, and when it began."""

    began: float = field(default_factory=time.perf_counter)
    generated: float | None = None
    steps: list[Step] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, object]]:
        """Time a step; what is put into the dictionary becomes its detail."""
        detail: dict[str, object] = {}
        start = time.perf_counter()
        yield detail
        self.steps.append(Step(name, detail, time.perf_counter() - start))

    def generate(self) -> None:
        """Mark the end of retrieval."""
        self.generated = time.perf_counter()

    def finish(self, question: str, draft: Draft, hits: Sequence[Hit] = ()) -> Answer:
        """Return the answer with its timing and trace."""
        end = time.perf_counter()
        middle = self.generated if self.generated is not None else end
        return Answer(
            question=question,
            text=draft.text,
            refused=draft.refused,
            citations=draft.citations,
            hits=tuple(hits),
            unsupported=draft.unsupported,
            usage=self.usage + draft.usage,
            seconds=Timing(middle - self.began, end - middle, end - self.began),
            trace=(*self.steps, *draft.steps),
        )

    def hand_on(self, question: str, said: Answer) -> Answer:
        """Return the answer of another pattern, to which this run led, as its own: with its steps, tokens and time."""
        before = max(time.perf_counter() - self.began - said.seconds.total, 0.0)
        seconds = Timing(said.seconds.retrieve + before, said.seconds.generate, said.seconds.total + before)
        trace = (*self.steps, *said.trace)
        return replace(said, question=question, usage=self.usage + said.usage, seconds=seconds, trace=trace)


class Reader:
    """The documents as one asker may read them, each fetched once for the length of an answer."""

    def __init__(self, index: Index, principals: Sequence[str] | None) -> None:
        self._index = index
        self._principals = principals
        self._documents: dict[str, Document | None] = {}

    def document(self, document_id: str) -> Document | None:
        """Return a document, or None where there is none that the asker may read."""
        if document_id not in self._documents:
            self._documents[document_id] = self._index.document(document_id, principals=self._principals)
        return self._documents[document_id]

    def text(self, document_id: str, start: int, end: int) -> str:
        """Return characters `start` to `end` of a document, empty where the asker may not read it."""
        document = self.document(document_id)
        return "" if document is None else document.text[start:end]


def found(hits: Sequence[Hit]) -> Mapping[str, object]:
    """Return what a trace keeps of hits: ids and scores, no text."""
    return {"hits": [(hit.chunk.id, round(hit.score, 4)) for hit in hits]}
