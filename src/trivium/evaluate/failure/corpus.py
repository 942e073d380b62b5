"""Which stored chunks hold the answer to a question: the whole knowledge base, not only what a search found.

The rules (those of `trivium.evaluate.relevance` for words):

- A chunk that holds gold evidence, and in it one of the answers, is a holder. A copy of the evidence in another
  document serves the reader as well: the same words in a row, or nearly all of them (`COPIED`) beside the question's
  (an encyclopedia has many sentences of one mould, which differ in the name alone).
- Where none of the chunks with the evidence has the answer's words (the answer is "yes", or in other words), those
  with the evidence are the holders.
- Where no gold evidence is known, or none of it is stored, a chunk is a holder if an answer stands in a sentence that,
  with its neighbours and headings, has the telling words of the question: `ALONE` of them where no evidence is known,
  `ELSEWHERE` where the known evidence is not stored.
- An answer of several parts is looked up part by part, and one of several steps piece by piece (`needs_all`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from trivium.evaluate.failure.kinds import Holder, Holders
from trivium.evaluate.metrics.answers import right_choices
from trivium.evaluate.metrics.normal import holds, loose
from trivium.evaluate.relevance import SHARE, holds_answer, overlaps, same_source
from trivium.text.content import Words, content_terms, share
from trivium.text.sentences import sentence_spans
from trivium.types import Chunk, Example, Gold, Span

if TYPE_CHECKING:
    from trivium.index import Index

ALONE = 0.5
"""The share of the question's telling words that must stand near an answer, where no evidence is known."""
ELSEWHERE = 0.8
"""The same where the evidence is known and not stored: what is left must be as good as it."""
COPIED = 0.8
"""The share of the evidence's words, in runs of three, that a chunk of another document must have."""
_LONG = 12
"""Runs of three words from which a piece of evidence, as it stands, is no stock phrase."""
_BARE = frozenset(["yes", "no", "true", "false", "both", "neither", "是", "否", "不是", "对", "错", "有", "没有"])
"""Answers that are judgements: their words stand anywhere and prove nothing."""
_CHAINED = re.compile(r"multi-?hop|\dhop|^(?:bridge|comparison|bridge_comparison|compositional|inference)(?:_query)?$")
"""Tags of questions of several steps (HotpotQA, 2WikiMultiHopQA, MuSiQue, MultiHop-RAG)."""
_MOST_COMPARED = 400
"""Chunks that are compared word by word with one piece of evidence, those with the most runs in common first."""
_RUN = 3
_FACTORS = tuple(map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)))
"""Large odd numbers, by which the hashes of three tokens become one of their order."""
_STEM = 4
"""Letters of a term by which a chunk is passed over without being looked at closely."""


def holders_of(index: Index, *, principals: Sequence[str] | None = None) -> Holders:
    """Return the look-up of a knowledge base, as one asker may read it. Its chunks are read once, at the first use.

    Args:
        index: the knowledge base.
        principals: who asks; None is an unknown asker.
    """
    from trivium.index.rows import CHUNK_COLUMNS, load_chunk
    from trivium.index.where import Among, every, readable_by

    lock = threading.Lock()
    made: list[Holders] = []

    def look(example: Example) -> Sequence[Holder]:
        with lock:
            if not made:
                where = every([Among("kind", ("chunk",)), readable_by(principals)])
                made.append(holders_in(load_chunk(row) for row in index.store.rows(where, CHUNK_COLUMNS)))
        return made[0](example)

    return look


def holders_in(chunks: Iterable[Chunk]) -> Holders:
    """Return the look-up of some chunks; it may be shared by threads."""
    texts = _Texts(tuple(sorted(chunks, key=lambda chunk: (chunk.source, chunk.ordinal))))

    def look(example: Example) -> Sequence[Holder]:
        if example.unanswerable:
            return ()
        if needs_all(example):
            return _each_piece(texts, example)
        if example.parts:
            several = [_holders(texts, example, part, place) for place, part in enumerate(example.parts)]
            return [holder for found in several for holder in found]
        return _holders(texts, example, known_answers(example), None)

    return look


def unheld(examples: Iterable[Example], corpus: Holders) -> list[str]:
    """Return the ids of the answerable examples of which an answer, or a part of it, is held by no stored chunk.

    They will fail as FP1 unless the model knows them by heart: worth knowing before a run. Examples without answer
    and evidence are left out.
    """
    missing = []
    for example in examples:
        if example.unanswerable or not (example.answers or example.parts or example.evidence):
            continue
        held = corpus(example)
        if needs_all(example):
            gone = len({place for holder in held for place in holder.gold}) < len(example.evidence)
        else:
            gone = len({holder.part for holder in held}) < max(1, len(example.parts))
        if gone:
            missing.append(example.id)
    return missing


def known_answers(example: Example) -> tuple[str, ...]:
    """Return the known answers in words: of a multiple choice whose key is a letter, the choice that it means."""
    if not example.choices:
        return example.answers
    meant = right_choices(example.answers, example.choices)
    return tuple(example.choices[number] for number in sorted(meant)) or example.answers


def needs_all(example: Example) -> bool:
    """Whether an answer rests on every piece of evidence, and not on any one of them.

    So it does where the pieces are of several documents, and the question is tagged as one of several steps, or its
    answer is a judgement ("yes") that is written in none of them.
    """
    if example.parts or len({gold.source for gold in example.evidence}) < 2:
        return False
    words = [loose(answer) for answer in example.answers]
    return any(_CHAINED.search(tag) for tag in example.tags) or (bool(words) and _BARE.issuperset(words))


def _each_piece(texts: _Texts, example: Example) -> list[Holder]:
    held = []
    for place, gold in enumerate(example.evidence):
        for at in texts.with_evidence(gold, example.question):
            chunk = texts.chunks[at]
            held.append(Holder(chunk, _evidence_spans(chunk, gold), None, "evidence", (place,)))
    return held


def _holders(texts: _Texts, example: Example, answers: Sequence[str], part: int | None) -> list[Holder]:
    words = [answer for answer in answers if loose(answer) and loose(answer) not in _BARE]
    proving = [
        (place, gold, at)
        for place, gold in enumerate(example.evidence)
        for at in texts.with_evidence(gold, example.question)
    ]
    held = [
        Holder(texts.chunks[at], spans, part, gold=(place,))
        for place, gold, at in proving
        if (spans := _answer_spans(texts.chunks[at], words, gold))
    ]
    if not held and part is None:
        held = [
            Holder(texts.chunks[at], _evidence_spans(texts.chunks[at], gold), part, "evidence", (place,))
            for place, gold, at in proving
        ]
    if held:
        return _distinct(held)
    least = ELSEWHERE if example.evidence else ALONE
    return [
        Holder(texts.chunks[at], spans, part, "answer")
        for at in texts.with_answer(words, content_terms(example.question), least)
        if (spans := _spans_beside(texts.chunks[at], words, example.question, least))
    ]


def _distinct(held: Iterable[Holder]) -> list[Holder]:
    """Return one holder for each chunk, with the spans of all."""
    found: dict[str, Holder] = {}
    for holder in held:
        before = found.get(holder.chunk.id, holder)
        spans = tuple(sorted({*before.spans, *holder.spans}))
        gold = tuple(sorted({*before.gold, *holder.gold}))
        found[holder.chunk.id] = replace(holder, spans=spans, gold=gold)
    return list(found.values())


def _sentences(chunk: Chunk) -> list[Span]:
    return sentence_spans(chunk.text)


def _answer_spans(chunk: Chunk, answers: Sequence[str], gold: Gold) -> tuple[Span, ...]:
    """Return the sentences of a chunk with evidence that hold an answer, those inside the evidence if there are any."""
    if not answers or not holds_answer(chunk.text, answers):
        return ()
    evidence = loose(gold.text)
    found, inside = [], []
    for start, end in _sentences(chunk):
        text = chunk.text[start:end]
        if holds_answer(text, answers):
            span = (chunk.start + start, chunk.start + end)
            found.append(span)
            plain = loose(text)
            if not evidence or holds(evidence, plain) or holds(plain, evidence):
                inside.append(span)
    return tuple(inside or found) or ((chunk.start, chunk.end),)


def _evidence_spans(chunk: Chunk, gold: Gold) -> tuple[Span, ...]:
    """Return the sentences of a chunk that are evidence; the whole chunk where no single one is."""
    evidence = loose(gold.text)
    if evidence and not holds(evidence, loose(chunk.text)):
        spans = [
            (chunk.start + start, chunk.start + end)
            for start, end in _sentences(chunk)
            if holds(evidence, plain := loose(chunk.text[start:end])) or holds(plain, evidence)
        ]
        if spans:
            return tuple(spans)
    return ((chunk.start, chunk.end),)


def _spans_beside(chunk: Chunk, answers: Sequence[str], question: str, least: float) -> tuple[Span, ...]:
    """Return the sentences that hold an answer and, with their neighbours and headings, the question's words."""
    sentences = _sentences(chunk)
    answered = frozenset(term for answer in answers for term in content_terms(answer))
    # What the answer itself has in common with the question proves nothing.
    weights = dict.fromkeys((term for term in content_terms(question) if term not in answered), 1.0)
    found = []
    for place, (start, end) in enumerate(sentences):
        if not holds_answer(chunk.text[start:end], answers):
            continue
        first = sentences[max(place - 1, 0)][0]
        last = sentences[min(place + 1, len(sentences) - 1)][1]
        if weights and share(weights, Words(chunk.text[first:last], *chunk.headings)) >= least:
            found.append((chunk.start + start, chunk.start + end))
    return tuple(found)


@dataclass(frozen=True)
class _Texts:
    """Chunks in the normal form of `loose`, one after another in UTF-8, so that a look-up is a search of bytes."""

    chunks: tuple[Chunk, ...]

    @cached_property
    def _made(self) -> tuple[bytes, np.ndarray, np.ndarray, np.ndarray]:
        """Return the texts, where each begins and the last ends, their runs, and how many runs each chunk has.

        A run is one number, its hash above and its chunk below, and all of them are sorted: a hundred thousand chunks
        have ten million.
        """
        texts: list[bytes] = []
        found: list[np.ndarray] = []
        for place, chunk in enumerate(self.chunks):
            text = loose(chunk.text)
            texts.append(text.encode("utf-8", "surrogatepass"))
            found.append(_run_hashes(text) & ~self._mask | np.uint64(place))
        ends = np.cumsum([len(text) + 1 for text in texts], dtype=np.int64)
        joined = b"\n".join(texts)
        texts.clear()
        runs = np.concatenate(found) if found else np.zeros(0, np.uint64)
        found.clear()
        runs.sort()
        runs = _distinct_of(runs)
        counts = np.bincount((runs & self._mask).astype(np.int64), minlength=len(self.chunks))
        return joined, np.concatenate([[0], ends]), runs, counts

    @property
    def _mask(self) -> np.uint64:
        """The bits of a run that tell its chunk."""
        return np.uint64((1 << len(self.chunks).bit_length()) - 1)

    def _plain(self, at: int) -> str:
        joined, starts, *_ = self._made
        return joined[starts[at] : starts[at + 1] - 1].decode("utf-8", "surrogatepass")

    def with_evidence(self, gold: Gold, question: str) -> list[int]:
        """Return the places of the chunks that hold a piece of evidence."""
        evidence = loose(gold.text)
        own = {at for at, chunk in enumerate(self.chunks) if gold.source and same_source(chunk.source, gold.source)}
        if not evidence:
            return sorted(own)
        wanted = _distinct_of(np.sort(_run_hashes(evidence) & ~self._mask))
        found = {
            at
            for at in self._containing(evidence)
            if at in own or not gold.source or len(wanted) >= _LONG or self._asked_of(at, question)
        }
        *_, runs, counts = self._made
        low, high = np.searchsorted(runs, wanted, "left"), np.searchsorted(runs, wanted | self._mask, "right")
        spans = [(runs[a:b] & self._mask).astype(np.int64) for a, b in zip(low, high, strict=True) if b > a]
        if spans:
            common = np.bincount(np.concatenate(spans), minlength=len(counts))  # (chunks,)
            # A run covers at most three tokens: fewer common runs than this cannot cover the share that is wanted.
            smaller = np.minimum(len(wanted), counts)
            likely = np.flatnonzero((common >= SHARE * smaller / _RUN) & (common > 0))
            likely = likely[np.argsort(-common[likely], kind="stable")][:_MOST_COMPARED]
            for at in map(int, likely):
                if at in own or not gold.source:
                    holding = overlaps(self.chunks[at].text, gold.text)
                else:
                    holding = common[at] >= COPIED * smaller[at] >= 1 and self._asked_of(at, question)
                if holding:
                    found.add(at)
        return sorted(found)

    def _asked_of(self, at: int, question: str) -> bool:
        """Whether a chunk has nearly all of the question's telling words: sentences of one mould differ in those."""
        weights = dict.fromkeys(content_terms(question), 1.0)
        return share(weights, Words(self.chunks[at].text, *self.chunks[at].headings)) >= ELSEWHERE

    def with_answer(self, answers: Sequence[str], terms: Sequence[str], least: float) -> list[int]:
        """Return the places of the chunks that hold an answer and may hold `least` of the terms (by their beginnings).

        Terms that the answers share are not counted: the close look decides.
        """
        places = sorted({at for answer in answers for at in self._containing(loose(answer))})
        answered = {term for answer in answers for term in content_terms(answer)}
        begun = [term[:_STEM] for term in terms if term not in answered]
        heads = [" ".join(self.chunks[at].headings).casefold() for at in places]
        return [
            at
            for at, head, text in zip(places, heads, map(self._plain, places), strict=True)
            if sum(one in text or one in head for one in begun) >= least * len(begun)
        ]

    def _containing(self, part: str) -> list[int]:
        if not part:
            return []
        joined, starts, *_ = self._made
        wanted = part.encode("utf-8", "surrogatepass")
        found: list[int] = []
        at = joined.find(wanted)
        while at >= 0:
            place = int(np.searchsorted(starts, at, "right")) - 1
            if holds(self._plain(place), part):
                found.append(place)
            at = joined.find(wanted, int(starts[place + 1]))
        return found


def _distinct_of(values: np.ndarray) -> np.ndarray:
    """Return sorted values, each once."""
    first = np.ones(len(values), dtype=np.bool_)
    first[1:] = values[1:] != values[:-1]
    distinct: np.ndarray = values[first]
    return distinct


def _run_hashes(text: str) -> np.ndarray:
    """Return a hash of each run of three tokens of a text in the form of `loose`, shape (runs,)."""
    own = text.split()  # letters of scripts without spaces stand alone already
    if len(own) < _RUN:
        return np.zeros(0, np.uint64)
    tokens = np.fromiter(map(hash, own), dtype=np.int64, count=len(own)).view(np.uint64)
    runs: np.ndarray = tokens[:-2] * _FACTORS[0] + tokens[1:-1] * _FACTORS[1] + tokens[2:] * _FACTORS[2]
    return runs
