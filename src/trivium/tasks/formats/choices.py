"""Multiple choice: ARC, CommonsenseQA, OpenBookQA, MMLU, C-Eval, MedQA, SciQ, RACE, BoolQ and tables of the kind.

ARC: Clark et al. 2018, arXiv:1803.05457. The answer of an example is the words of the right choice, whether the file
gives its letter, its number or its words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trivium.tasks.records import Malformed, Record
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import text, unpacked
from trivium.types import Gold

_LETTERS = "ABCDEFGHIJ"
_KEYS = ("answerKey", "answer_key", "answer_idx", "answer", "label", "correct", "target", "gold", "答案", "正确答案")
_QUESTIONS = ("question", "question_stem", "query", "题目", "问题")


def is_choice(record: Mapping[str, Any]) -> bool:
    """Whether a record has a question and several choices for its answer."""
    return bool(_question(record)) and len(_choices(record)[0]) > 1


def read_choice(record: Record, sheet: Sheet) -> None:
    """Read a question; an answer that is none of the choices is reported."""
    value = record.value
    choices, labels = _choices(value)
    question = _question(value)
    passage = text(value.get("support", value.get("passage", value.get("article", value.get("fact1")))))
    gold = [Gold(sheet.passage(passage, f"passage/{sheet.short(passage)}"), passage)] if passage else []
    right = _right(value, choices, labels)
    sheet.example(
        question,
        id=text(value.get("id", value.get("question_id", value.get("example_id", value.get("编号"))))),
        answers=(right,) if right else (),
        evidence=gold,
        choices=choices,
        tags=("choice", text(value.get("subject", value.get("category", value.get("学科"))))),
    )


def _question(record: Mapping[str, Any]) -> str:
    for key in _QUESTIONS:
        value = record.get(key)
        if isinstance(value, Mapping):
            value = value.get("stem")
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def _choices(record: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words and the labels of the choices."""
    question = record.get("question")
    given = question.get("choices") if isinstance(question, Mapping) else None
    given = unpacked(given or record.get("choices", record.get("options", record.get("选项"))))
    if isinstance(given, Mapping) and "text" in given:  # two lists, as on the data hub
        return _words(given["text"]), _words(given.get("label") or _LETTERS[: len(given["text"])])
    if isinstance(given, Mapping):  # {"A": "...", "B": "..."}
        return _words(given.values()), _words(given)
    if isinstance(given, list) and given and isinstance(given[0], Mapping):  # [{"label": "A", "text": "..."}]
        return _words(one.get("text") for one in given), _words(one.get("label", one.get("key")) for one in given)
    if isinstance(given, list):
        return _words(given), tuple(_LETTERS[: len(given)])
    if "distractor1" in record:
        keys = ("correct_answer", "distractor1", "distractor2", "distractor3")
        return _words(record[key] for key in keys if key in record), ()
    letters = [letter for letter in _LETTERS if record.get(letter) not in (None, "")]
    if letters[:2] == ["A", "B"]:
        return _words(record[letter] for letter in letters), tuple(letters)
    return (), ()


def _words(values: Any) -> tuple[str, ...]:
    return tuple(text(value) for value in values)


def _right(record: Mapping[str, Any], choices: Sequence[str], labels: Sequence[str]) -> str:
    """The words of the right choice; empty where the file does not say.

    Raises:
        Malformed: the file names a choice that there is not.
    """
    if "correct_answer" in record:
        return text(record["correct_answer"])
    key = next((record[key] for key in _KEYS if record.get(key) not in (None, "")), None)
    if key is None:
        return ""
    if isinstance(key, int) and not isinstance(key, bool) and text(key) not in choices:
        if 0 <= key < len(choices):
            return choices[key]
        raise Malformed(f"has the answer {key}, and {len(choices)} choices, counted from 0")
    named = text(key)
    if named in labels:
        return choices[labels.index(named)]
    if named in choices:
        return named
    if len(named) == 1 and named.upper() in _LETTERS[: len(choices)]:
        return choices[_LETTERS.index(named.upper())]
    if named.isdigit() and int(named) < len(choices):
        return choices[int(named)]
    raise Malformed(f"has the answer {named[:40]!r}, which is none of its choices")
