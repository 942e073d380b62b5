"""Rows with a label, a score, a translation, passages for a query, or nothing but a text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trivium.tasks.records import Malformed, Record
from trivium.tasks.training.dialogue import Note
from trivium.tasks.training.names import get, has, key_of, language
from trivium.tasks.training.values import Labelled, Pair, Retrieval, Text
from trivium.tasks.values import text, texts

_NO_LABEL = ("", "-", "nan", "none", "null")


def _string(record: Mapping[str, Any], role: str) -> str:
    """Return the text of a role.

    Raises:
        Malformed: there is none, or it is empty.
    """
    key = key_of(record, role)
    if not key:
        raise Malformed(f"has no {role!r}")
    said = text(record[key])
    if not said:
        raise Malformed(f"has an empty {key!r}")
    return said


# --- labels and scores -----------------------------------------------------------------------------------------


def is_labelled(record: Mapping[str, Any]) -> bool:
    """Whether a record has a text, or two, with a label or a score."""
    marked = _label_key(record) or key_of(record, "value")
    label = get(record, "label")
    return bool(marked) and not isinstance(label, Mapping | list) and (_is_pair(record) or bool(_text_role(record)))


def _label_key(record: Mapping[str, Any]) -> str:
    """Return the key of the label; `target` beside a text is one where it is a number."""
    key = key_of(record, "target") if has(record, "text") else ""
    number = bool(key) and (isinstance(record[key], bool) or _number(record[key]) is not None)
    return key_of(record, "label") or (key if number else "")


def _is_pair(record: Mapping[str, Any]) -> bool:
    return has(record, "first", "second")


def _text_role(record: Mapping[str, Any]) -> str:
    return next((role for role in ("text", "prompt", "input", "source") if has(record, role)), "")


def read_labelled(record: Record, id: str, note: Note) -> Iterator[Labelled]:
    """Read a text, or a pair of them, with its label or score. A numeric label is kept as a score too."""
    value = record.value
    second: str | None = None
    if has(value, "first") or has(value, "second"):
        first, second = _string(value, "first"), _string(value, "second")
    else:
        role = _text_role(value)
        first = _string(value, role or "text")
        other = next((one for one in ("text", "context", "source") if has(value, one)), "")
        if has(value, "prompt") and other:  # a question, or a query, and its passage
            first, second = _string(value, "prompt"), _string(value, other)
    if key := _label_key(value):
        label = _label(value[key])
        yield Labelled(first, second, label, _number(label), id=id)
        return
    key = key_of(value, "value")
    if not key:
        raise Malformed("has no label")
    number = _number(value[key])
    if number is None:
        raise Malformed(f"has the score {value[key]!r}, which is no number")
    yield Labelled(first, second, None, number, id=id)


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | Mapping):
        raise Malformed("has several labels: one label a row is wanted")
    label = text(value)
    if label.lower() in _NO_LABEL:
        raise Malformed("has no label")
    return label


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def settled(samples: Sequence[Labelled]) -> tuple[Labelled, ...]:
    """Return the samples of one set as classes or as scores: labels with a fraction among them are scores.

    Whole numbers stay both, so that the task decides; where any label is a word, none is a score.
    """
    labels = [sample for sample in samples if sample.label is not None]
    if any(sample.value is None for sample in labels):
        return tuple(replace(sample, value=None) if sample.label is not None else sample for sample in samples)
    if any(sample.value is not None and not sample.value.is_integer() for sample in labels):
        return tuple(replace(sample, label=None) for sample in samples)
    return tuple(samples)


# --- pairs -----------------------------------------------------------------------------------------------------


def is_pair(record: Mapping[str, Any]) -> bool:
    """Whether a record has a source with its target, or one text in two languages."""
    if len(_translation(record)) == 2 or has(record, "source", "target"):
        return True
    return has(record, "text", "target") and not _label_key(record)


def _translation(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the two texts of a translation by their languages, or nothing."""
    given = record.get("translation")
    of = given if isinstance(given, Mapping) else {k: v for k, v in record.items() if plain_id(k) is False}
    found = {language(key): value for key, value in of.items()}
    return found if len(found) == 2 == len(of) and all(found) else {}


def plain_id(key: str) -> bool:
    """Whether a column only names its row."""
    return str(key).lower() in ("id", "_id", "idx", "index")


def read_pair(record: Record, id: str, note: Note) -> Iterator[Pair]:
    """Read a source and its target."""
    value = record.value
    found = _translation(value)
    if found:
        (source, one), (target, other) = found.items()
        if not (text(one) and text(other)):
            raise Malformed(f"has an empty text in {source if not text(one) else target!r}")
        yield Pair(text(one), text(other), f"{source}-{target}", id=id)
        return
    if value.get("translation") is not None:
        raise Malformed("has a translation that is not one text in each of two languages")
    yield Pair(_string(value, "source" if has(value, "source") else "text"), _string(value, "target"), id=id)


# --- passages for a query --------------------------------------------------------------------------------------


def is_retrieval(record: Mapping[str, Any]) -> bool:
    """Whether a record has a query with passages that answer it (FlagEmbedding's form, triplets, DPR's)."""
    return has(record, "query", "positive")


def read_retrieval(record: Record, id: str, note: Note) -> Iterator[Retrieval]:
    """Read a query with its passages; a passage that is both is no negative."""
    value = record.value
    positives, negatives = _passages(get(value, "positive")), _passages(get(value, "negative"))
    if not positives:
        raise Malformed("has no positive passage")
    scores = _scores(value, "pos_scores", len(positives)), _scores(value, "neg_scores", len(negatives))
    if bool(scores[0]) != bool(scores[1]) and negatives:
        raise Malformed("has scores for its positive or its negative passages only")
    kept = [place for place, passage in enumerate(negatives) if passage not in positives]
    if len(kept) < len(negatives):
        note("has a passage as positive and as negative: kept as positive", "positive among negatives")
        negatives, scores = [negatives[n] for n in kept], (scores[0], tuple(scores[1][n] for n in kept if scores[1]))
    prompt = value.get("prompt")
    instruction = prompt if isinstance(prompt, str) else ""
    yield Retrieval(_string(value, "query"), tuple(positives), tuple(negatives), *scores, prompt=instruction, id=id)


def _passages(value: Any) -> list[str]:
    """Return passages in order, with repetitions, since scores stand beside them; DPR's have a title of their own."""
    if value is None:
        return []
    found: list[str] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, list):
            found.extend(_passages(one))
        elif isinstance(one, Mapping):
            found.append("\n".join(filter(None, (text(one.get("title")), text(one.get("text", one.get("content")))))))
        else:
            found.append(text(one))
    if not all(found):
        raise Malformed("has an empty passage")
    return found


def _scores(record: Mapping[str, Any], key: str, wanted: int) -> tuple[float, ...]:
    given = record.get(key)
    if not given:
        return ()
    numbers = [_number(one) for one in given]
    if len(numbers) != wanted or None in numbers:
        raise Malformed(f"has {len(numbers)} {key} for {wanted} passages, or one that is no number")
    return tuple(number for number in numbers if number is not None)


# --- texts -----------------------------------------------------------------------------------------------------


def is_text(record: Mapping[str, Any]) -> bool:
    """Whether a record has a text, and nothing that would make more of it."""
    return has(record, "text")


def read_text(record: Record, id: str, note: Note) -> Iterator[Text]:
    """Read one text, as it stands."""
    said = get(record.value, "text")
    if isinstance(said, list):
        said = "\n".join(texts(said))
    if not isinstance(said, str) or not said.strip():
        raise Malformed("has an empty text")
    yield Text(said, id=id)
