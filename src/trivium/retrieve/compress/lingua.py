"""LLMLingua and LongLLMLingua: leave out the words that a small language model could fill in again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from trivium.models.base import Scorer
from trivium.retrieve.compress.information import BEFORE, information, words
from trivium.retrieve.compress.values import Compressed, Compression, Tools, best_within
from trivium.types import Hit, Span

_SEGMENT = 100
"""Words that are pruned at once; those before them are already pruned."""
_DYNAMIC = 0.25
"""How much more of the best passage is kept than on average, and less of the worst."""
_COARSE = 2.0
"""Characters of the passages that are pruned, for each one that shall be left; further passages are dropped whole."""
_RESTRICTION = " We can get the answer to this question in the given documents."
_RESTRICTION_ZH = "这个问题的答案可以在上面的文档中找到。"

Value = Callable[[str, Sequence[Span], str], list[float]]
"""`value(text, words, before)`: what each word is worth after `before`, which is pruned already."""


def llmlingua(question: str, hits: Sequence[Hit], tools: Tools, ratio: float) -> Compression:
    """Keep the words of most self-information, each given what was kept before it (Jiang et al. 2023,
    arXiv:2310.05736): the iterative pruning of the paper, in whole words.

    The question plays no part. The paper's coarse step drops whole examples of a prompt; which passages there are is
    left to the search here.

    Raises:
        ModelError: the model failed.
    """
    scorer = tools.chat
    assert isinstance(scorer, Scorer)  # compress() sees to it
    before, passages = "", []
    for hit in hits:
        passage = _pruned(hit, ratio, before, lambda text, spans, past: information(text, spans, scorer, past))
        before += passage.text + "\n\n"
        passages.append(passage)
    return Compression(tuple(passage for passage in passages if passage.kept), "llmlingua")


def long_llmlingua(question: str, hits: Sequence[Hit], tools: Tools, ratio: float) -> Compression:
    """Keep the words that the question makes likelier, most of the passages that make the question likely (Jiang et
    al. 2023, arXiv:2310.06839).

    Coarse: passages are put in the order of log p(question | passage) and those beyond the budget dropped. Fine: a
    word is worth log p(word | question) - log p(word), the paper's contrastive perplexity, and the better a passage
    ranks, the more of it is kept.

    Raises:
        ModelError: the model failed.
    """
    scorer = tools.chat
    assert isinstance(scorer, Scorer)

    def contrast(text: str, spans: Sequence[Span], past: str) -> list[float]:
        alone = information(text, spans, scorer, past)
        room = max(0, BEFORE - len(question) - 2)
        asked = information(text, spans, scorer, f"{question}\n\n{past[-room:] if room else ''}")
        return [one - other for one, other in zip(alone, asked, strict=True)]

    likely = [_question_given(question, hit.chunk.text, scorer) for hit in hits]
    order = sorted(range(len(hits)), key=lambda place: -likely[place])
    wanted = ratio * sum(len(hit.chunk.text) for hit in hits)
    chosen: list[Hit] = []
    for place in order:
        if sum(len(hit.chunk.text) for hit in chosen) < _COARSE * wanted:
            chosen.append(hits[place])
    share = min(1.0, wanted / max(sum(len(hit.chunk.text) for hit in chosen), 1))
    passages = []
    for rank, hit in enumerate(chosen):
        own = share + _DYNAMIC * (1 - 2 * rank / max(len(chosen) - 1, 1)) * (share < 1) * (len(chosen) > 1)
        passages.append(_pruned(hit, min(1.0, max(0.05, own)), "", contrast))
    return Compression(tuple(passage for passage in passages if passage.kept), "long_llmlingua")


def _pruned(hit: Hit, ratio: float, before: str, value: Value) -> Compressed:
    """Return a passage with the words of least value left out, segment by segment."""
    text = hit.chunk.text
    spans = words(text)
    kept: list[Span] = []
    for first in range(0, len(spans), _SEGMENT):
        segment = spans[first : first + _SEGMENT]
        past = before + Compressed(hit, tuple(kept)).text + (" " if kept else "")
        start, end = segment[0][0], segment[-1][1]
        inside = [(begin - start, stop - start) for begin, stop in segment]
        values = value(text[start:end], inside, past)
        budget = ratio * sum(stop - begin for begin, stop in segment)
        kept += [segment[place] for place in best_within(segment, values, budget)]
    return Compressed(hit, tuple(kept))


def _question_given(question: str, passage: str, scorer: Scorer) -> float:
    """Return the mean log-probability of a word of the question, with the paper's restriction, after a passage."""
    asked = question + (_RESTRICTION_ZH if re.search("[\u4e00-\u9fff]", question) else _RESTRICTION)
    nats = information(asked, words(asked), scorer, passage + "\n\n")
    return -sum(nats) / max(len(nats), 1)
