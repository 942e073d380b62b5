"""The words that lexical search matches on: Trivium's own analysis, in every language.

Documents and questions pass through the same `analyse`, and the store sees only its tokens joined by spaces.

- English words are lower-cased and stemmed (Snowball: Porter 2001); words of other Latin alphabets lose their
  accents in a second token, so that `Düsseldorf` is found by `dusseldorf`.
- Numbers and identifiers are kept whole and also split: `error_code-42` gives itself, `error`, `code` and `42`.
- Chinese gives the words of `chinese.segment` and the pairs of neighbouring characters.
- Kana, Thai, Lao, Khmer and Burmese, written without spaces, give pairs of neighbouring characters; Korean gives
  words and pairs, since particles cling to its words.
- Any other script gives its words by Unicode's letters, digits and marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from typing import cast

from trivium.text.chinese import segment
from trivium.text.normalise import fold_marks

ANALYSIS = 1
"""The number of this analysis: raised whenever `analyse` gives other tokens, since stored ones must then be remade."""

MAX_TOKEN = 64
"""Longer tokens (keys, hashes, base64) are cut to this many characters, in documents and questions alike."""
_MAX_WORDS = 200_000

_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = "\u3041-\u30ff\u31f0-\u31ff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_HANGUL = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
_ASCII_WORD = re.compile(
    r"\w+(?:(?:[.\-/@:'&\\]|::|://|(?<=\d),(?=\d{3}))\w+)*(?:%|\+\+|\#(?!\w))?|(?<![^\s\"'`(])\.[a-zA-Z]\w*", re.ASCII
)
_PARTS = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?%?|\d+(?:\.\d+)?%?")
_VERSION = re.compile(r"v?\d+(?:\.\d+){2,}", re.IGNORECASE)
_CONTRACTION = re.compile(r"([^\W\d_]+)'(s|t|d|m|re|ve|ll)", re.IGNORECASE)
_HYPHENED = re.compile(r"([A-Za-z]+)-([A-Za-z]+)")
_PLURAL = re.compile(r"[A-Z]{2,}s")
_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\da-zA-Z_]+")


@cache
def _stem() -> Callable[[str], str]:
    """Return the English stemmer. One `Stemmer` is not safe in several threads at once; `_Words` locks nothing, since
    PyStemmer holds the interpreter's lock for the length of a call.
    """
    from Stemmer import Stemmer

    return cast(Callable[[str], str], Stemmer("english").stemWord)


@cache
def _unicode_word() -> re.Pattern[str]:
    """Return the pattern of a word in any script: built on first need, since it lists the combining marks."""
    marks = "".join(
        chr(point)
        for block in (range(0x300, 0x1E00), range(0xA800, 0xAC00))
        for point in block
        if unicodedata.category(chr(point)) in ("Mn", "Mc")
    )
    other = rf"(?![{_HAN}{_UNSPACED}])"
    word = rf"{other}\w(?:{other}[\w{marks}])*"
    joined = rf"{word}(?:(?:[.\-/@:'&\\]|::|://|(?<=\d),(?=\d{{3}})){word})*(?:%|\+\+|\#(?!\w))?"
    return re.compile(rf"(?P<han>[{_HAN}]+)|(?P<unspaced>[{_UNSPACED}]+)|(?P<word>{joined}|(?<![^\s\"'`(])\.{word})")


def _pairs(run: str) -> Iterable[str]:
    return (run[at : at + 2] for at in range(len(run) - 1))


def _han_tokens(run: str) -> list[str]:
    tokens = segment(run)
    if len(run) > 1:
        tokens.extend(_pairs(run))
    return tokens


def _unspaced_tokens(run: str) -> list[str]:
    return [run] if len(run) == 1 else list(_pairs(run))


def _letters(word: str) -> tuple[str, ...]:
    """Return the tokens of a word of letters (and their marks) alone."""
    lower = word.casefold()
    if lower.isascii():
        return (_stem()(lower),)
    if "\uac00" <= lower[0] <= "\ud7af":
        return (lower, *_pairs(lower)) if len(lower) > 2 else (lower,)
    if "\u0900" <= lower[0] < "\u1e00":  # Indic vowel signs are marks too, and must stay
        return (lower,)
    folded = fold_marks(lower)
    return (lower,) if folded == lower else (lower, folded)


def _identifier(word: str) -> tuple[str, ...]:
    """Return `word` whole, lower-cased, and then its parts: between connectors, humps (`HTTPServer`), digits."""
    parts = _PARTS.findall(word)
    if not parts:  # a line of underscores
        return ()
    tokens: dict[str, None] = {word.casefold(): None}
    if all(len(part) == 1 and part.isupper() for part in parts):  # U.S. is also US
        tokens["".join(parts).casefold()] = None
    for part in parts:
        humps = _HUMPS.findall(part)
        for piece in (part, *humps) if len(humps) > 1 else (part,):
            tokens.update(dict.fromkeys(_letters(piece) if piece.isalpha() else (piece.casefold(),)))
    return tuple(tokens)


def _word_tokens(word: str) -> tuple[str, ...]:
    """Return the tokens of one word, number or identifier, in Unicode's compatibility form, its case as written."""
    if word.isalpha():
        if word.islower() or word.istitle() or word.isupper() or not word.isascii():
            return _letters(word)
        if _PLURAL.fullmatch(word):  # GPUs
            return (word[:-1].lower(),)
        return tuple(dict.fromkeys(_stem()(piece.lower()) for piece in (word, *_HUMPS.findall(word))))
    if not word.isascii() and all(c.isalpha() or unicodedata.category(c)[0] == "M" for c in word):
        return _letters(word)
    contraction = _CONTRACTION.fullmatch(word)
    if contraction:
        return _letters(contraction[1]) if contraction[2] in "sS" else (_stem()(word.casefold()),)
    hyphened = _HYPHENED.fullmatch(word)
    if hyphened:  # pre-processing is also preprocessing
        return tuple(_stem()(piece.lower()) for piece in (hyphened[1] + hyphened[2], hyphened[1], hyphened[2]))
    whole = word.casefold()
    if _NUMBER.fullmatch(word):
        bare = whole.rstrip("%").replace(",", "")
        return (whole,) if bare == whole else (whole, bare)
    if _VERSION.fullmatch(word):
        return (whole, whole[1:]) if whole[0] == "v" else (whole,)
    return _identifier(word)


class _Words(dict[str, tuple[str, ...]]):
    """The tokens of each word seen, since texts repeat their words; emptied when it has grown large."""

    def __missing__(self, word: str) -> tuple[str, ...]:
        tokens = tuple(token[:MAX_TOKEN] for token in _word_tokens(word))
        if len(self) >= _MAX_WORDS:
            self.clear()
        if len(word) <= MAX_TOKEN:
            self[word] = tokens
        return tokens


_words = _Words()


def analyse(text: str) -> list[str]:
    """Return the lexical tokens of `text`, in the order of the text, repeats included; none holds white space."""
    tokens: list[str] = []
    if text.isascii():
        for word in _ASCII_WORD.findall(text):
            tokens.extend(_words[word])
        return tokens
    text = unicodedata.normalize("NFKC", text).replace("’", "'").replace("\u2010", "-")
    for match in _unicode_word().finditer(text):
        kind = match.lastgroup
        if kind == "word":
            tokens.extend(_words[match.group()])
        elif kind == "han":
            tokens.extend(_han_tokens(match.group()))
        else:
            tokens.extend(_unspaced_tokens(match.group()))
    return tokens


@cache
def stop_words() -> frozenset[str]:
    """Return the tokens of the stop words of `data/text/`, English ones stemmed."""
    folder = files("trivium").joinpath("data/text")
    lines = "\n".join(folder.joinpath(f"stopwords_{name}.txt").read_text("utf-8") for name in ("en", "zh"))
    words = [word for line in lines.splitlines() if not line.startswith("#") for word in line.split()]
    return frozenset(_stem()(word) if word.isascii() else word for word in words)


def analyse_question(question: str) -> list[str]:
    """Return the tokens to search for: those of `analyse` less the stop words, unless nothing else is asked.

    Documents keep their stop words, so that a question made of nothing else ("to be or not to be") is still found.
    Measured on development halves (nDCG@10 of BM25, all tokens -> without stop words): SQuAD 0.830 -> 0.841, XQuAD en
    0.970 -> 0.976, Cranfield 0.403 -> 0.416, HotpotQA 0.807 -> 0.813, XQuAD zh 0.980 -> 0.982, CMRC 0.993 -> 0.996.
    """
    tokens = analyse(question)
    dropped = stop_words()
    return [token for token in tokens if token not in dropped] or tokens
