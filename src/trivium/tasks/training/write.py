"""Write a training set as JSON Lines that other tools read too, and `read_training` gives back as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from trivium.tasks.records import json_line, write_lines
from trivium.tasks.training.values import (
    Dialogue,
    Labelled,
    Pair,
    Preference,
    Rated,
    Retrieval,
    Sample,
    SpanQuestion,
    Tagged,
    Text,
    TrainingSet,
    Turn,
)


def write_training(path: str | os.PathLike[str], given: TrainingSet) -> int:
    """Write a set, whole or not at all; return how many samples it has.

    Dialogues are in OpenAI's form, spans in the data hub's SQuAD form, passages in FlagEmbedding's; each row has its
    `id`, and its `group` where it has one.
    """
    return write_lines(path, (json_line(row_of(sample)) for sample in given.samples))


def row_of(sample: Sample) -> dict[str, Any]:
    """Return a sample as a row. What holds its default is left out."""
    row = {"id": sample.id, **_fields(sample)}
    if sample.group:
        row["group"] = sample.group
    return row


def _fields(sample: Sample) -> dict[str, Any]:
    match sample:
        case Dialogue(messages=turns, tools=tools):
            return {"messages": _messages(turns), **({"tools": json.loads(tools)} if tools else {})}
        case Preference(prompt=prompt, chosen=chosen, rejected=rejected):
            return {"prompt": _messages(prompt), "chosen": chosen, "rejected": rejected}
        case Rated(prompt=prompt, completion=completion, good=good):
            return {"prompt": _messages(prompt), "completion": completion, "label": good}
        case Text(text=text):
            return {"text": text}
        case Pair(source=source, target=target, languages=languages):
            one, _, other = languages.partition("-")
            return {"translation": {one: source, other: target}} if other else {"source": source, "target": target}
        case Labelled(text=text, second=second, label=label, value=value):
            texts = {"text": text} if second is None else {"sentence1": text, "sentence2": second}
            return {**texts, **({"label": label} if label is not None else {"score": value})}
        case Tagged(tokens=tokens, tags=tags):
            return {"tokens": tokens, "tags": tags}
        case SpanQuestion(question=question, context=context, answers=answers, starts=starts):
            return {"context": context, "question": question, "answers": {"text": answers, "answer_start": starts}}
        case Retrieval():
            return _passages(sample)


def _messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    found = []
    for turn in turns:
        row: dict[str, Any] = {"role": turn.role, "content": turn.content}
        if turn.calls:
            row["tool_calls"] = [{"type": "function", "function": call} for call in json.loads(turn.calls)]
        if turn.role == "assistant" and not turn.trained:
            row["weight"] = 0
        found.append(row)
    return found


def _passages(sample: Retrieval) -> dict[str, Any]:
    row: dict[str, Any] = {"query": sample.query, "pos": sample.positives, "neg": sample.negatives}
    if sample.positive_scores:
        row |= {"pos_scores": sample.positive_scores, "neg_scores": sample.negative_scores}
    return row | ({"prompt": sample.prompt} if sample.prompt else {})
