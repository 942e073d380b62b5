"""The markers `[1]` in an answer: taking out those that a model wrote, reading them, putting in checked ones."""

from __future__ import annotations

import re

_MARKER = re.compile(
    r"\s*(?:[\[【［](?:\s*(?:passages?|sources?|documents?|段落|资料|文档|来源)\s*)?\d{1,3}(?:\s*[,，、;-]\s*\d{1,3})*\s*[\]】］]"
    r"|[(（]\s*(?:passages?|sources?|documents?|段落|资料|文档|来源)\s*\d{1,3}(?:\s*(?:,|，|、|and|和)\s*\d{1,3})*\s*[)）]"
    r"|†L?\d*|\^\d{1,3}\^)",
    re.IGNORECASE,
)
_AFTER_STOP = re.compile(rf"([.!?。！？…]+)((?:{_MARKER.pattern})+)", re.IGNORECASE)
_RANGE = re.compile(r"(\d{1,3})(?:\s*-\s*(\d{1,3}))?")
_ENDING = re.compile(r"[.!?。！？…；;]+[\"'”’」』）)]*$")


def without_markers(text: str) -> str:
    """Return the text without citation markers: `[1]`, `[1, 2]`, `【3】`, `(passage 2)`."""
    return _MARKER.sub("", text)


def markers_before_stops(text: str) -> str:
    """Return the text with the markers that follow a sentence's mark put before it: `months.[1]` is `months[1].`"""
    return _AFTER_STOP.sub(lambda found: found[0] if "\n" in found[2] else found[2] + found[1], text)


def with_markers(sentence: str, numbers: tuple[int, ...]) -> str:
    """Return the sentence with its markers before the closing mark: `It lasts 24 months [1].`"""
    if not numbers:
        return sentence
    marks = "".join(f"[{number}]" for number in numbers)
    ending = _ENDING.search(sentence)
    at = ending.start() if ending else len(sentence)
    space = "" if not sentence[:at] or "\u2e80" <= sentence[at - 1] <= "\uffef" else " "
    return f"{sentence[:at]}{space}{marks}{sentence[at:]}"


def marker_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers that the markers of a text name, in order, without repeats: `[1, 3]`, `[2-4]`, `【5】`."""
    found: dict[int, None] = {}
    for marker in _MARKER.findall(text):
        for first, last in _RANGE.findall(marker):
            found.update(dict.fromkeys(range(int(first), int(last or first) + 1)))
    return tuple(found)
