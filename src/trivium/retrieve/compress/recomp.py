"""RECOMP: the sentences that answer, or a summary written for the question."""

from __future__ import annotations

from collections.abc import Sequence

from trivium import prompts
from trivium.retrieve.compress.values import Compressed, Compression, Tools, best_within
from trivium.retrieve.sentences import best_sentences
from trivium.text.content import Words, content_terms
from trivium.text.fence import numbered
from trivium.text.language import NAMES, detect
from trivium.types import Hit

_SENTENCES = 4
_TOKENS = 160
_MOST_CHARACTERS = 6000
_NONE = ("none", "none.", "无", "无。")
_OWN = 0.7
"""The least share of a summary's terms that the passages or the question must hold."""


def extractive(question: str, hits: Sequence[Hit], tools: Tools, ratio: float) -> Compression:
    """Keep the sentences nearest to the question, in their order (Xu et al. 2023, RECOMP, arXiv:2310.04408).

    The paper trains an encoder for it; here `retrieve/sentences.py` ranks them: by the embedder, and by words, the
    kind of thing asked for and the rank of the passage beside it. Sentences of all passages compete for one budget.

    Raises:
        ModelError: the embedder failed.
    """
    sentences = best_sentences(question, hits, embedder=tools.embedder)
    spans = [(hit.chunk.start, hit.chunk.end) for hit in sentences]
    budget = ratio * sum(len(hit.chunk.text) for hit in hits)
    taken = [sentences[place] for place in best_within(spans, [hit.score for hit in sentences], budget)]
    passages = []
    for hit in hits:
        start = hit.chunk.start
        own = sorted((s.chunk.start - start, s.chunk.end - start) for s in taken if s.chunk.id == hit.chunk.id)
        if own:
            passages.append(Compressed(hit, tuple(own)))
    return Compression(tuple(passages), "extractive")


def abstractive(question: str, hits: Sequence[Hit], tools: Tools, ratio: float) -> Compression:
    """Put what the chat model writes of all passages, for the question, in their place (Xu et al. 2023, RECOMP,
    arXiv:2310.04408); `ratio` is not used, since a summary's length is its own.

    A summary that says "none", or mostly words that neither passages nor question hold, is not taken: `extractive`
    stands in, and the note says so.

    Raises:
        ContextOverflow: the passages do not fit the model's context.
        ModelError: the model failed.
    """
    if not hits:
        return Compression((), "abstractive")
    texts, room = [], _MOST_CHARACTERS
    for hit in hits:
        texts.append(hit.chunk.text[: max(room, 0)])
        room -= len(hit.chunk.text)
    passages, code = numbered([text for text in texts if text], question)
    language = NAMES.get(detect(question), "the language of the question")
    messages = prompts.fill(
        "compress", passages=passages, question=question, code=code, sentences=str(_SENTENCES), language=language
    )
    said = tools.chat.complete(messages, max_tokens=_TOKENS)
    summary = " ".join(said.text.split())
    if why := _objection(summary, question, texts):
        done = extractive(question, hits, tools, ratio)
        return Compression(done.passages, "extractive", why, said.usage + done.usage)
    return Compression((Compressed(hits[0], summary=summary),), "abstractive", usage=said.usage)


def _objection(summary: str, question: str, texts: Sequence[str]) -> str:
    if not summary or summary.lower() in _NONE:
        return "the model found nothing to summarise"
    terms, held = content_terms(summary), Words(question, *texts)
    if sum(term in held for term in terms) < _OWN * len(terms):
        return "the model's summary is not of the passages"
    return ""
