"""The entities that one sentence names, by its form: English (and languages that write alike) and Chinese, no model.

Names are runs of capitalised words; titles stand in quotation marks; numbers take their unit; plain phrases follow an
article or a preposition. Chinese has no capitals: its names and nouns are those that jieba's dictionary tags so, the
longest run of them first, and a surname with the characters after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from trivium.index.graph.values import Kind
from trivium.text.chinese import segment, tags
from trivium.text.tokens import analyse, stop_words

_QUOTED = re.compile(
    r"《([^《》\n]{1,40})》|「([^「」\n]{2,30})」|“\s?([^“”\n]{2,60}?)\s?”|\"\s?([^\"\n]{2,60}?)\s?\"|«\s?([^«»\n]{2,60}?)\s?»"
)
_LETTER = r"[^\W\d_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
_WORD = re.compile(rf"{_LETTER}(?:{_LETTER}|\d|['’&](?={_LETTER})|-(?=[^\W_])|\.(?={_LETTER}))*|\d+(?:[.,]\d+)*")
_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_NUMBER = re.compile(
    rf"(?<![A-Za-z0-9_-])(?:\d{{1,2}} {_MONTH},? \d{{4}}\b|\b{_MONTH} \d{{1,2}},? \d{{4}}\b|\d+年(?:\d+月)?(?:\d+日)?|"
    rf"(?:[$€£¥] ?)?\d+(?:[.,]\d+)*(?:%|\s?[\u4e00-\u9fff]{{1,2}}|[ -]?[a-zA-Zµ°]{{1,12}}\b)?)"
)
_PARTICLE_WORDS = "of de del della da di du la le von van der den bin ibn al el y e"
_PARTICLES = frozenset(_PARTICLE_WORDS.split())
_ARTICLES = ("the", "la", "los", "der", "den")
_LEADING_WORDS = (
    "the a an its their his her our your this that these those of for in on with by from to at as into under over "
    "per no any each every some all other new old"
)
_LEADS = frozenset(_LEADING_WORDS.split())
_GAP = re.compile(r"[ \t\n]+|[ ]?[-–][ ]?|\.\s?")
_LONGEST_NAME = 8
_LONGEST_PHRASE = 3
_NAME_TAGS = frozenset(("nr", "nrt", "nrfg", "ns", "nt", "nz", "j"))
_NOUN_TAGS = _NAME_TAGS | frozenset(("n", "vn", "an", "l", "nl", "ng", "eng"))
_LONGEST_HAN = 12

Found = tuple[str, Kind]


def entities(sentence: str) -> list[Found]:
    """Return the entities that a sentence names, in order, repeats included, as (name as written, kind)."""
    found: list[Found] = []
    for match in _QUOTED.finditer(sentence):
        title = next(group for group in match.groups() if group)
        if _is_title(title):
            found.append((title.strip(" ,.;:，。"), "title"))
    for match in _NUMBER.finditer(sentence):
        number = _number(match.group())
        if number:
            found.append((number, "number"))
            start, end = match.span()
            sentence = f"{sentence[:start]}{';' * (end - start)}{sentence[end:]}"  # no month is a name of its own
    found.extend(_latin(sentence))
    for match in _HAN.finditer(sentence):
        found.extend(_chinese(match.group()))
    return found


def _is_title(quoted: str) -> bool:
    """Whether quoted words are a title or a term, and no speech: some capitals or Chinese, and no end of a sentence."""
    words = quoted.split()
    if not words or len(words) > _LONGEST_NAME or quoted.rstrip()[-1] in "。！？!?":
        return False
    return words[0][:1].isupper() or words[0][:1].isdigit() or _HAN.match(quoted) is not None


def _number(text: str) -> str:
    """Return a number that says something by itself: with its unit, or a year; else nothing."""
    text = text.strip(" ,.-")
    digits = sum(c.isdigit() for c in text)
    if digits == len(text):
        return text if digits == 4 and text[0] in "12" else ""
    unit = text.lstrip("$€£¥0123456789.,% -")
    if unit.isascii() and unit.isalpha() and _empty(unit):
        number = text[: -len(unit)].strip()
        return number if len(number) == 4 and number.isdigit() and number[0] in "12" else ""
    return text


@lru_cache(maxsize=1 << 16)
def _empty(word: str) -> bool:
    """Whether a word is a function word."""
    return all(token in stop_words() for token in analyse(word))


def _opens_only(word: str) -> bool:
    """Whether a capitalised word is a function word that opens the sentence, and no acronym such as WHO."""
    return _empty(word) and (len(word) == 1 or not word.isupper())


def _latin(sentence: str) -> Iterator[Found]:
    """Yield runs of capitalised words, then, between them, phrases that follow an article or a preposition."""
    words = [(match.group(), match.start(), match.end()) for match in _WORD.finditer(sentence)]
    at = 0
    led = False
    while at < len(words):
        if _capital(words[at][0]):
            end = _name_end(sentence, words, at)
            yield from _name(sentence, words, at, end, opens=at == 0)
            led = (
                (led or words[at][0].lower() in _LEADS) and end < len(words) and words[end][1] == words[end - 1][2] + 1
            )
            at = end
        elif words[at][0] in _LEADS:
            at, led = at + 1, True
        elif led and not _empty(words[at][0]) and not words[at][0][0].isdigit():
            end = _phrase_end(sentence, words, at)
            yield from _phrases([word for word, _, _ in words[at:end]])
            at, led = end, False
        else:
            at, led = at + 1, False


def _capital(word: str) -> bool:
    return word[0].isupper() or (len(word) > 2 and any(c.isupper() for c in word[1:]))


def _identifier(word: str) -> bool:
    """Whether a word is a name by itself: E-1042, X-200, GPT4."""
    return word[0].isalpha() and any(c.isdigit() for c in word)


def _name_end(sentence: str, words: list[tuple[str, int, int]], at: int) -> int:
    """Return the end of the run of capitalised words that begins at a word: particles within it belong to it."""
    end = at + 1
    if _identifier(words[at][0]):
        return end
    while end < len(words) and end - at < _LONGEST_NAME and not _identifier(words[end][0]):
        gap = sentence[words[end - 1][2] : words[end][1]]
        last = words[end - 1][0]
        initial = len(last) <= 2 or "." in last  # J. R. R. Tolkien
        if not _GAP.fullmatch(gap) or ("." in gap and not initial) or last.endswith(("'s", "’s")):
            break
        word = words[end][0]
        if _capital(word) or (word[0].isdigit() and gap.isspace() and len(word) < 4):
            end += 1
        elif word in _PARTICLES and (ahead := _past_particle(sentence, words, end)):
            end = ahead
        else:
            break
    return end


def _past_particle(sentence: str, words: list[tuple[str, int, int]], at: int) -> int:
    """Return the end of the capitalised word that a particle (and an article after it) leads to; 0 for none."""
    ahead = at + 1
    if ahead < len(words) and words[ahead][0] in _ARTICLES:
        ahead += 1
    if ahead >= len(words) or not _capital(words[ahead][0]):
        return 0
    between = sentence[words[at][2] : words[ahead][1]].split()
    return ahead + 1 if not between or between[0] in _ARTICLES else 0


def _name(sentence: str, words: list[tuple[str, int, int]], at: int, end: int, *, opens: bool) -> Iterator[Found]:
    """Yield the name that stands in words `at` to `end`, without the function words that it opens with."""
    while at < end and _opens_only(words[at][0]) and (opens or words[at][0] in ("The", "A", "An", "I")):
        at += 1
    if at == end:
        return
    name = sentence[words[at][1] : words[end - 1][2]]
    if at + 1 == end and len(name) < 2:
        return
    alone = at + 1 == end and opens and name[1:].islower()
    yield name, "phrase" if alone else "name"


def _phrase_end(sentence: str, words: list[tuple[str, int, int]], at: int) -> int:
    end = at + 1
    while end < len(words) and end - at < _LONGEST_PHRASE:
        word = words[end][0]
        gap = sentence[words[end - 1][2] : words[end][1]]
        if gap not in (" ", "-", "\n") or _capital(word) or _empty(word) or word[0].isdigit():
            break
        end += 1
    return end


def _phrases(words: list[str]) -> Iterator[Found]:
    """Yield the run of plain words, and each of its words that may be a noun."""
    words = [word for word in words if not word.endswith("ly")]
    while words and words[-1].endswith(("ed", "ing")):
        words = words[:-1]
    if len(words) > 1:
        yield " ".join(words), "phrase"
    for word in words:
        if len(word) > 2 and not word.endswith("ed"):
            yield word, "phrase"


def _chinese(run: str) -> Iterator[Found]:
    """Yield the longest runs of nouns and names, and the names within them."""
    words = _with_names(segment(run))
    group: list[tuple[str, str]] = []
    for word, tag in [*words, ("", "")]:
        if tag in _NOUN_TAGS and sum(len(w) for w, _ in group) + len(word) <= _LONGEST_HAN:
            group.append((word, tag))
            continue
        yield from _group(group)
        group = [(word, tag)] if tag in _NOUN_TAGS else []


def _group(group: list[tuple[str, str]]) -> Iterator[Found]:
    if not group:
        return
    whole = "".join(word for word, _ in group)
    named = any(tag in _NAME_TAGS for _, tag in group)
    if len(whole) > 1:
        yield whole, "name" if named else "phrase"
    if len(group) > 1:
        for word, tag in group:
            if len(word) > 1:
                yield word, "name" if tag in _NAME_TAGS else "phrase"


def _with_names(words: list[str]) -> list[tuple[str, str]]:
    """Return words with their tags; a surname takes the one or two characters after it, if no word."""
    tag = tags()
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(words):
        word = words[at]
        kind = tag.get(word, "nz" if len(word) > 2 else "x")
        if len(word) == 1 and word in _surnames():
            given = _given(words[at + 1 : at + 3])
            if given:
                found.append((word + "".join(given), "nr"))
                at += 1 + len(given)
                continue
        if len(word) > 1 or kind in ("ns", "n"):
            found.append((word, kind))
        else:
            found.append((word, "x"))
        at += 1
    return found


def _given(after: list[str]) -> list[str]:
    """Return the words after a surname that are the given name: one of two characters, or single ones."""
    tag = tags()
    if after and len(after[0]) == 2 and tag.get(after[0], "nr") in ("nr", "nz", "nrt"):
        return after[:1]
    given = []
    for word in after:
        if len(word) != 1 or tag.get(word, "x") not in ("x", "nr", "ng", "ag", "g", "zg", "n", "a"):
            break
        given.append(word)
    return given


@cache
def _surnames() -> frozenset[str]:
    """Return the commonest Chinese surnames of one character, about nine tenths of all people."""
    return frozenset(
        "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆"
        "汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
    )
