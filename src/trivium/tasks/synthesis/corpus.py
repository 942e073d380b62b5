"""The sentences, sections and linked pairs of documents that questions are made from, and phrases that can be answers.

All by rule: what a question is asked about is chosen before any model is, so that the same seed asks about the same
places with every model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from trivium.text.content import content_terms
from trivium.text.facts import names
from trivium.text.language import detect
from trivium.text.sentences import sentence_spans
from trivium.types import Document, Span

_SHORTEST, _LONGEST = 40, 300
"""Characters of a sentence that a question is made from; of a Chinese one, half as many."""
_ASKS = 3
"""The most phrases of one sentence that are asked for."""
_TERMS = 5
"""The fewest words with content that such a sentence has."""
_LEANING = re.compile(
    r"\W*(?:he|she|it|they|this|that|these|those|his|her|its|their|such|both|here|there|then|however|but|and|or|also|"
    r"thus|hence|therefore|moreover|furthermore|see|for example|in addition|as a result|another|other)\b"
    r"|\W*(?:他|她|它|这|那|该|其|此|因此|所以|但|而|然而|另外|此外|同时|并|也|又|例如|比如)",
    re.IGNORECASE,
)
"""How a sentence begins that cannot be understood without the one before."""
_UNIT = (
    r"(?:\s?(?:%|percent|million|billion|thousand|years?|months?|weeks?|days?|hours?|minutes?|seconds?|dollars?|"
    r"euros?|km|kilometers?|kilometres?|miles?|meters?|metres?|feet|kg|tons?|tonnes?|people|GB|MB)\b|°C|%)?"
)
_HAN_UNIT = (
    r"(?:[个百千万亿]+[年月日个名位人次种米里克吨岁元]|公里|平方公里|小时|分钟|"
    r"[年月日号个名位人次种座部届层米里克吨岁度条件台家天周点分秒元%％])?"
)
_ANSWERS = (
    re.compile(rf"(?<![\w.,-])(?<!\w\()[$€£¥]?\d+(?:[.,:]\d+)*{_UNIT}(?![\w(-]|[.,]\d)"),
    re.compile(rf"(?<![\d.])\d+(?:[.,]\d+)*{_HAN_UNIT}(?:\d+月(?:\d+日)?)?(?=[\u3400-\u9fff，。；、）]|$)"),
    re.compile(r"《[^《》]{1,30}》"),
    re.compile(r"(?<=[“「\"])[^“”「」\"]{2,40}(?=[”」\"])"),
    re.compile(r"(?<=[a-z0-9,;:)] )[A-Z][\w'’-]*[a-z](?:(?: (?:of|de|von|van|the|and))? [A-Z][\w'’-]*[a-z])*(?!\w)"),
    re.compile(r"(?<=[a-z,;:)] )[A-Z][A-Z0-9-]+(?![\w-])"),
    re.compile(
        r"(?<=[\u3400-\u9fff，、（(])[A-Za-z][A-Za-z0-9+.-]*(?: [A-Z][A-Za-z0-9+.-]*)*(?=[\u3400-\u9fff，、）)])"
    ),
)
_NAME = re.compile(r"(?<![\w-])[A-Z][\w'’-]*[a-z](?:(?: (?:of|de|von|van))? [A-Z][\w'’-]*[a-z])*(?![\w-])")
_NOT_NAMES = re.compile(r"What|When|Which|Who|Whom|Whose|Where|Why|How|The|An?|In|On|At|Of|By|During|To|From|For")
_PART_OF_NAME = re.compile(r"(?<![\w'’-])[A-Z][\w'’-]* $")
"""A capitalised word before a name is the beginning of it: `Warsaw` of `Warsaw University`."""
_MARKS = re.compile(r"[*_`#|>\[\]]+|\(https?://[^)]*\)")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a document, and where it stands: `text == document.text[start:end]`."""

    source: str
    title: str
    heading: str
    text: str
    start: int
    end: int
    language: str

    @property
    def key(self) -> str:
        """Name the sentence by place and content: an edited document has other sentences."""
        return f"{self.source}\n{self.start}\n{self.text}"

    @property
    def plain(self) -> str:
        """The sentence on one line, without the marks of Markdown."""
        return " ".join(_MARKS.sub(" ", self.text).split())

    @property
    def about(self) -> str:
        """What the sentence says and stands under."""
        return f"{self.title}\n{self.heading}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Ask:
    """A sentence and the phrase in it that a question is to ask for; "" leaves that to the model."""

    sentence: Sentence
    answer: str

    @property
    def key(self) -> str:
        """Name the sentence and the phrase."""
        return f"{self.sentence.key}\n{self.answer}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sentences of two documents that name the same thing, `link`; `answer` is a phrase of the second alone."""

    first: Sentence
    second: Sentence
    link: str
    answer: str

    @property
    def key(self) -> str:
        """Name the pair."""
        return f"{self.first.key}\n{self.second.key}\n{self.link}\n{self.answer}"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the sentence that opens its text."""

    heading: str
    opening: Sentence

    @property
    def key(self) -> str:
        """Name the section."""
        return f"{self.heading}\n{self.opening.key}"


class Corpus:
    """Documents as a source of questions. Orders are by hash: the same documents and seed, the same order."""

    def __init__(self, documents: Sequence[Document], seed: int = 0) -> None:
        self.documents = tuple(documents)
        self.seed = seed

    def rank(self, key: str) -> bytes:
        """Return the place of a key in the seeded order."""
        return hashlib.sha256(f"{self.seed}\n{key}".encode("utf-8", "surrogatepass")).digest()

    @cached_property
    def by_document(self) -> tuple[tuple[Sentence, ...], ...]:
        """The sentences of each document that a question can be asked about, documents and sentences in order."""
        documents = sorted(self.documents, key=lambda document: self.rank(document.source))
        found = (sorted(_sentences(document), key=lambda s: self.rank(s.key)) for document in documents)
        return tuple(tuple(sentences) for sentences in found if sentences)

    def sentences(self) -> Iterator[Sentence]:
        """Yield sentences, one of each document, then a second of each, and so on."""
        longest = max(map(len, self.by_document), default=0)
        for turn in range(longest):
            for sentences in self.by_document:
                if turn < len(sentences):
                    yield sentences[turn]

    def asks(self) -> Iterator[Ask]:
        """Yield each sentence with one of its phrases, then with a second, and so on; "" is the last of each."""
        phrases = [(one, [*self._phrases(one)[:_ASKS], ""]) for one in self.sentences()]
        for turn in range(_ASKS + 1):
            for sentence, of in phrases:
                if turn < len(of):
                    yield Ask(sentence, of[turn])

    def _phrases(self, sentence: Sentence) -> list[str]:
        fit = [phrase for phrase in answers_in(sentence.plain) if phrase not in sentence.title]
        return sorted(fit, key=self.rank)

    def pairs(self) -> Iterator[Pair]:
        """Yield pairs of sentences of two documents that share a name which few documents have."""
        places: dict[str, dict[str, list[Sentence]]] = {}
        for sentence in self.sentences():
            for name in dict.fromkeys(spans_of_names(sentence.plain)):
                places.setdefault(name, {}).setdefault(sentence.source, []).append(sentence)
        most = max(3, len(self.by_document) // 20)
        linked = [
            Pair(first, second, name, phrase)
            for name, sources in places.items()
            if 2 <= len(sources) <= most
            for one in sources.values()
            for other in sources.values()
            if one is not other
            for first in one[:2]
            for second in other[:2]
            for phrase in self._phrases(second)
            if phrase not in first.plain and phrase not in name and name not in phrase
        ]
        yield from sorted(linked, key=lambda pair: self.rank(pair.key))

    def sections(self) -> Iterator[Section]:
        """Yield the sections whose text opens with a sentence, other than the one that is the document's title."""
        found = [section for document in self.documents for section in _sections(document)]
        yield from sorted(found, key=lambda section: self.rank(section.key))

    @cached_property
    def phrases(self) -> tuple[tuple[str, str], ...]:
        """The names and numbers of all sentences with their source, each once a source, in the seeded order."""
        found = {
            (phrase, sentence.source)
            for sentences in self.by_document
            for sentence in sentences
            for phrase in (*spans_of_names(sentence.plain), *answers_in(sentence.plain))
        }
        return tuple(sorted(found, key=lambda one: self.rank("\n".join(one))))


def title_of(document: Document) -> str:
    """Return what a reader would call the document: its title, its first heading, or its file's name."""
    first = document.headings[0].title if document.headings else ""
    name = document.source.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    return " ".join((document.title or first or name.rsplit(".", 1)[0].replace("_", " ")).split())


def _outside(document: Document) -> list[Span]:
    """Return the spans that are no prose: headings, tables, code."""
    spans = [(block.start, block.end) for block in document.blocks]
    return sorted(spans + [(heading.start, heading.end) for heading in document.headings])


def _sentences(document: Document) -> Iterator[Sentence]:
    title, outside = title_of(document), _outside(document)
    at, headings, heading = 0, iter([*document.headings, None]), ""
    following = next(headings)
    for start, end in sentence_spans(document.text):
        while at < len(outside) and outside[at][1] <= start:
            at += 1
        while following is not None and following.start <= start:
            heading, following = following.title, next(headings)
        if at < len(outside) and outside[at][0] < end:
            continue
        if _usable(text := document.text[start:end]):
            yield Sentence(document.source, title, heading, text, start, end, detect(text) or document.language)


def _usable(text: str) -> bool:
    """Whether a question can be asked about a sentence alone: whole, of a fair length, not leaning on another."""
    han = sum("\u3400" <= c <= "\u9fff" for c in text)
    length = len(text) + (han if han > len(text) // 3 else 0)
    whole = text.rstrip("\"'”’」』)）*_")[-1:] in (".", "!", "。", "！", "।", "۔")
    return _SHORTEST <= length <= _LONGEST and whole and not _LEANING.match(text) and len(content_terms(text)) >= _TERMS


def _sections(document: Document) -> Iterator[Section]:
    title = title_of(document)
    ends = [heading.start for heading in document.headings[1:]] + [len(document.text)] * bool(document.headings)
    blocks = [(block.start, block.end) for block in document.blocks]
    for heading, end in zip(document.headings, ends, strict=True):
        name = " ".join(_MARKS.sub(" ", heading.title).split())
        body = document.text[heading.end : end]
        spans = sentence_spans(body)
        if not name or name == title or not spans:
            continue
        start, stop = heading.end + spans[0][0], heading.end + spans[0][1]
        text = document.text[start:stop]
        if len(text) < _SHORTEST // 2 or any(a < stop and start < b for a, b in blocks):
            continue
        language = detect(f"{name} {text}") or document.language
        yield Section(name, Sentence(document.source, title, name, text, start, stop, language))


def answers_in(sentence: str) -> list[str]:
    """Return the phrases of a sentence that can be the answer to a question: numbers, names, titles, quoted words.

    Each stands in it once, as a whole.
    """
    found = (
        match.group().strip(" .,;:'’")
        for pattern in _ANSWERS
        for match in pattern.finditer(sentence)
        if not _PART_OF_NAME.search(sentence, 0, match.start()) or not match.group()[0].isupper()
    )
    return [phrase for phrase in dict.fromkeys(found) if 0 < len(phrase) <= 60 and sentence.count(phrase) == 1]


def rarest_word(sentence: str) -> str:
    """Return the longest word of content that stands once in the sentence as it is written; "" where there is none."""
    lower = sentence.casefold()
    words = [word for word in re.findall(r"[^\W\d_]+", sentence) if len(word) > 3 and word.isascii()]
    words += [term for term in content_terms(sentence) if len(term) > 1 and not term.isascii()]
    known = set(content_terms(sentence))
    fit = [w for w in words if lower.count(w.casefold()) == 1 and (not w.isascii() or set(content_terms(w)) <= known)]
    return max(fit, key=lambda word: (len(word), word), default="")


def spans_of_names(text: str) -> list[str]:
    """Return the names of a text as they are written: runs of capitalised words that do not merely open it."""
    known = names(text)
    found = []
    for match in _NAME.finditer(text):
        words = match.group().split()
        while words and (_NOT_NAMES.fullmatch(words[0]) or (words[0].casefold() not in known and len(words) > 1)):
            words = words[1:]
        if words and any(word.casefold() in known for word in words):
            found.append(" ".join(words))
    return found
