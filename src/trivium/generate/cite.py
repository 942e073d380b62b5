"""Assign citations after generation, sentence by sentence, and check each before it leaves.

Whatever markers the model wrote are dropped: it cannot be trusted to number its sources. Each sentence is judged by
`support`; the run of passage sentences that proves it becomes a citation, whose quote is compared with the stored
text of the document. A sentence that nothing supports carries no number and is listed. (The task: Gao et al.
2023, "Enabling large language models to generate text with citations", arXiv:2305.14627.)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from trivium.generate.evidence import Evidence, Quotable
from trivium.generate.support import Support, support
from trivium.models.base import Embedder
from trivium.text.markers import with_markers, without_markers
from trivium.text.sentences import sentence_spans
from trivium.types import Citation, Document, Span

logger = logging.getLogger("trivium.generate")

ReadDocument = Callable[[str], Document | None]
"""`read(document_id)`: the stored document, None where there is none that the asker may read."""


@dataclass(frozen=True, slots=True)
class Cited:
    """A text with its markers, the citations they name, and the spans of it that no passage supports."""

    text: str
    citations: tuple[Citation, ...]
    unsupported: tuple[Span, ...]
    judgements: tuple[Support, ...]


class Citer:
    """Numbers proofs in the order of their first use; the same proof keeps its number."""

    def __init__(self, read: ReadDocument) -> None:
        self._read = read
        self._number: dict[tuple[str, int, int], int] = {}
        self.citations: list[Citation] = []

    def number(self, proof: Quotable) -> int | None:
        """Return the number of the citation of `proof`, or None where the stored text is not what was quoted."""
        chunk = proof.hit.chunk
        key = (chunk.document_id, proof.start, proof.end)
        if key in self._number:
            return self._number[key]
        quote = proof.text
        document = self._read(chunk.document_id)
        if not quote or document is None or document.text[proof.start : proof.end] != quote:
            # The document was changed or removed, or the right to read it withdrawn, since the search.
            logger.warning("a citation of %s no longer matches its document and was dropped", chunk.source)
            return None
        number = len(self.citations) + 1
        self._number[key] = number
        page = page_at(document, proof.start, chunk.page)
        self.citations.append(
            Citation(number, chunk.source, page, proof.start, proof.end, quote, chunk.document_id, chunk.id)
        )
        return number


def page_at(document: Document, offset: int, otherwise: int | None) -> int | None:
    """Return the number of the page that holds a character: a chunk may begin on the page before."""
    return next((page.number for page in document.pages if page.start <= offset < page.end), otherwise)


def cite(text: str, question: str, evidence: Evidence, read: ReadDocument, embedder: Embedder | None = None) -> Cited:
    """Return the text with each supported sentence numbered.

    Args:
        text: what the model said.
        question: what was asked; words of the question count less as proof.
        evidence: the passages that the model was shown.
        read: gives a stored document, for the asker.
        embedder: recognises paraphrases; None goes by words alone.
    """
    bare = without_markers(text).strip()
    citer = Citer(read)
    parts: list[str] = []
    unsupported: list[Span] = []
    judgements: list[Support] = []
    length = done = 0
    for start, end in sentence_spans(bare):
        judged = support(bare[start:end], question, evidence, embedder)
        numbers = [number for proof in judged.proofs if (number := citer.number(proof)) is not None]
        sentence = with_markers(bare[start:end], tuple(dict.fromkeys(numbers)))
        gap = bare[done:start]
        parts += [gap, sentence]
        if not numbers:
            unsupported.append((length + len(gap), length + len(gap) + len(sentence)))
        length += len(gap) + len(sentence)
        done = end
        judgements.append(judged)
    return Cited("".join(parts), tuple(citer.citations), tuple(unsupported), tuple(judgements))
