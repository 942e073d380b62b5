"""What a sample asks, what it teaches, and the same sample with other words in what it asks."""

from __future__ import annotations

import hashlib
from dataclasses import replace

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
    Turn,
)


def asked(sample: Sample) -> str:
    """Return the input of a sample as one text: what a model is given at run time, without a system turn."""
    match sample:
        case Dialogue(messages=turns) | Preference(prompt=turns) | Rated(prompt=turns):
            return "\n".join(turn.content for turn in turns if turn.role == "user")
        case Text(text=text):
            return text
        case Pair(source=source):
            return source
        case Labelled(text=text, second=second):
            return f"{text}\n{second}" if second else text
        case Tagged(tokens=tokens):
            return _joined(tokens)
        case SpanQuestion(question=question, context=context):
            return f"{question}\n{context}"
        case Retrieval(query=query):
            return query


def said(sample: Sample) -> str:
    """Return what is to be learnt as one text; empty for a text, of which all is learnt."""
    match sample:
        case Dialogue(messages=turns):
            return "\n".join(f"{turn.content}{turn.calls}" for turn in turns if turn.trained)
        case Preference(chosen=chosen, rejected=rejected):
            return f"{chosen}\n{rejected}"
        case Rated(completion=completion, good=good):
            return f"{completion}\n{good}"
        case Text():
            return ""
        case Pair(target=target):
            return target
        case Labelled(label=label, value=value):
            return label if label is not None else str(value)
        case Tagged(tags=tags):
            return " ".join(tags)
        case SpanQuestion(answers=answers):
            return "\n".join(answers)
        case Retrieval(positives=positives, negatives=negatives):
            return "\n".join((*positives, *negatives))


def label_of(sample: Sample) -> str | None:
    """Return the class of a sample, or None where it has none."""
    match sample:
        case Labelled(label=label):
            return label
        case Rated(good=good):
            return "good" if good else "bad"
    return None


def question_of(sample: Sample) -> str:
    """Return the one text of a sample that other words may ask for; empty where there is none."""
    match sample:
        case Dialogue(messages=turns) | Preference(prompt=turns) | Rated(prompt=turns):
            return next((turn.content for turn in reversed(turns) if turn.role == "user"), "")
        case SpanQuestion(question=question):
            return question
        case Text() | Tagged():
            return ""
        case Labelled(text=text):
            return text
        case Pair(source=source):
            return source
        case Retrieval(query=query):
            return query


def with_question(sample: Sample, text: str, id: str) -> Sample:
    """Return a sample with other words in the place of `question_of`; what it teaches stays. Its group stays too."""
    match sample:
        case Dialogue(messages=turns):
            return replace(sample, messages=_last_user(turns, text), id=id)
        case Preference(prompt=turns) | Rated(prompt=turns):
            return replace(sample, prompt=_last_user(turns, text), id=id)
        case SpanQuestion():
            return replace(sample, question=text, id=id)
        case Labelled():
            return replace(sample, text=text, id=id)
        case Pair():
            return replace(sample, source=text, id=id)
        case Retrieval():
            return replace(sample, query=text, id=id)
    return sample


def _last_user(turns: tuple[Turn, ...], text: str) -> tuple[Turn, ...]:
    last = max((place for place, turn in enumerate(turns) if turn.role == "user"), default=-1)
    return tuple(replace(turn, content=text) if place == last else turn for place, turn in enumerate(turns))


def _joined(tokens: tuple[str, ...]) -> str:
    """Tokens as a text: with blanks between words, without them between characters."""
    return ("" if sum(map(len, tokens)) <= 1.2 * len(tokens) else " ").join(tokens)


def seed_of(seed: int, key: str) -> int:
    """Return the seed of one sample's draws: a number that a seed and a key always give."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{key}".encode("utf-8", "surrogatepass")).digest()[:8], "big")
