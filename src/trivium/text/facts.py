"""What a sentence asserts that words shared by chance do not carry over: its numbers, its names, its negation.

Two sentences may share most of their words and still disagree: "The warranty lasts 24 months" and "The warranty
does not last 24 months", or "… 36 months". These functions name the parts that must agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from trivium.text.normalise import normalise
from trivium.text.tokens import analyse

_DIGITS = re.compile(r"\d+(?:[.,:]\d+)*")
_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NUMBER_WORDS = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_WORD_NUMBER = re.compile(
    rf"\b({'|'.join(sorted(_NUMBER_WORDS, key=len, reverse=True))})(?:[\s-]({'|'.join(list(_NUMBER_WORDS)[1:10])}))?\b"
)
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_HAN_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_HAN_NUMBER = re.compile(
    r"[零〇一二两三四五六七八九十百千万亿]+(?=[年月日号个天周岁次人元名位倍小分秒度条种座部届层米公千克吨])"
)

_LETTER = r"[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
_WORD = re.compile(rf"{_LETTER}+(?:['’.-]{_LETTER}+)*")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|nowhere|neither|nor|without|cannot|hardly|barely|lack(?:s|ed)?|"
    r"fail(?:s|ed)? to|refuse[sd]? to|unable)\b|n['’]t\b"
)
_NOT_NEGATION = re.compile(
    r"\bnot (?:only|just|merely|least)\b|\bno(?:\.|t to mention| later than| more than| less than| fewer than)|"
    r"\bno doubt\b"
)
_HAN_NEGATION = re.compile(
    r"不(?![同仅但只少断久管论过如妨])|(?<!未)没(?:有)?|并非|绝非|而非|从未|尚未|未(?![来必])|无法|禁止|拒绝"
)


def numbers(text: str) -> frozenset[str]:
    """Return the numbers of `text` in one form: `1,000` is `1000`, `twenty-four` is `24`, `二十四个` is `24`.

    The word "one" counts as no number, since it is mostly a pronoun. Thousands separators and leading zeros go.
    """
    text = normalise(text)
    found = {_canonical(match) for match in _DIGITS.findall(text)}
    for match in _WORD_NUMBER.finditer(text):
        value = _NUMBER_WORDS[match[1]] + (_NUMBER_WORDS[match[2]] if match[2] else 0)
        scale = _SCALES.get(_word_after(text, match.end()), 1)
        if value != 1 or scale != 1:
            found.add(str(value * scale))
    found.update(str(_han_value(run)) for run in _HAN_NUMBER.findall(text))
    return frozenset(found)


def without_number_words(text: str) -> str:
    """Return the text without the numbers that it writes in words, which `numbers` compares by value."""
    return _HAN_NUMBER.sub(" ", _WORD_NUMBER.sub(" ", normalise(text)))


def _canonical(number: str) -> str:
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", number):
        number = number.replace(",", "")
    whole, dot, rest = number.partition(".")
    return (whole.lstrip("0") or "0") + dot + rest


def _word_after(text: str, end: int) -> str:
    following = _WORD.match(text, end + 1)
    return following.group() if following else ""


def _han_value(run: str) -> int:
    """Read Chinese numerals: by place (`二十四`, `三千零五`, `两万`) or digit by digit (`二〇〇八`)."""
    if all(digit in _HAN_DIGITS for digit in run):
        return int("".join(str(_HAN_DIGITS[digit]) for digit in run))
    total = section = digit = 0
    for character in run:
        if character in _HAN_DIGITS:
            digit = _HAN_DIGITS[character]
        elif character in _HAN_UNITS:
            section += (digit or 1) * _HAN_UNITS[character]
            digit = 0
        elif character == "万":
            total += (section + digit or 1) * 10**4
            section = digit = 0
        else:  # 亿 takes in what stands before it, 万 included
            total = (total + section + digit or 1) * 10**8
            section = digit = 0
    return total + section + digit


def names(sentence: str) -> frozenset[str]:
    """Return the words of one sentence, normalised, that its capitals mark as names or identifiers.

    A word counts that has a capital letter and does not open the sentence, or that opens it but has a second
    capital or a digit, or stands before another capitalised word. Chinese has no such marks: its names are held by
    the words themselves.
    """
    words = [match.group() for match in _WORD.finditer(sentence)]
    found = set()
    for place, word in enumerate(words):
        if not word[0].isalpha() or not any(letter.isupper() for letter in word):
            continue
        marked = any(letter.isupper() for letter in word[1:]) or any(letter.isdigit() for letter in word)
        if place > 0 or marked or (len(words) > 1 and words[1][0].isupper() and word.lower() not in _OPENERS):
            if word == "I" or word.startswith(("I'", "I’")):
                continue
            found.add(normalise(re.sub(r"['’]s$", "", word)))
    return frozenset(found)


def negated(clause: str) -> bool:
    """Whether a clause denies something, by its own words (English and Chinese)."""
    text = _NOT_NEGATION.sub(" ", normalise(clause))
    return _NEGATION.search(text) is not None or (
        _HAN.search(text) is not None and _HAN_NEGATION.search(text) is not None
    )


_OPENERS = frozenset(
    [
        "the",
        "a",
        "an",
        "in",
        "on",
        "at",
        "by",
        "for",
        "from",
        "of",
        "to",
        "as",
        "with",
        "after",
        "before",
        "during",
        "since",
        "until",
        "when",
        "while",
        "if",
        "although",
        "according",
        "this",
        "that",
        "these",
        "those",
        "it",
        "its",
        "he",
        "she",
        "they",
        "we",
        "you",
        "his",
        "her",
        "their",
        "our",
        "yes",
        "no",
        "both",
        "each",
        "every",
        "some",
        "all",
        "many",
        "most",
        "much",
        "and",
        "but",
        "or",
        "however",
        "also",
    ]
)
_JOINS = r"(?:but|although|though|whereas|while|because|which|who)\s+"
_AND = re.compile(r"\s+and\s+|以及|并且|而且")
_CLAUSE = re.compile(rf"(?:[,;:，；：、—。！？]|[.!?](?=\s))+\s*(?:{_JOINS})?|\s+{_JOINS}")


def statements(sentence: str) -> list[str]:
    """Return the parts of a sentence that may each be proved by another passage: its clauses, parted by "and" too."""
    return [part for clause in clauses(sentence) for part in _AND.split(clause) if part.strip()]


def clauses(sentence: str) -> list[str]:
    """Return the parts of a sentence between commas, semicolons and the words that join clauses."""
    return [part for part in _CLAUSE.split(sentence) if part and part.strip()]


@cache
def _opposites() -> Mapping[str, frozenset[str]]:
    """Return for each term of `data/text/opposites.txt` those that deny it, English ones stemmed."""
    table: dict[str, set[str]] = {}
    for line in files("trivium").joinpath("data/text/opposites.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        left, _, right = line.partition(" ")[2].partition(":")
        sides = [[term for word in side.split() for term in _terms(word)] for side in (left, right)]
        for own, other in (sides, sides[::-1]):
            for term in own:
                table.setdefault(term, set()).update(other)
    return {term: frozenset(others - {term}) for term, others in table.items()}


def _terms(word: str) -> list[str]:
    return analyse(word) if word.isascii() else [word]


def opposites(term: str) -> frozenset[str]:
    """Return the content terms that deny a content term (`increas`: `fall`, `declin`, …); none for most terms."""
    return _opposites().get(term, frozenset())
