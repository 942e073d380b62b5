"""One kind of sample as another, where nothing has to be made up; and a question set as training samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from trivium.errors import UsageError
from trivium.tasks.training.values import (
    Dialogue,
    Kind,
    Labelled,
    Pair,
    Preference,
    Rated,
    Retrieval,
    Sample,
    SpanQuestion,
    Text,
    TrainingSet,
    Turn,
)
from trivium.types import Document, Example


def as_kind(given: TrainingSet, kind: Kind) -> TrainingSet:
    """Return a set as one of another kind; what cannot be one is counted in its report as `not convertible`.

    Raises:
        UsageError: samples of that kind cannot be made of these.
    """
    if given.kind == kind:
        return given
    make = CONVERSIONS.get((given.kind, kind))
    if make is None:
        known = ", ".join(sorted(to for of, to in CONVERSIONS if of == given.kind)) or "nothing else"
        raise UsageError(
            f"{given.name} holds samples of the kind {given.kind!r}, of which none of the kind {kind!r} can be made.",
            f"They can be taken as {known}.",
        )
    samples = [made for sample in given.samples if (made := make(sample)) is not None]
    left = len(given.samples) - len(samples)
    report = {**given.report, "samples": len(samples), **({"not convertible": left} if left else {})}
    return replace(given, kind=kind, samples=tuple(samples), report=report)


def _dialogue_pair(sample: Sample) -> Pair | None:
    """A dialogue of one question and one answer, for sequence to sequence."""
    assert isinstance(sample, Dialogue)
    *before, last = sample.messages
    if any(turn.role not in ("system", "user") for turn in before) or last.calls:
        return None
    return Pair("\n".join(turn.content for turn in before), last.content, id=sample.id, group=sample.group)


def _dialogue_of(asked: str, said: str, id: str, group: str) -> Dialogue:
    return Dialogue((Turn("user", asked), Turn("assistant", said, trained=True)), id=id, group=group)


def _pair_dialogue(sample: Sample) -> Dialogue:
    assert isinstance(sample, Pair)
    return _dialogue_of(sample.source, sample.target, sample.id, sample.group)


def _preferred(sample: Sample) -> Dialogue:
    assert isinstance(sample, Preference)
    return Dialogue((*sample.prompt, Turn("assistant", sample.chosen, True)), id=sample.id, group=sample.group)


def _good(sample: Sample) -> Dialogue | None:
    assert isinstance(sample, Rated)
    turns = (*sample.prompt, Turn("assistant", sample.completion, True))
    return Dialogue(turns, id=sample.id, group=sample.group) if sample.good else None


def _span_dialogue(sample: Sample) -> Dialogue | None:
    assert isinstance(sample, SpanQuestion)
    asked = f"{sample.context}\n\n{sample.question}"
    return _dialogue_of(asked, sample.answers[0], sample.id, sample.group) if sample.answers else None


def _span_retrieval(sample: Sample) -> Retrieval | None:
    assert isinstance(sample, SpanQuestion)
    if not sample.answers:
        return None
    return Retrieval(sample.question, (sample.context,), id=sample.id, group=sample.group)


def _dialogue_text(sample: Sample) -> Text:
    """The answers alone, as text to model; the questions would be in a chat model's template."""
    assert isinstance(sample, Dialogue)
    return Text("\n".join(turn.content for turn in sample.messages if turn.content), sample.id, sample.group)


def _labelled_text(sample: Sample) -> Text:
    assert isinstance(sample, Labelled)
    return Text("\n".join(filter(None, (sample.text, sample.second))), sample.id, sample.group)


def _labelled_pair(sample: Sample) -> Pair | None:
    """Classification as sequence to sequence: the label is what is written (Raffel et al. 2019, arXiv:1910.10683)."""
    assert isinstance(sample, Labelled)
    said = sample.label if sample.label is not None else None
    text = "\n".join(filter(None, (sample.text, sample.second)))
    return None if said is None else Pair(text, said, id=sample.id, group=sample.group)


def _labelled_dialogue(sample: Sample) -> Dialogue | None:
    pair = _labelled_pair(sample)
    return None if pair is None else _pair_dialogue(pair)


def _pair_text(sample: Sample) -> Text:
    assert isinstance(sample, Pair)
    return Text(f"{sample.source}\n{sample.target}", sample.id, sample.group)


CONVERSIONS: Mapping[tuple[str, str], Callable[[Sample], Sample | None]] = {
    ("dialogue", "pair"): _dialogue_pair,
    ("dialogue", "text"): _dialogue_text,
    ("pair", "dialogue"): _pair_dialogue,
    ("pair", "text"): _pair_text,
    ("preference", "dialogue"): _preferred,
    ("rated", "dialogue"): _good,
    ("span", "dialogue"): _span_dialogue,
    ("span", "retrieval"): _span_retrieval,
    ("labelled", "text"): _labelled_text,
    ("labelled", "pair"): _labelled_pair,
    ("labelled", "dialogue"): _labelled_dialogue,
}
"""What can be made of what: `(from, to)`."""


def dialogues_of(examples: Iterable[Example]) -> tuple[Dialogue, ...]:
    """Return each question that has an answer as a dialogue: the question alone, and the first of its answers."""
    return tuple(
        _dialogue_of(example.question, example.answers[0], example.id, _group(example))
        for example in examples
        if example.answers
    )


def retrieval_of(examples: Sequence[Example], documents: Iterable[Document]) -> tuple[Retrieval, ...]:
    """Return each question that has evidence with its passages: the document of each, or, without it, its words."""
    texts = {document.source: document.text for document in documents}
    found = []
    for example in examples:
        passages = dict.fromkeys(texts.get(gold.source, gold.text) for gold in example.evidence)
        positives = tuple(passage for passage in passages if passage.strip())
        if positives:
            found.append(Retrieval(example.question, positives, id=example.id, group=_group(example)))
    return tuple(found)


def _group(example: Example) -> str:
    about = str(example.metadata.get("title", "") or example.metadata.get("document", ""))
    return about or next((gold.source for gold in example.evidence), "")
