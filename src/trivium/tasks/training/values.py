"""What a training set is made of: one frozen value for each shape of sample, and the set that holds them.

Each sample has an `id`, the place of its row (`train.jsonl:12`) or the name that the row gives itself, for errors and
reports; and a `group`: samples of one group come from one document or dialogue, and are never split over train and
test. An empty group stands for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from trivium.tasks.records import Problem

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a dialogue. Loss is taken on its tokens where `trained` is set.

    `calls` are the tool calls of an assistant's turn: a JSON list of `{"name": ..., "arguments": {...}}`, or empty.
    """

    role: Role
    content: str
    trained: bool = False
    calls: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Instruction tuning: the turns in order. `tools` is a JSON list of the functions on offer, or empty."""

    messages: tuple[Turn, ...]
    tools: str = ""
    id: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """Causal or masked language modelling: every token is trained."""

    text: str
    id: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Sequence to sequence: translation, summaries. `languages` is `en-fr` where the file says so."""

    source: str
    target: str
    languages: str = ""
    id: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Preference:
    """Two answers to one prompt, of which the first was preferred (DPO)."""

    prompt: tuple[Turn, ...]
    chosen: str
    rejected: str
    id: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Rated:
    """One answer to a prompt, judged good or bad (KTO)."""

    prompt: tuple[Turn, ...]
    completion: str
    good: bool
    id: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Classification, pair classification (with `second`), regression (with `value` in place of `label`)."""

    text: str
    second: str | None = None
    label: str | None = None
    value: float | None = None
    id: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Tagged:
    """Sequence labelling: as many BIO tags (`O`, `B-PER`, `I-PER`) as tokens. Characters are tokens in Chinese."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    id: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class SpanQuestion:
    """A question whose answers are spans: `context[start:start + len(answer)] == answer` for each; none: unanswerable.

    `starts` are character offsets, one for each of `answers`.
    """

    question: str
    context: str
    answers: tuple[str, ...] = ()
    starts: tuple[int, ...] = ()
    id: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """A query with passages that answer it and passages that do not, for embedders and rerankers.

    Scores are a teacher's, one for each passage, or none at all. `prompt` is the instruction before the query.
    """

    query: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    positive_scores: tuple[float, ...] = ()
    negative_scores: tuple[float, ...] = ()
    prompt: str = ""
    id: str = ""
    group: str = ""


Sample = Dialogue | Text | Pair | Preference | Rated | Labelled | Tagged | SpanQuestion | Retrieval
Kind = Literal["dialogue", "text", "pair", "preference", "rated", "labelled", "tagged", "span", "retrieval"]

KINDS: Mapping[str, type[Sample]] = {
    "dialogue": Dialogue,
    "text": Text,
    "pair": Pair,
    "preference": Preference,
    "rated": Rated,
    "labelled": Labelled,
    "tagged": Tagged,
    "span": SpanQuestion,
    "retrieval": Retrieval,
}


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Samples of one kind, as a file held them.

    Attributes:
        kind: a key of `KINDS`; every sample is of that class.
        samples: in the order of the file.
        format: the name of the format that the rows were read as.
        report: what was read, repaired or dropped, as counts by name.
        problems: each row that was repaired or dropped, with its place and the reason.
        name: of the set: the file's, without its ending.
    """

    kind: Kind
    samples: tuple[Sample, ...]
    format: str = ""
    report: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    name: str = ""
