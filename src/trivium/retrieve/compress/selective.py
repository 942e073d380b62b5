"""Selective Context: leave out the phrases that a language model could have said itself."""

from __future__ import annotations

from collections.abc import Sequence

from trivium.models.base import Scorer
from trivium.retrieve.compress.information import information, words
from trivium.retrieve.compress.values import Compressed, Compression, Tools, best_within
from trivium.text.content import is_empty
from trivium.types import Hit, Span

_ENDS = tuple(".,;:!?)]}。，；：！？、）】》」”")


def selective_context(question: str, hits: Sequence[Hit], tools: Tools, ratio: float) -> Compression:
    """Keep the phrases of most self-information (Li et al. 2023, arXiv:2310.06201); the question plays no part.

    A phrase is a run of words that a mark ends, or a word without content of its own ("of", "and", 的) that opens the
    next one; the paper takes noun phrases from a parser. Its value is the mean over its words; phrases of all
    passages compete for one budget.

    Raises:
        ModelError: the model failed.
    """
    assert isinstance(tools.chat, Scorer)  # compress() sees to it
    found: list[tuple[int, Span]] = []
    values: list[float] = []
    for number, hit in enumerate(hits):
        spans = words(hit.chunk.text)
        nats = information(hit.chunk.text, spans, tools.chat)
        for first, last in phrases(hit.chunk.text, spans):
            found.append((number, (spans[first][0], spans[last - 1][1])))
            values.append(sum(nats[first:last]) / (last - first))
    budget = ratio * sum(end - start for _, (start, end) in found)
    kept = [found[place] for place in best_within([span for _, span in found], values, budget)]
    passages = (Compressed(hit, tuple(span for at, span in kept if at == n)) for n, hit in enumerate(hits))
    return Compression(tuple(passage for passage in passages if passage.kept), "selective_context")


def phrases(text: str, spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Return the phrases of a text as runs of its words: the first place, and the one after the last."""
    found: list[tuple[int, int]] = []
    first, content = 0, False
    for place, (start, end) in enumerate(spans):
        opens = is_empty(text[start:end].strip("\"'“”‘’(["))
        if place > first and opens and content:
            found.append((first, place))
            first, content = place, False
        content = content or not opens
        if text[start:end].endswith(_ENDS):
            found.append((first, place + 1))
            first, content = place + 1, False
    return found + ([(first, len(spans))] if first < len(spans) else [])
