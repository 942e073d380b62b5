"""When an answer is right, a refusal, or a warning of false passages: the rules of RGB, and stricter ones beside.

RGB (Chen et al. 2023, arXiv:2309.01431) looks for the answer's letters anywhere in the text, so that `170` holds
`70`. Its own figures are made by its own rule here; where false words are set against true ones, `says` is used,
which keeps to the borders of words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trivium.evaluate.abilities.values import Case, Said
from trivium.evaluate.metrics.normal import holds, loose

REFUSALS = ("insufficient information", "信息不足")
"""What RGB asks a model to say where the passages do not answer, and looks for in what it said."""
WARNINGS = ("factual errors", "事实性错误")
"""What RGB asks a model to say where passages are false, and looks for in what it said."""

Parts = Sequence[Sequence[str]]


def refuses(said: Said) -> bool:
    """Whether an answer is a refusal: the system says that it refused, or the text holds RGB's words for it."""
    text = said.text.replace(" ", "") if _is_chinese(said.text) else said.text
    return said.refused or any(phrase in text for phrase in REFUSALS)


def warns(said: Said) -> bool:
    """Whether an answer says that passages are false, in RGB's words for it (its error detection)."""
    text = said.text.replace(" ", "") if _is_chinese(said.text) else said.text
    return any(phrase in text for phrase in WARNINGS)


def parts_held(text: str, parts: Parts, language: str) -> list[bool]:
    """Return for each part whether one of its alternatives stands in the text, by RGB's rule.

    Letters anywhere, case aside; the spaces of a Chinese text are taken out first.
    """
    plain = (text.replace(" ", "") if language == "zh" else text).lower()
    return [any(alternative.lower() in plain for alternative in part) for part in parts]


def right(said: Said, parts: Parts, language: str) -> bool:
    """Whether an answer is right by RGB's rule: no refusal, and one alternative of every part in it."""
    return not refuses(said) and bool(parts) and all(parts_held(said.text, parts, language))


def says(text: str, words: Sequence[str]) -> bool:
    """Whether a text says one of `words`, word by word (`trivium.evaluate.metrics.normal.loose`)."""
    have = loose(text)
    return any(holds(have, loose(word)) for word in words)


def says_all(text: str, parts: Parts) -> bool:
    """Whether a text says one alternative of every part, word by word."""
    return bool(parts) and all(says(text, part) for part in parts)


def each(said: Sequence[Said], check: Callable[[Said], bool]) -> list[float | None]:
    """Return 1 or 0 for each answer by `check`; None where the reader failed."""
    return [None if one.error else float(check(one)) for one in said]


def rightness(cases: Sequence[Case], said: Sequence[Said]) -> list[float | None]:
    """Return 1 or 0 for each answer by `right`; None where the reader failed or the answer is not known."""
    return [
        None if one.error or not case.parts else float(right(one, case.parts, case.language))
        for case, one in zip(cases, said, strict=True)
    ]


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)
