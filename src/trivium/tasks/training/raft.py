"""Samples that teach a model to answer from passages: the right one among wrong ones, or none and then a refusal.

RAFT (Zhang et al. 2024, arXiv:2403.10131) trains on a question, its gold passage and distractors, with an answer that
quotes the passage; in a share of the samples the gold passage is left out. There the paper has the model answer from
memory; here it refuses, as a grounded answer must. The prompt is the one of run time: the caller passes its builder.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from trivium.errors import UnknownName, UsageError
from trivium.tasks.formats.squad import locate, sentence_around
from trivium.tasks.records import Problem
from trivium.tasks.synthesis.checks import holds
from trivium.tasks.training.parts import seed_of
from trivium.tasks.training.values import Dialogue, TrainingSet, Turn
from trivium.text.normalise import normalise
from trivium.types import Chunk, Document, Example, Hit, Message

Show = Callable[[str, Sequence[Hit]], tuple[Sequence[Message], Sequence[Hit]]]
"""Builds the prompt of run time: `(question, passages) -> (messages, the passages as shown)`; `[1]` is the first."""
Search = Callable[[str, int], Sequence[Hit]]
"""Gives the best hits for a question: `(question, how many)`."""

_LONGEST_QUOTE = 600
"""Characters of a quotation; longer evidence is cited and not quoted."""
_TRIES = 20
"""Passages drawn for each distractor that is wanted, before the sample goes on with fewer."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an answer is made of: the words, the numbers of the passages that hold it, and the sentence that says it."""

    answer: str
    numbers: tuple[int, ...]
    quote: str

    @property
    def markers(self) -> str:
        """The numbers as they are cited: `[1][3]`."""
        return "".join(f"[{number}]" for number in self.numbers)


def _cited(target: Target) -> str:
    return f"{target.answer} {target.markers}"


def _quoted(target: Target) -> str:
    return f"{target.answer} {target.markers} “{target.quote}”" if target.quote else _cited(target)


def _quote_first(target: Target) -> str:
    return f"“{target.quote}” {target.markers}\n{target.answer}" if target.quote else _cited(target)


TARGETS: Mapping[str, Callable[[Target], str]] = {
    "plain": lambda target: target.answer,
    "cited": _cited,
    "quoted": _quoted,
    "quote_first": _quote_first,
}
"""The forms of an answer: its words; with the passage's number; with the sentence after it, or before it."""


def raft(
    examples: Iterable[Example],
    passages: Iterable[Document | Chunk],
    *,
    show: Show,
    refusal: Callable[[str], str],
    distractors: int | tuple[int, int] = 3,
    without: float = 0.2,
    target: str = "quoted",
    search: Search | None = None,
    alike: bool = False,
    seed: int = 0,
    name: str = "raft",
) -> TrainingSet:
    """Return one dialogue for each example that can be taught: the run-time prompt, and the answer to be learnt.

    Every choice is drawn from the seed and the example's id: the same example gives the same sample in any set with
    the same passages.

    Args:
        examples: with answers and evidence; unanswerable ones are shown the passage they were asked about.
        passages: those that distractors come from, gold ones among them. A document is one passage, without the
            heading that repeats its title; give chunks where it is longer.
        show: builds the prompt; see `Show`. The passages come shuffled; those it leaves out are not cited.
        refusal: gives the refusal for a question, as at run time.
        distractors: how many wrong passages, or the least and the most. Half come from the gold passage's own
            document or title where it has others; none of them holds an answer.
        without: the share of answerable examples that lose their gold passages and become refusals, 0 to 1.
        target: the form of the answer: a key of `TARGETS`.
        search: a retriever, whose best hits that do not hold the answer become the distractors instead.
        alike: show all questions on one passage the same passages in the same order: their prompts begin alike, and
            training reads that beginning once for all of them. A distractor may then hold another one's answer.
        seed: another seed, other distractors and orders.
        name: of the set.

    Returns:
        A set of `dialogue`s; only the answer is trained, and the group is the gold passage's title or document. Its
        report counts `answered`, `refused` (gold left out), `unanswerable`, and the examples that gave no sample.

    Raises:
        UnknownName: there is no such form of answer.
        UsageError: a number is out of range, or no example gave a sample.
    """
    if target not in TARGETS:
        raise UnknownName("form of answer", target, TARGETS)
    least, most = (distractors, distractors) if isinstance(distractors, int) else distractors
    if not (0.0 <= without <= 1.0 and 0 <= least <= most):
        raise UsageError(
            f"A share of {without} without gold passage and {least} to {most} distractors were asked.",
            "Give a share from 0 to 1, and distractors from 0, the least first.",
        )
    shelf = _Shelf(passages)
    counts: Counter[str] = Counter()
    problems: list[Problem] = []
    samples: list[Dialogue] = []
    for example in examples:
        draw = random.Random(seed_of(seed, _passage(example) if alike else example.id))
        wanted = draw.randint(least, most)
        lesson = _lesson(example, shelf, wanted, draw.random() < without, None if alike else search, draw, alike)
        sample = lesson if isinstance(lesson, str) else _sample(example, lesson, show, refusal, TARGETS[target], draw)
        if isinstance(sample, str):
            problems.append(Problem(example.id, f"gave no sample: {sample}", sample))
            counts[sample] += 1
            continue
        assert not isinstance(lesson, str)
        counts[lesson.outcome] += 1
        counts["fewer distractors"] += len(lesson.others) < wanted
        samples.append(sample)
    if not samples:
        why = ", ".join(f"{reason}: {number}" for reason, number in counts.items()) or "there is no example"
        raise UsageError(
            f"No example of {name} gave a sample ({why}).", "Give the passages that their evidence names by its source."
        )
    return TrainingSet("dialogue", tuple(samples), "raft", dict(+counts), tuple(problems), name)


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What one sample is made of. `gold` is empty where the answer is a refusal."""

    outcome: str
    group: str
    gold: tuple[Chunk, ...] = ()
    others: tuple[Chunk, ...] = ()
    answer: str = ""
    quotes: Mapping[str, str] = field(default_factory=dict)


def _lesson(
    example: Example,
    shelf: _Shelf,
    wanted: int,
    leave_out: bool,
    search: Search | None,
    draw: random.Random,
    alike: bool,
) -> _Lesson | str:
    """Choose the passages of one example; or return the reason why there can be no sample of it."""
    if example.unanswerable:
        about = str(example.metadata.get("document", ""))
        near = shelf.of(about)[:1]
        others = _distractors(example, shelf, (), near, wanted + 1 - len(near), search, draw)
        if not near and not others:
            return "no passage to show"
        return _Lesson("unanswerable", shelf.group(about), others=(*near, *others))
    if not example.answers:
        return "no answer"
    gold = _gold(example, shelf)
    if not gold:
        return "gold passage not among the passages"
    answer, quotes, held = _proof(example, gold)
    absent = () if alike else held
    others = _distractors(example, shelf, absent, gold, wanted + (len(gold) if leave_out else 0), search, draw)
    group = shelf.group(gold[0].source)
    if leave_out:
        # Passages that are shared are not chosen for this question: what they answer is not to be refused.
        if alike and any(_holds(chunk.text, one) for chunk in others for one in held):
            return "answered by a distractor"
        return _Lesson("refused", group, others=others) if others else "no passage to show"
    return _Lesson("answered", group, gold, others, answer, quotes)


def _gold(example: Example, shelf: _Shelf) -> tuple[Chunk, ...]:
    """Return the passage of each piece of evidence: of its document's, the one that holds its text, or an answer."""
    found: dict[str, Chunk] = {}
    for gold in example.evidence:
        of = shelf.of(gold.source)
        best = next((chunk for chunk in of if gold.text and gold.text in chunk.text), None)
        best = best or next((chunk for chunk in of for answer in example.answers if answer in chunk.text), None)
        best = best or (of[0] if len(of) == 1 else None)
        if best is None:
            return ()
        found.setdefault(best.id, best)
    return tuple(found.values())


def _proof(example: Example, gold: Sequence[Chunk]) -> tuple[str, dict[str, str], tuple[str, ...]]:
    """Return the answer to teach, the quotation from each passage, and the answers that the passages hold.

    The answer is the first that a gold passage holds, in that passage's own words.
    """
    quotes: dict[str, str] = {}
    held: list[str] = []
    taught = ""
    for chunk in gold:
        for answer in example.answers:
            at, state = locate(chunk.text, answer, None)
            if at is None:
                continue
            end = at + len(answer)
            exact = chunk.text[at:end].casefold() == answer.casefold()
            held.append(answer)
            taught = taught or (chunk.text[at:end] if exact and state != "absent" else answer)
            quotes.setdefault(chunk.id, sentence_around(chunk.text, at, end))
    for evidence in example.evidence:
        for chunk in gold:
            if evidence.source == chunk.source and evidence.text and evidence.text in chunk.text:
                quotes.setdefault(chunk.id, evidence.text.strip())
    fit = {id: quote for id, quote in quotes.items() if len(quote) <= _LONGEST_QUOTE}
    return taught or example.answers[0], fit, tuple(dict.fromkeys(held))


def _distractors(
    example: Example,
    shelf: _Shelf,
    held: Sequence[str],
    gold: Sequence[Chunk],
    wanted: int,
    search: Search | None,
    draw: random.Random,
) -> tuple[Chunk, ...]:
    """Return `wanted` passages, or as many as there are, that are no gold ones and hold none of the answers."""
    if wanted <= 0:
        return ()
    texts = {chunk.text for chunk in gold}
    found: list[Chunk] = []

    def take(candidates: Iterable[Chunk], most: int) -> None:
        for chunk in candidates:
            if len(found) >= most:
                return
            if chunk.text in texts or any(_overlap(chunk, one) for one in gold):
                continue
            if not any(_holds(chunk.text, answer) for answer in held):
                texts.add(chunk.text)
                found.append(chunk)

    if search is not None:
        take((hit.chunk for hit in search(example.question, wanted + len(gold) + _TRIES)), wanted)
    elif gold:
        take(shelf.near(gold[0], draw), (wanted + 1) // 2)
    take(shelf.drawn(draw, _TRIES * wanted), wanted)
    return tuple(found)


def _holds(text: str, answer: str) -> bool:
    """Whether a passage holds an answer. Most do not even hold its letters, which is seen much sooner."""
    return _letters(answer) in _letters(text) and holds(text, answer)


@lru_cache(maxsize=1 << 15)
def _letters(text: str) -> str:
    return "".join(normalise(text).split())


def _overlap(a: Chunk, b: Chunk) -> bool:
    return a.source == b.source and a.start < b.end and b.start < a.end


def _sample(
    example: Example,
    lesson: _Lesson,
    show: Show,
    refusal: Callable[[str], str],
    form: Callable[[Target], str],
    draw: random.Random,
) -> Dialogue | str:
    chunks = [*lesson.gold, *lesson.others]
    draw.shuffle(chunks)
    hits = [Hit(chunk, 1.0 / place, ("raft",)) for place, chunk in enumerate(chunks, 1)]
    messages, shown = show(example.question, hits)
    if not lesson.gold:
        said = refusal(example.question)
    else:
        numbers = {hit.chunk.id: number for number, hit in enumerate(shown, 1)}
        seen = {hit.chunk.id: hit.chunk.text for hit in shown}
        if any(chunk.id not in numbers for chunk in lesson.gold):
            return "gold passage left out by the prompt"
        if any(quote not in seen[id] for id, quote in lesson.quotes.items()):
            return "gold passage cut by the prompt"
        quote = next(iter(lesson.quotes.values()), "")
        of_gold = tuple(sorted(numbers[chunk.id] for chunk in lesson.gold))
        said = form(Target(lesson.answer, of_gold, " ".join(quote.split())))
    turns = tuple(Turn(message.role, message.content) for message in messages)
    return Dialogue((*turns, Turn("assistant", said, trained=True)), id=example.id, group=lesson.group)


class _Shelf:
    """The passages by document and by title."""

    def __init__(self, passages: Iterable[Document | Chunk]) -> None:
        self._all: list[Chunk] = []
        self._of: dict[str, list[Chunk]] = {}
        self._title: dict[str, str] = {}
        self._titled: dict[str, list[Chunk]] = {}
        for one in passages:
            chunk = one if isinstance(one, Chunk) else passage_of(one)
            title = one.title if isinstance(one, Document) else " › ".join(one.headings[:1])
            self._all.append(chunk)
            self._of.setdefault(chunk.source, []).append(chunk)
            self._title.setdefault(chunk.source, title)
            self._titled.setdefault(title, []).append(chunk)

    def of(self, source: str) -> list[Chunk]:
        return self._of.get(source, [])

    def group(self, source: str) -> str:
        return self._title.get(source) or source

    def near(self, gold: Chunk, draw: random.Random) -> list[Chunk]:
        """The passages of the same title or document, in a drawn order."""
        title = self._title.get(gold.source, "")
        same = self._titled.get(title, []) if title else self.of(gold.source)
        return draw.sample(same, len(same))

    def drawn(self, draw: random.Random, number: int) -> Iterator[Chunk]:
        yield from draw.sample(self._all, min(number, len(self._all)))


def passage_of(document: Document) -> Chunk:
    """Return a document as one passage: its text, its first heading apart where that repeats the title."""
    first = document.headings[0] if document.headings else None
    start = 0
    headings: tuple[str, ...] = (document.title,) if document.title else ()
    if first is not None and first.start == 0 and first.title == document.title:
        start = first.end + len(document.text[first.end :]) - len(document.text[first.end :].lstrip())
    text = document.text[start:]
    return Chunk(
        id=f"{document.source}#0",
        document_id=document.source,
        source=document.source,
        text=text,
        start=start,
        end=len(document.text),
        headings=headings,
    )


def _passage(example: Example) -> str:
    """Return the passage that a question is on."""
    return example.evidence[0].source if example.evidence else str(example.metadata.get("document", example.id))
