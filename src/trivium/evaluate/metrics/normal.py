"""Normal forms of answers: what two texts must share to count as the same words.

Three are those of the field's evaluations (`squad`, `cmrc`, `plain`), chosen by language in `form`; `loose` finds an
answer inside a longer text.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from trivium.text.language import detect
from trivium.text.normalise import normalise

HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9d"
CJK = HAN + KANA
"""Characters of Chinese and Japanese writing, for a character class."""
UNSPACED = f"{HAN}{KANA}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Letters of scripts without spaces between words (Chinese, Japanese, Thai, Lao, Burmese, Khmer)."""

ARTICLES: dict[str, str] = {
    "en": "a an the",
    "de": "der die das den dem des ein eine einen einem einer eines",
    "fr": "le la les l un une des",
    "es": "el la los las un una unos unas",
    "it": "il lo la i gli le l un uno una",
    "pt": "o a os as um uma uns umas",
    "nl": "de het een",
}
"""The articles that a normal form leaves out, after MLQA's evaluation (Lewis et al. 2019, arXiv:1910.07475)."""

_ENGLISH_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_LEADING_ARTICLE = re.compile(r"(?:a|an|the) (?=.)")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
# The mark comes first in each pattern, and what must stand before it after: so the search jumps from mark to mark.
_THOUSANDS = re.compile(r",(?<=\d,)(?=\d{3}(?!\d))")
_AFTER_INITIAL = re.compile(r"\.(?<=[^\W\d_]\.)(?<!\w\w\.)")
_NOT_DECIMAL = re.compile(r"\.(?:(?!\d)|(?<!\d\.))")
_APART = re.compile(rf"[{UNSPACED}\uac00-\ud7af]")
_LONE = re.compile(rf"[{UNSPACED}]")
_REMEMBERED = 4096
"""Loose forms of texts up to this length are remembered: the same answers and passages come again and again."""

_CMRC_HAN = "\u4e00-\u9fa5"
_CMRC_MARKS = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"
_CMRC_DROPPED = str.maketrans("", "", _CMRC_MARKS)
# Runs of other letters between Chinese ones are cut roughly as NLTK's word tokenizer does, which the script calls.
_CMRC_END = rf"(?:$|[{_CMRC_HAN}])"
_CMRC_TOKEN = re.compile(
    rf"[{_CMRC_HAN}]|\.{{2,}}|(?:[^\s{_CMRC_HAN}.,:;@#$%&?!*\"'()\[\]{{}}<>«»“‘„”’\u2012-\u2015]|[:,](?=\d)"
    rf"|\.(?!\.|[\])}}>\"'»”’ ]*{_CMRC_END})|(?<=\w)'(?!(?:s|m|d|ll|re|ve|t)?(?:\s|{_CMRC_END})))+"
    rf"|'(?:s|m|d|ll|re|ve)(?=\s|{_CMRC_END})|[^\s]"
)


@dataclass(frozen=True, slots=True)
class Form:
    """How the answers of a language are compared.

    Attributes:
        name: "squad", "cmrc" or "plain".
        whole: the form of a text for exact match.
        tokens: its tokens for F1.
        in_order: whether F1 counts the longest common run of tokens (CMRC) and not a bag of them.
    """

    name: str
    whole: Callable[[str], str]
    tokens: Callable[[str], list[str]]
    in_order: bool = False


def form(language: str, *texts: str) -> Form:
    """Return the form of a language: SQuAD's for English, CMRC's for Chinese, `plain` for others.

    Args:
        language: ISO 639-1, a region after it is not looked at (`zh-Hant` is `zh`); "" takes the language that
            `texts` show, English where they show none.
        texts: to tell the language from.
    """
    return _form(primary(language, texts) or "en")


def primary(language: str, texts: Sequence[str] = ()) -> str:
    """Return the ISO 639-1 code of `language` without its region, told from `texts` where it is ""; may be ""."""
    return re.split("[-_]", language.lower(), maxsplit=1)[0] or detect(" ".join(texts))


@cache
def _form(language: str) -> Form:
    if language == "en":
        return Form("squad", squad, lambda text: squad(text).split())
    if language == "zh":
        return Form("cmrc", cmrc, cmrc_tokens, in_order=True)
    articles = frozenset(ARTICLES.get(language, "").split())
    return Form("plain", lambda text: plain(text, articles), lambda text: plain_tokens(text, articles))


def squad(text: str) -> str:
    """Return the normal form of SQuAD's evaluation (Rajpurkar et al. 2016, arXiv:1606.05250).

    Lower case, without ASCII punctuation, without the articles a, an, the; single spaces.
    """
    bare = text.lower().translate(_ASCII_PUNCTUATION)
    return " ".join(_ENGLISH_ARTICLES.sub(" ", bare).split())


def cmrc(text: str) -> str:
    """Return the normal form of CMRC 2018's evaluation (Cui et al. 2019, arXiv:1810.07366).

    Lower case, without the punctuation marks that its script lists; spaces inside stay.
    """
    return text.lower().strip().translate(_CMRC_DROPPED)


def cmrc_tokens(text: str) -> list[str]:
    """Return the tokens of CMRC 2018's mixed segmentation: Chinese by characters, other runs by words."""
    return _CMRC_TOKEN.findall(cmrc(text))


def plain(text: str, articles: frozenset[str] = frozenset()) -> str:
    """Return NFKC, case-folded text without punctuation of any script and without `articles`; single spaces."""
    return " ".join(word for word in _bare(normalise(text)).split() if word not in articles)


def plain_tokens(text: str, articles: frozenset[str] = frozenset()) -> list[str]:
    """Return the words of `plain`, with each letter of a script without spaces by itself."""
    return _LONE.sub(r" \g<0> ", plain(text, articles)).split()


def loose(text: str) -> str:
    """Return a normal form for finding an answer inside a longer text, in any language: tokens, a space between.

    NFKC and case-folded; punctuation goes, except a point between digits; `1,000` becomes `1000`, `U.S.` becomes
    `us`; an English article at the beginning goes. Letters of scripts without spaces, of Korean (whose particles
    cling to the words) and symbols are tokens by themselves. A text of nothing but punctuation keeps it.
    """
    return _loose_short(text) if len(text) <= _REMEMBERED else _loose_long(text)


def holds(text: str, part: str) -> bool:
    """Whether `part` stands in `text`, both in the form of `loose`: as a run of whole tokens.

    `5` does not stand in `15` nor in `5.2`, and `no` not in `know`.
    """
    return bool(part) and f" {part} " in f" {text} "


def _loose(text: str) -> str:
    words = _THOUSANDS.sub("", normalise(text))
    if "." in words:
        words = _NOT_DECIMAL.sub(" ", _AFTER_INITIAL.sub("", words))
    words = " ".join(_bare(words, keep=".", apart=_APART).split())
    return _LEADING_ARTICLE.sub("", words, count=1) if words[:1] in "at" and _LEADING_ARTICLE.match(words) else words


_loose_short = lru_cache(maxsize=8192)(_loose)
_loose_long = lru_cache(maxsize=8)(_loose)  # several metrics in a row read the same long answer


def _bare(text: str, keep: str = "", apart: re.Pattern[str] | None = None) -> str:
    """Return `text` with a space for each punctuation mark and spaces around each symbol; unless nothing is left.

    Args:
        text: in one normal form.
        keep: marks that stay.
        apart: further characters that get spaces around them.
    """
    bare = text.translate(_bare_table(keep, apart))
    return bare if bare.strip() else text


class _Bare(dict[int, str]):
    """What stands for each character, found when it is first met."""

    def __init__(self, keep: str, apart: re.Pattern[str] | None) -> None:
        super().__init__()
        self._keep, self._apart = keep, apart

    def __missing__(self, code: int) -> str:
        character = found = chr(code)
        if self._apart is not None and self._apart.match(character):
            found = f" {character} "
        elif not character.isalnum() and character not in self._keep:
            kind = unicodedata.category(character)[0]
            found = {"P": " ", "Z": " ", "C": " ", "S": f" {character} "}.get(kind, character)
        self[code] = found
        return found


_bare_table = cache(_Bare)
