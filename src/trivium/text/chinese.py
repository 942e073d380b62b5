"""Chinese words by the most probable path through jieba's dictionary.

The dictionary is read straight from the installed jieba (MIT), and the path is found as
`jieba.cut(HMM=False)` finds it; a test holds the two together. Why not import jieba: it takes three times as
long to start, keeps a cache of executable form in the shared temporary folder, and logs to standard error.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from math import log
from pathlib import Path

from trivium.errors import MissingExtra


def _file() -> Path:
    spec = find_spec("jieba")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("jieba", "base")
    return Path(spec.submodule_search_locations[0], "dict.txt")


@cache
def _dictionary() -> tuple[dict[str, int], dict[str, int], float]:
    """Return the count of each word, the length of the longest word of more than four characters that
    begins with a character, and the logarithm of all counts together.
    """
    fields = _file().read_text("utf-8").split()
    words = fields[0::3]
    counts = dict(zip(words, map(int, fields[1::3]), strict=True))
    longest: dict[str, int] = {}
    for word in words:
        if len(word) > 4 and longest.get(word[0], 4) < len(word):
            longest[word[0]] = len(word)
    return counts, longest, log(sum(counts.values()))


@cache
def tags() -> dict[str, str]:
    """Return the part of speech of each word of the dictionary, in jieba's letters: `n` noun, `nr` person, `ns` place,
    `nt` organisation, `nz` other name, `v` verb, and so on.
    """
    fields = _file().read_text("utf-8").split()
    return dict(zip(fields[0::3], fields[2::3], strict=True))


def segment(run: str) -> list[str]:
    """Cut `run`, Chinese characters without space or punctuation, into words: the most probable path.

    Longer words win ties. A character outside the dictionary is a word of its own.
    """
    counts, longest, total = _dictionary()
    length = len(run)
    best = [0.0] * (length + 1)
    step = [1] * length
    get = counts.get
    for start in range(length - 1, -1, -1):
        # A character in no word counts as seen once.
        top = log(get(run[start]) or 1) - total + best[start + 1]
        size = 1
        for end in range(start + 2, min(start + longest.get(run[start], 4), length) + 1):
            count = get(run[start:end])
            if count:
                found = log(count) - total + best[end]
                if found >= top:
                    top = found
                    size = end - start
        best[start] = top
        step[start] = size
    words = []
    at = 0
    while at < length:
        words.append(run[at : at + step[at]])
        at += step[at]
    return words
