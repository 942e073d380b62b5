"""The plain values that every room passes to the next: frozen dataclasses with no behaviour of their own.

Character offsets are Python string indices into `Document.text`, half open: `text[start:end]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Scalar = str | int | float | bool
Metadata = Mapping[str, Scalar]
Span = tuple[int, int]

EVERYONE = "*"
"""The principal that stands for every asker, known or not."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a paged document: its number as printed from 1, and its span of the text."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: `level` from 1 (the highest), its words, and the span of its line in the text."""

    level: int
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of text that chunking must not treat as prose: a table or code."""

    kind: Literal["table", "code"]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A file as Trivium stores it: clean text in Markdown, and where its parts lie in that text."""

    source: str
    text: str
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    blocks: tuple[Block, ...] = ()
    title: str = ""
    author: str = ""
    created: str = ""
    modified: str = ""
    language: str = ""
    media_type: str = ""
    bytes: int = 0
    metadata: Metadata = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A searchable piece of a document.

    `text == document.text[start:end]`. `headings` is the path of headings above it, put before the text
    when it is embedded. `parent` is the wider span shown to the model instead, where the chunking has one.
    """

    id: str
    document_id: str
    source: str
    text: str
    start: int
    end: int
    ordinal: int = 0
    page: int | None = None
    headings: tuple[str, ...] = ()
    parent: Span | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk found by a search; `score` orders the list it stands in, `found_by` names the arms that found it."""

    chunk: Chunk
    score: float
    found_by: tuple[str, ...]
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written by a chat model."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens)


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A generated (or given) token, its natural-log probability, and the best alternatives at its place."""

    token: str
    logprob: float
    top: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """What a chat model said. `finish_reason` is `stop` or `length` (the token limit cut it off)."""

    text: str
    usage: Usage = Usage()
    finish_reason: str = "stop"
    logprobs: tuple[TokenLogprob, ...] = ()
    model: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A proof: `quote` is exactly characters `start` to `end` of the stored text of `source`.

    `marker` is the number printed in the answer, as `[1]`.
    """

    marker: int
    source: str
    page: int | None
    start: int
    end: int
    quote: str
    document_id: str = ""
    chunk_id: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the trace of an answer: what ran, what it found or dropped, and how long it took."""

    name: str
    detail: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall-clock seconds of an answer."""

    retrieve: float = 0.0
    generate: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its proofs. `unsupported` are the spans of `text` that no passage supports."""

    question: str
    text: str
    refused: bool = False
    citations: tuple[Citation, ...] = ()
    hits: tuple[Hit, ...] = ()
    unsupported: tuple[Span, ...] = ()
    usage: Usage = Usage()
    seconds: Timing = Timing()
    trace: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Gold:
    """Evidence for a question: the document `source` that holds it, and the words that prove the answer.

    `text` may be a sentence, a paragraph or a whole passage, as the question set publishes it.
    """

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """A question with what is known about its answer.

    `answers` are alternatives: any one of them is right. Where an answer has several parts, `parts` holds the
    alternatives of each, and a complete answer holds one of every part. `choices` are those of a multiple choice.
    `format` is what the answer's form must be (see `trivium.evaluate.metrics.format`), empty where it is free.
    """

    id: str
    question: str
    answers: tuple[str, ...] = ()
    evidence: tuple[Gold, ...] = ()
    unanswerable: bool = False
    parts: tuple[tuple[str, ...], ...] = ()
    choices: tuple[str, ...] = ()
    format: str = ""
    tags: tuple[str, ...] = ()
    language: str = ""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """The mean of a metric over `n` questions, with its 95% interval."""

    mean: float
    low: float
    high: float
    n: int
