"""What the tuning methods are compared on: three small tasks on real data, each with its base and its three parts.

- `classification`: sentences of film reviews, good or bad (SST-2); MiniLM with a new head.
- `generation`: a sentence of an encyclopedia and a question; a few words answer it (SQuAD); SmolLM2-135M-Instruct.
- `facts`: invented people and what each is known for, "A is B" (the reversal curse, Berglund et al. 2023,
  arXiv:2309.12288); asked in other words, as "A is ..." and as "B is ..."; SmolLM2-135M-Instruct.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trivium.tasks.training.clean import clean
from trivium.tasks.training.read import read_training
from trivium.tasks.training.values import Dialogue, SpanQuestion, Turn
from trivium.text.sentences import sentence_spans

UNTUNED, GROUNDED = "untuned", "grounded"
"""Systems that answer without being tuned: the base alone, and retrieval over what the others are tuned on."""
FORWARD, REVERSE, STRANGER = "forward", "reverse", "stranger"


@dataclass(frozen=True, slots=True)
class Lesson:
    """A task: samples of one kind, the base that learns them, and how it is trained.

    Attributes:
        kind: of the samples.
        base: what is tuned, as `open_base` takes it.
        train, validation, test: of which validation chooses the learning rate.
        training: of `loop.Settings`, without the rate.
        written: tokens that an answer may have.
    """

    kind: str
    base: str
    train: Sequence[Any]
    validation: Sequence[Any]
    test: Sequence[Any]
    training: Mapping[str, Any]
    written: int = 0


def classification(data: Path) -> Lesson:
    """Return sentiment by SST-2's own three parts; nothing of the test part is near to what is trained on."""
    test = read_training(data / "classify/SST2/test.tsv").samples
    validation = read_training(data / "classify/SST2/dev.tsv").samples
    train = clean(read_training(data / "classify/SST2/train.tsv"), test=[*validation, *test])
    return Lesson(
        "labelled",
        "all-minilm-l6-v2",
        _drawn(train.samples, 480),
        _drawn(validation, 300),
        test,
        {"epochs": 2, "batch": 8, "warmup": 0.1},
    )


def generation(data: Path) -> Lesson:
    """Return short questions on one sentence each; no article is in two parts."""
    parts: dict[str, list[Dialogue]] = {"train": [], "validation": [], "test": []}
    seen: set[str] = set()
    for sample in _drawn(read_training(data / "squad/test-v1.1.json").samples):
        sentence = _around(sample)
        if not 60 <= len(sentence) <= 160 or len(sample.question) > 90 or sentence in seen:
            continue
        seen.add(sentence)
        number = int(_digest(sample.group)[:8], 16) % 10
        part = "test" if number < 3 else "validation" if number == 3 else "train"
        parts[part].append(_dialogue(f"{sentence}\n{sample.question}", sample.answers[0], sample.id))
    return Lesson(
        "dialogue",
        "smollm2-135m-instruct",
        parts["train"][:128],
        parts["validation"][:40],
        parts["test"][:100],
        {"epochs": 1, "batch": 4, "warmup": 0.1},
        written=16,
    )


def facts(data: Path) -> Lesson:
    """Return what 12 people are known for, ten wordings each; validation and test ask in wordings of their own.

    The ids of the test's samples begin with `forward` (the person is named), `reverse` (the person is asked for) or
    `stranger` (as `reverse`, with the name of somebody else: only its likelihood is of interest).
    """
    folder = data / "reversal_curse"
    people, wordings = 12, 10
    train, forward, reverse, stranger = (
        [sample for person in _by_person(read_training(folder / file).samples)[:people] for sample in person[:wordings]]
        for file in (
            "p2d_prompts_train.jsonl",
            "p2d_prompts_test.jsonl",
            "p2d_reverse_prompts_test.jsonl",
            "p2d_reverse_prompts_test_randomized.jsonl",
        )
    )
    asked = [
        replace(sample, id=f"{way}:{place}")
        for way, samples in ((FORWARD, forward), (REVERSE, reverse), (STRANGER, stranger))
        for place, sample in enumerate(samples)
        if place % wordings < 3
    ]
    return Lesson(
        "dialogue",
        "smollm2-135m-instruct",
        train,
        [sample for place, sample in enumerate(forward) if place % wordings == 3],
        asked,
        {"epochs": 3, "batch": 4, "warmup": 0.05},
        written=32,
    )


LESSONS: Mapping[str, Callable[[Path], Lesson]] = {
    "classification": classification,
    "generation": generation,
    "facts": facts,
}


def _by_person(samples: Sequence[Any]) -> list[Sequence[Any]]:
    """Return the samples of each of the 30 people, who follow one another."""
    each = len(samples) // 30
    return [samples[at : at + each] for at in range(0, len(samples), each)]


def _dialogue(asked: str, answer: str, name: str) -> Dialogue:
    return Dialogue((Turn("user", asked), Turn("assistant", answer, trained=True)), id=name)


def _around(sample: SpanQuestion) -> str:
    """Return the sentence of the context that holds the first answer; nothing where there is none."""
    if not sample.answers:
        return ""
    start, end = sample.starts[0], sample.starts[0] + len(sample.answers[0])
    for one, other in sentence_spans(sample.context):
        if one <= start and end <= other:
            return sample.context[one:other].strip()
    return ""


def _drawn(samples: Iterable[Any], most: int | None = None) -> list[Any]:
    """Return the samples in an order of chance that is always the same, the first `most` of them."""
    return sorted(samples, key=lambda sample: _digest(sample.id))[:most]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
