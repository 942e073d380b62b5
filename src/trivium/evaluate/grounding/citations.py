"""Do the citations prove what they stand at? Citation recall and precision of ALCE.

(Gao et al. 2023, "Enabling large language models to generate text with citations", arXiv:2305.14627.) Their model of
entailment is replaced by a callable `supports(texts, claim)`: alignment here, a chat model in `judged.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trivium.evaluate.grounding.align import SUPPORTED, align, claims, is_talk
from trivium.models.base import Embedder
from trivium.text.markers import marker_numbers, markers_before_stops, without_markers
from trivium.text.sentences import sentence_spans
from trivium.types import Answer, Example

Supports = Callable[[Sequence[str], str], bool]
"""`supports(texts, claim)`: whether the texts together prove the claim."""


@dataclass(frozen=True, slots=True)
class Cited:
    """A sentence of an answer without its markers, and the texts that it cites, each once."""

    claim: str
    texts: tuple[str, ...]


def citation_recall(example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None:
    """Return the share of the answer's sentences that the texts they cite support, taken together.

    A sentence without a citation counts as unsupported. None: the answer refuses, or there was nothing to cite.
    """
    return recall_of(cited_sentences(answer), _by_alignment(example, embedder))


def citation_precision(example: Example, answer: Answer, *, embedder: Embedder | None = None) -> float | None:
    """Return the share of the citations that are needed.

    A citation counts if its sentence is supported by all that it cites, and if this one either supports it alone or
    cannot be left out. None: the answer refuses or cites nothing.
    """
    return precision_of(cited_sentences(answer), _by_alignment(example, embedder))


def cited_sentences(answer: Answer) -> list[Cited]:
    """Return the sentences of an answer with what they cite; none where it refuses or had nothing to cite.

    A marker means the citation of that number; in an answer without citations, the passage of that rank. An answer
    that has citations and no markers cites them all at each sentence. Markers after a full stop belong to the
    sentence before.
    """
    if answer.refused or not (answer.citations or answer.hits):
        return []
    quotes = {citation.marker: citation.quote for citation in answer.citations}
    known = quotes or {rank: hit.chunk.text for rank, hit in enumerate(answer.hits, start=1)}
    text = markers_before_stops(answer.text)
    spoken = [text[start:end] for start, end in sentence_spans(text)]
    sentences = [(without_markers(one), marker_numbers(one)) for one in spoken]
    unmarked = bool(quotes) and not any(numbers for _, numbers in sentences)
    found = [
        Cited(claim, tuple(dict.fromkeys(known[n] for n in (known if unmarked else numbers) if n in known)))
        for sentence, numbers in sentences
        for claim in claims(sentence)
    ]
    return [one for one in found if not is_talk(one.claim)] or found


def recall_of(sentences: Sequence[Cited], supports: Supports) -> float | None:
    """Return the share of the sentences that all they cite supports."""
    if not sentences:
        return None
    return sum(bool(one.texts) and supports(one.texts, one.claim) for one in sentences) / len(sentences)


def precision_of(sentences: Sequence[Cited], supports: Supports) -> float | None:
    """Return the share of the citations that are needed, by the rule of `citation_precision`."""
    needed: list[bool] = []
    for one in sentences:
        whole = bool(one.texts) and supports(one.texts, one.claim)
        for place, text in enumerate(one.texts):
            rest = one.texts[:place] + one.texts[place + 1 :]
            needed.append(whole and (supports([text], one.claim) or not (rest and supports(rest, one.claim))))
    return sum(needed) / len(needed) if needed else None


def _by_alignment(example: Example, embedder: Embedder | None) -> Supports:
    def supports(texts: Sequence[str], claim: str) -> bool:
        passages = [(text,) for text in texts]
        if len(texts) > 1:
            passages.append(("\n".join(texts),))
        return align(claim, example.question, passages, embedder).score >= SUPPORTED

    return supports
