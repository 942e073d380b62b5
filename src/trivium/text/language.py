"""In which writing systems, and in which language, a text is written: by letters and frequent words, no model."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

from trivium.text.normalise import normalise

_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0041, 0x024F, "Latin"),
    (0x0370, 0x03FF, "Greek"),
    (0x0400, 0x052F, "Cyrillic"),
    (0x0530, 0x058F, "Armenian"),
    (0x0590, 0x05FF, "Hebrew"),
    (0x0600, 0x06FF, "Arabic"),
    (0x0750, 0x077F, "Arabic"),
    (0x0900, 0x097F, "Devanagari"),
    (0x0980, 0x09FF, "Bengali"),
    (0x0B80, 0x0BFF, "Tamil"),
    (0x0C00, 0x0C7F, "Telugu"),
    (0x0E00, 0x0E7F, "Thai"),
    (0x0E80, 0x0EFF, "Lao"),
    (0x1000, 0x109F, "Myanmar"),
    (0x10A0, 0x10FF, "Georgian"),
    (0x1100, 0x11FF, "Hangul"),
    (0x1200, 0x137F, "Ethiopic"),
    (0x1780, 0x17FF, "Khmer"),
    (0x1E00, 0x1EFF, "Latin"),
    (0x1F00, 0x1FFF, "Greek"),
    (0x3005, 0x3007, "Han"),
    (0x3040, 0x309F, "Hiragana"),
    (0x30A0, 0x30FF, "Katakana"),
    (0x3130, 0x318F, "Hangul"),
    (0x31F0, 0x31FF, "Katakana"),
    (0x3400, 0x4DBF, "Han"),
    (0x4E00, 0x9FFF, "Han"),
    (0xAC00, 0xD7AF, "Hangul"),
    (0xF900, 0xFAFF, "Han"),
    (0xFB50, 0xFDFF, "Arabic"),
    (0xFE70, 0xFEFC, "Arabic"),
    (0xFF21, 0xFF5A, "Latin"),
    (0xFF66, 0xFF9D, "Katakana"),
    (0x20000, 0x3FFFF, "Han"),
)
_STARTS = [start for start, _, _ in _RANGES]

_BY_SCRIPT = {
    "Greek": "el",
    "Armenian": "hy",
    "Hebrew": "he",
    "Bengali": "bn",
    "Tamil": "ta",
    "Telugu": "te",
    "Devanagari": "hi",
    "Thai": "th",
    "Lao": "lo",
    "Myanmar": "my",
    "Georgian": "ka",
    "Hangul": "ko",
    "Ethiopic": "am",
    "Khmer": "km",
}
NAMES: Mapping[str, str] = {
    "en": "English",
    "zh": "Chinese",
    "ja": "Japanese",
    "ko": "Korean",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "ru": "Russian",
    "uk": "Ukrainian",
    "ar": "Arabic",
    "fa": "Persian",
    "hi": "Hindi",
    "th": "Thai",
    "el": "Greek",
    "he": "Hebrew",
}
"""The English names of the languages that a prompt can name."""

_SAMPLE = 20_000
"""Characters that `detect` reads of a long text: a third each from the start, the middle and the end."""
_WORD = re.compile(r"[^\W\d_]+")
_HAN_PER_WORD = 1.5
"""A Chinese word has about this many characters, which makes scripts with and without spaces comparable."""
_UNSPACED = ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar")


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    point = ord(character)
    at = bisect_right(_STARTS, point) - 1
    if at < 0 or point > _RANGES[at][1] or not character.isalpha():
        return ""
    return _RANGES[at][2]


def scripts(text: str) -> dict[str, int]:
    """Return how many letters of each writing system `text` has, the most frequent first.

    Names are Unicode's (`Latin`, `Han`, `Hiragana`, `Katakana`, `Hangul`, `Cyrillic`, `Arabic`, ...). Digits,
    punctuation and letters of rarer scripts are not counted.
    """
    counts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        script = _script(character)
        if script:
            counts[script] += count
    return dict(counts.most_common())


def detect(text: str) -> str:
    """Return the ISO 639-1 code of the language that most of `text` is written in; "" where that cannot be told.

    Scripts that one language uses decide at once; Latin, Cyrillic and Arabic letters go by frequent words and by
    letters that only one language has. A sentence that quotes a few words of another language keeps its own.
    """
    if len(text) > _SAMPLE:
        third, middle = _SAMPLE // 3, len(text) // 2
        text = f"{text[:third]}\n{text[middle : middle + third]}\n{text[-third:]}"
    counts = scripts(text)
    if not counts:
        return ""
    latin_words = _WORD.findall(normalise(text)) if "Latin" in counts else []
    latin_words = [word for word in latin_words if _script(word[0]) == "Latin"]
    others = {name: n for name, n in counts.items() if name != "Latin"}
    weight = sum(n / _HAN_PER_WORD if name in _UNSPACED else n / 5 for name, n in others.items())
    latin = _latin_language(latin_words)
    # Latin words that make no sentence of their own are terms: `RAG 和 fine-tuning 有什么区别` is Chinese.
    if latin_words and len(latin_words) > weight and (latin or weight < 0.25 * len(latin_words)):
        return latin
    return _other_language(text, others)


def _other_language(text: str, counts: dict[str, int]) -> str:
    """Tell the language of a text whose letters are mostly not Latin; `counts` as from `scripts`."""
    kana = counts.get("Hiragana", 0) + counts.get("Katakana", 0)
    cjk = kana + counts.get("Han", 0)
    top = max(counts, key=lambda name: counts[name], default="")
    if top in ("Han", "Hiragana", "Katakana"):
        return "ja" if kana > 0.05 * cjk else "zh"
    if top == "Cyrillic":
        if re.search("[ії ґє]".replace(" ", ""), text.lower()):
            return "uk"
        return "ru" if re.search("[ыэё]", text.lower()) or not re.search("ъ[^еёюя]", text.lower()) else "bg"
    if top == "Arabic":
        if re.search("[ٹڈڑںے]", text):
            return "ur"
        return "fa" if re.search("[پچژگ]", text) else "ar"
    return _BY_SCRIPT.get(top, "")


@cache
def _function_words() -> dict[str, tuple[str, ...]]:
    """Return for each frequent word the languages that use it."""
    table: dict[str, tuple[str, ...]] = {}
    for line in files("trivium").joinpath("data/text/function_words.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        language, *words = line.split()
        for word in dict.fromkeys(words):
            table[word] = (*table.get(word, ()), language)
    return table


def _latin_language(words: list[str]) -> str:
    """Return the language whose frequent words make up most of `words`, or "" if too few of them do."""
    if not words:
        return ""
    table = _function_words()
    score: dict[str, float] = {}
    for word in words:
        languages = table.get(word, ())
        for language in languages:
            # A word of one language alone is better evidence than one of five.
            score[language] = score.get(language, 0.0) + len(languages) ** -0.5
    if not score:
        return ""
    best = max(score, key=lambda language: score[language])
    points = score[best]
    tied = sum(value == points for value in score.values()) > 1
    return "" if tied or points < 0.08 * len(words) else best
