"""Readers: answers from passages that are given, by the same steps as from a knowledge base, without the search.

`trivium.evaluate.abilities` measures what a chat model makes of passages that a benchmark chose. The functions here
give it that as `(question, passages) -> Answer`: the judgement whether the passages answer, the prompt, the refusal
and the citations are those of `trivium ask`. The passages stay in the order in which they are given, which counts as
their ranking.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from trivium.errors import UnknownName
from trivium.generate.answer import Draft, answer, refuse
from trivium.generate.manner import manner_for
from trivium.models.base import Chat, Embedder, Vectors
from trivium.patterns.closed_book import closed_book
from trivium.patterns.run import Run
from trivium.patterns.steps import judged
from trivium.retrieve.search import UNREADABLE, clean_question
from trivium.text.clip import clip
from trivium.text.language import detect
from trivium.text.tokens import analyse, analyse_question
from trivium.types import Answer, Chunk, Document, Hit

Reader = Callable[[str, Sequence[str]], Answer]
_K1, _B = 1.2, 0.75


class Collection:
    """The passages among which a question's words are more or less rare: what BM25 and the judgement need to know.

    Args:
        passages: all that there are, in the place of a knowledge base.
    """

    def __init__(self, passages: Iterable[str]) -> None:
        self.size = 0
        self._frequency: Counter[str] = Counter()
        length = 0
        for passage in passages:
            tokens = analyse(passage)
            self._frequency.update(set(tokens))
            self.size += 1
            length += len(tokens)
        self._length = length / max(self.size, 1)

    def bm25(self, question: str, passage: str) -> float:
        """Return the BM25 score of a passage, as a search of a knowledge base of the collection would give it.

        Robertson and Zaragoza 2009, "The probabilistic relevance framework: BM25 and beyond".
        """
        tokens = analyse(passage)
        counts = Counter(tokens)
        norm = _K1 * (1 - _B + _B * len(tokens) / self._length) if self._length else _K1
        score = 0.0
        for token in dict.fromkeys(analyse_question(question)):
            if count := counts[token]:
                frequency = self._frequency[token]
                rarity = math.log(1 + (max(self.size - frequency, 0) + 0.5) / (frequency + 0.5))
                score += rarity * count * (_K1 + 1) / (count + norm)
        return score


class Vectoriser:
    """The vectors of passages, each computed once: the same ones come again at every ratio of noise."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._vectors: dict[str, Vectors] = {}
        self._lock = threading.Lock()

    def cosines(self, question: str, passages: Sequence[str]) -> list[float]:
        """Return the cosine of each passage to the question."""
        with self._lock:
            new = [text for text in dict.fromkeys(passages) if text not in self._vectors]
        if new:
            cut = [clip(text, self.embedder.token_spans, self.embedder.max_tokens) for text in new]
            vectors = self.embedder.embed(cut)
            with self._lock:
                self._vectors |= zip(new, vectors, strict=True)
        rows = np.stack([self._vectors[text] for text in passages])  # (passages, dimension)
        found: list[float] = (rows @ self.embedder.embed_query(question)).tolist()
        return found


def open_reader(name: str, *, chat: Chat, embedder: Embedder | None = None, collection: Iterable[str] = ()) -> Reader:
    """Return a reader.

    Args:
        name: one of `READERS`.
        chat: the model that reads.
        embedder: for the judgement and for citations; None goes by words alone.
        collection: every passage that may come, so that rare words are known as such.

    Raises:
        UnknownName: there is no such reader.
    """
    if name not in READERS:
        raise UnknownName("reader", name, READERS)
    vectoriser = Vectoriser(embedder) if embedder is not None else None
    return partial(read, how=READERS[name], chat=chat, vectoriser=vectoriser, collection=Collection(collection))


def read(
    question: str,
    passages: Sequence[str],
    *,
    how: Callable[..., Draft],
    chat: Chat,
    vectoriser: Vectoriser | None,
    collection: Collection,
) -> Answer:
    """Answer from passages, in their order; from none, from the model's memory.

    Raises:
        UsageError: the question is empty.
        ModelError: the model failed.
    """
    if not any(passage.strip() for passage in passages):
        return closed_book(question, chat=chat)
    run = Run()
    asked = clean_question(question)
    with run.step("passages") as detail:
        if vectoriser is not None and vectoriser.embedder.unknown_rate(asked) >= UNREADABLE:
            vectoriser = None
        hits, documents = as_hits(asked, passages, vectoriser, collection)
        detail["hits"] = [(hit.chunk.id, round(hit.score, 4)) for hit in hits]
    embedder = vectoriser.embedder if vectoriser is not None else None
    draft = how(run, asked, hits, documents, chat=chat, embedder=embedder, chunks=collection.size)
    return run.finish(question, draft, hits)


def as_hits(
    question: str, passages: Sequence[str], vectoriser: Vectoriser | None, collection: Collection
) -> tuple[list[Hit], dict[str, Document]]:
    """Return passages as hits with the scores that a search would give them, and the documents that they are."""
    texts = [passage for passage in passages if passage.strip()]
    cosines = vectoriser.cosines(question, texts) if vectoriser is not None else None
    hits, documents = [], {}
    for number, text in enumerate(texts, 1):
        name = f"passage {number}"
        scores = {"lexical": collection.bm25(question, text)}
        if cosines is not None:
            scores["dense"] = cosines[number - 1]
        # Without a source: its name would count as words of the passage.
        documents[name] = Document("", text)
        chunk = Chunk(id=name, document_id=name, source="", text=text, start=0, end=len(text))
        hits.append(Hit(chunk, 1.0 / number, ("given",), scores))
    return hits, documents


def _advanced(
    run: Run,
    question: str,
    hits: Sequence[Hit],
    documents: Mapping[str, Document],
    *,
    chat: Chat,
    embedder: Embedder | None,
    chunks: int,
) -> Draft:
    """As `trivium.patterns.advanced` from its judgement on: refuse where the evidence is weak."""
    verdict, sentences = judged(run, question, hits, embedder, chunks)
    run.generate()
    if not verdict.enough:
        return refuse(question, "the evidence is weak")
    manner = manner_for(chat)
    return answer(question, hits, chat=chat, manner=manner, read=documents.get, sentences=sentences, embedder=embedder)


def _freely(
    run: Run,
    question: str,
    hits: Sequence[Hit],
    documents: Mapping[str, Document],
    *,
    chat: Chat,
    embedder: Embedder | None,
    chunks: int,
    instructed: bool,
) -> Draft:
    """The model says what it likes; it alone may refuse.

    As `trivium.patterns.naive`; or `instructed`, the bare model under RGB's task (arXiv:2309.01431), which is told to
    say where passages do not answer or are false.
    """
    run.generate()
    manner = manner_for(chat).freely()
    if instructed:
        prompt = "abilities_zh" if detect(question) == "zh" else "abilities"
        manner = replace(manner, prompt=prompt, passages=len(hits))
    return answer(question, hits, chat=chat, manner=manner, read=documents.get, embedder=embedder)


READERS: Mapping[str, Callable[..., Draft]] = {
    "advanced": _advanced,
    "naive": partial(_freely, instructed=False),
    "instructed": partial(_freely, instructed=True),
}
"""By name: the patterns `advanced` and `naive` without their search, and the bare model under RGB's instruction."""
