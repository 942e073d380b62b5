"""Normal forms of answers: what two texts must share to count as the same words."""

from __future__ import annotations

import re
import string
import unicodedata
from functools import lru_cache

from trivium.text.language import scripts
from trivium.text.normalise import normalise

CJK = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
"""Characters of Chinese and Japanese, for a character class: written without spaces, each counts as a token."""

_ENGLISH_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_STOP = re.compile(r"(?<=\b[^\W\d_])\.|(?<!\d)\.|\.(?!\d)")
_BETWEEN_CJK = re.compile(rf"(?<=[{CJK}]) +| +(?=[{CJK}])")
_SHORT = 4096
"""Normal forms of texts up to this length are remembered: the same answers and passages come again and again."""


def squad(text: str) -> str:
    """Return the normal form of SQuAD's evaluation (Rajpurkar et al. 2016, arXiv:1606.05250).

    Lower case, without the ASCII punctuation marks, without the articles a, an, the; single spaces.
    """
    bare = text.lower().translate(_ASCII_PUNCTUATION)
    return " ".join(_ENGLISH_ARTICLES.sub(" ", bare).split())


def loose(text: str) -> str:
    """Return a normal form for finding an answer inside a longer text, in any language.

    NFKC and case-folded; English articles and punctuation go, except a point between digits; `1,000` becomes
    `1000`, `U.S.` becomes `us`; no space stands beside a Chinese or Japanese character. A text of nothing but
    articles and punctuation keeps them.
    """
    return _loose_short(text) if len(text) <= _SHORT else _loose(text)


def _loose(text: str) -> str:
    folded = normalise(text)
    words = _THOUSANDS.sub("", folded)
    words = _STOP.sub(_stop, words)
    table = {ord(c): " " for c in set(words) if c not in "." and unicodedata.category(c)[0] in "PZC"}
    words = " ".join(words.translate(table).split())
    without = " ".join(_ENGLISH_ARTICLES.sub(" ", words).split())
    found = without or words or " ".join(folded.split())
    return _BETWEEN_CJK.sub("", found)


def _stop(match: re.Match[str]) -> str:
    before = match.string[max(match.start() - 2, 0) : match.start()]
    return "" if before[-1:].isalpha() and not before[:-1].isalnum() else " "


_loose_short = lru_cache(maxsize=4096)(_loose)


def holds(text: str, part: str) -> bool:
    """Whether `part` stands in `text`, both in the form of `loose`, at the borders of words.

    `5` does not stand in `15`, nor `no` in `know`; Chinese and Japanese have no borders.
    """
    if not part:
        return False
    at = text.find(part)
    while at >= 0:
        end = at + len(part)
        if not (_joined(text, at) or _joined(text, end)):
            return True
        at = text.find(part, at + 1)
    return False


def _joined(text: str, at: int) -> bool:
    """Whether the characters before and after `at` belong to one word."""
    if not 0 < at < len(text):
        return False
    left, right = text[at - 1], text[at]
    if left == "." or right == ".":  # inside a decimal number
        return True
    return left.isalnum() and right.isalnum() and not (is_cjk(left) or is_cjk(right))


def is_cjk(character: str) -> bool:
    """Whether a character is of Chinese or Japanese writing."""
    return re.match(f"[{CJK}]", character) is not None


def by_characters(text: str) -> bool:
    """Whether most of a text is written without spaces between words, so that its characters count as tokens."""
    counts = scripts(text)
    unspaced = sum(counts.get(name, 0) for name in ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"))
    return 2 * unspaced > sum(counts.values())
