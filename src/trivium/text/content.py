"""The words of a text that say what it is about: its lexical tokens without function words and question words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache, lru_cache
from importlib.resources import files

from trivium.text.chinese import segment
from trivium.text.normalise import normalise
from trivium.text.tokens import analyse

_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")


@cache
def _empty() -> frozenset[str]:
    """Return the tokens of the words that carry no content."""
    lines = files("trivium").joinpath("data/text/empty_words.txt").read_text("utf-8").splitlines()
    words = [word for line in lines if not line.startswith("#") for word in line.split()[1:]]
    return frozenset(token for word in words if word.isascii() for token in analyse(word)) | frozenset(
        word for word in words if not word.isascii()
    )


def is_empty(word: str) -> bool:
    """Whether a word says nothing of what a text is about: "of", "which", 的."""
    terms = [word] if _HAN.search(word) else analyse(word)
    return all(term in _empty() for term in terms)


@lru_cache(maxsize=4096)
def content_terms(text: str) -> tuple[str, ...]:
    """Return the distinct terms of `text` that carry content: lexical tokens, and Chinese words.

    The pairs of neighbouring characters, which lexical search adds to Chinese words, are left out: most of them
    cross the border of two words and mean nothing. A text of function words only keeps them all: `To be or not to
    be` is about its words.
    """
    text = normalise(text) if _HAN.search(text) else text
    terms = dict.fromkeys(word for run in _HAN.findall(text) for word in segment(run))
    terms |= dict.fromkeys(analyse(_HAN.sub(" ", text)))
    content = tuple(term for term in terms if term not in _empty())
    return content or tuple(terms)


@cache
def talk_terms() -> frozenset[str]:
    """Return the terms of the talk about an answer ("the passage says"), which no passage needs to hold."""
    # Chinese is written out: cutting it loads a dictionary, which an English question must not wait for.
    english = content_terms("answer passage document text question context information")
    return frozenset(english) | {"答案", "文档", "段落", "问题", "资料"}


class Words:
    """What a text holds, to be asked for content terms."""

    __slots__ = ("_han", "tokens")

    def __init__(self, *texts: str) -> None:
        joined = "\n".join(texts)
        # Chinese is looked up as it stands: no dictionary is needed to ask an English question of Chinese passages.
        self._han = normalise(joined) if _HAN.search(joined) else ""
        self.tokens = frozenset(analyse(_HAN.sub(" ", joined)))

    @property
    def chinese(self) -> str:
        """The whole text, normalised, where it has Chinese, whose words are looked up as they stand; else empty."""
        return self._han

    def __contains__(self, term: str) -> bool:
        """Whether the text has a content term: among its tokens, or, for a Chinese word, anywhere in it.

        The words of Chinese are cut differently in different sentences.
        """
        return term in self.tokens or (self._han != "" and _HAN.match(term) is not None and term in self._han)


def share(weights: Mapping[str, float], *held: Words | AbstractSet[str]) -> float:
    """Return the weighted share, 0 to 1, of the terms that at least one of `held` has; 1 where there are no terms."""
    total = sum(weights.values())
    if not total:
        return 1.0
    tokens = [one.tokens if isinstance(one, Words) else one for one in held]
    chinese = [one.chinese for one in held if isinstance(one, Words) and one.chinese]
    found = 0.0
    for term, weight in weights.items():  # a plain loop: this is asked some hundred times for each answer scored
        for one in tokens:
            if term in one:
                found += weight
                break
        else:
            if chinese and _HAN.match(term) and any(term in text for text in chinese):
                found += weight
    return found / total
