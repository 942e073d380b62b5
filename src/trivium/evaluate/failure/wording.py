"""What the words of a wrong answer show: too general, too specific, only some of several things, another script.

Rules of form, no model. Each function takes the answer as it was spoken (without citation markers) and gives a short
reason, or "" where its rule does not apply.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from trivium.evaluate.failure.dates import Date, amounts_in, date_in, rounds_to
from trivium.evaluate.metrics.normal import CJK, holds, loose
from trivium.evaluate.relevance import holds_answer
from trivium.text.content import content_terms
from trivium.text.kinds import kind_asked
from trivium.text.language import scripts
from trivium.text.normalise import normalise

_VAGUE = re.compile(
    r"\b(?:many|several|some|a few|few|numerous|various|a lot|lots|plenty|a long time|long ago|recently|a while|"
    r"a number of|quite|very|large|small|huge|often|sometimes|someone|somebody|something|somewhere|people|"
    r"(?:an?|the) (?:long|short|certain|large|small|great) \w+)\b|"
    r"许多|很多|不少|多[个种年]|几[个种年]|若干|一些|某[个些种人地]|长期|很久|近年|不久|大量|少数|多数|有些|较[多少长短]"
)
_FILLER = re.compile(
    r"\b(?:ago|years?|days?|times?|earlier|later|before|in the past|it (?:was|is))\b|[以之]?[前后]|时候|年"
)
"""Words that may stand beside a vague one."""
_INDEFINITE = re.compile(r"^(?:(?:it|he|she|they|this) (?:was|is|were|are) )?(?:an?|one|some|certain) (?P<rest>.+)$")
_INDEFINITE_HAN = re.compile(r"^(?:是)?(?:一[个位名种家座所条件项场部支只]|某[个位名种家]?)(?P<rest>.+)$")
_CATEGORY = re.compile(
    r"(?:\w+ )?(?:person|man|woman|people|group|team|city|town|village|state|country|nation|place|region|continent|"
    r"river|mountain|building|company|organi[sz]ation|school|university|year|date|number|name|thing|book|film|movie|song|"
    r"work|player|actor|actress|singer|writer|author|scientist|politician|king|queen|president|language|animal|plant|"
    r"disease|substance|event|war|battle)s?|"
    r".{0,2}(?:人|人物|城市|国家|地方|地区|省份|公司|组织|机构|学校|大学|年份|日期|数字|作品|书|电影|歌曲|演员|歌手|作家|"
    r"科学家|政治家|国王|总统|语言|动物|植物|疾病|物质|事件|战争|建筑)"
)
_ITEM_BORDER = re.compile(r"\s*(?:[,;，；、/]|\band\b|\bor\b|&|以及|和|与|及|或)\s*")
_JOINED = re.compile(r"\band\b|&|、|;|；|以及|和|与|及")
_LEAST_HAN = 2
_LEAST_LETTERS = 4
_HAN = re.compile(f"[{CJK}]")
_LETTER = re.compile(r"[^\W\d_]")
_PLACES = r"{part},? (?:in|of|near) (?:the )?{whole}"
_KINDS = (
    r"{one}(?: \w+){{0,2}} (?:is|was|are|were|became|remains)(?: (?:an?|the|one of the))?(?: [\w-]+){{0,5}} {many}",
    r"{many}[,]? (?:such as|like|including|especially|namely|called|named)(?: [\w'-]+){{0,6}} {one}",
    r"{one}(?:,)? (?:and|or) other(?: [\w-]+){{0,2}} {many}",
    r"{one}, (?:an?|the)(?: [\w-]+){{0,4}} {many}",
    r"(?:the )?{many}(?: of)? {one}",
    r"{one}(?:是|为|属于|作为).{{0,12}}{many}",
    r"{many}(?:，)?(?:如|例如|包括|叫做?|名叫|名为).{{0,12}}{one}",
    r"{one}等.{{0,6}}{many}",
)


def too_general(said: str, answers: Sequence[str], question: str, texts: Iterable[str] = ()) -> str:
    """Return why an answer says less than was asked for, "" where it does not.

    In this order: a date or number that is a known one less exactly; a part of a known answer's words; the question's
    own words back; an indefinite or vague phrase where a name, number or time was asked for; a kind of which the
    passages say that a known answer is one.

    Args:
        said: the answer.
        answers: the known ones.
        question: what was asked.
        texts: the passages that hold the answer.
    """
    if not said.strip():
        return ""
    given, when = amounts_in(said), _date(said, question)
    for answer in answers:
        if (full := _date(answer, question)) is not None and when is not None and when.coarser(full):
            return f"“{_short(said)}” is “{answer}” less exactly"
        if _one_rounds(given, amounts_in(answer)) and not _dated(when, full):
            return f"“{_short(said)}” is “{answer}” rounded"
    for answer in answers:
        if _part_of(said, answer):
            return f"it is a part of “{answer}”"
    terms = frozenset(content_terms(said))
    asked = frozenset(content_terms(question))
    if terms and terms <= asked and not _is_choice(said, question):
        return "it gives the question's own words back"
    if why := _indefinite(said, answers, question):
        return why
    return next((why for text in texts for answer in answers if (why := _kind_of(said, answer, text))), "")


def too_specific(said: str, answers: Sequence[str], question: str, texts: Iterable[str] = ()) -> str:
    """Return why an answer says more than was asked for, "" where it does not.

    A known answer stands inside it; a date or number that says a known one more exactly; all words of a known answer
    among more; a place of which the passages say that it lies in a known one.
    """
    if not said.strip():
        return ""
    if holds_answer(said, answers):
        return "a known answer stands in it, among more"
    given, when = amounts_in(said), _date(said, question)
    terms = frozenset(content_terms(said))
    for answer in answers:
        if (coarse := _date(answer, question)) is not None and when is not None and coarse.coarser(when):
            return f"“{_short(said)}” is “{answer}” more exactly"
        if _one_rounds(amounts_in(answer), given) and not _dated(when, coarse):
            return f"“{answer}” is it rounded"
        own = frozenset(content_terms(answer))
        if own and own < terms:
            return f"it has the words of “{answer}”, among more"
    plain = loose(said)
    if len(plain) < 80:
        for text in texts:
            for answer in answers:
                form = _PLACES.format(part=re.escape(normalise(said.strip(" .。"))), whole=re.escape(normalise(answer)))
                if re.search(rf"(?<!\w){form}(?!\w)", normalise(text)):
                    return f"the passage says “{_short(said)}, {answer}”"
    return ""


def items_of(answer: str) -> tuple[str, ...]:
    """Return the things that a known answer lists; () where it is one thing.

    Two things joined by "and", "、", "和" or the like are a list, and so are three between commas: `Denver, Colorado`
    is one place.
    """
    if date_in(answer) is not None:
        return ()
    items = tuple(item for item in _ITEM_BORDER.split(answer) if item.strip())
    if len(items) < 2 or (_JOINED.search(answer) is None and len(items) < 3):
        return ()
    long_enough = all(
        len(loose(item)) >= _LEAST_HAN and content_terms(item) for item in items
    )  # "和" stands inside words too: 世界和平
    return items if long_enough else ()


def some_items(said: str, answers: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the items of a known answer that an answer has, and those that it lacks; two empty ones where not both."""
    for answer in answers:
        items = items_of(answer)
        have = tuple(item for item in items if holds_answer(said, [item]))
        lack = tuple(item for item in items if item not in have)
        if have and lack:
            return have, lack
    return (), ()


def other_script(said: str, question: str, answers: Sequence[str]) -> str:
    """Return which script an answer lacks that both the question and every known answer are written in."""
    letters = len(_LETTER.findall(said)) + len(_HAN.findall(said))  # a Chinese character counts two
    if letters < _LEAST_LETTERS:
        return ""
    own = scripts(said)
    for script in ("Han", "Latin", "Cyrillic", "Hangul", "Arabic"):
        if own.get(script, 0) == 0 and all(
            2 * scripts(text).get(script, 0) > max(1, sum(scripts(text).values())) for text in (question, *answers)
        ):
            return script
    return ""


def _date(text: str, question: str) -> Date | None:
    """Return the date of an answer; of "19th", where a century was asked for, that century."""
    ordinal = re.fullmatch(r"\W*(?:the )?(\d{1,2})(?:st|nd|rd|th)\W*", normalise(text))
    if ordinal is not None and "centur" in normalise(question):
        return Date(century=int(ordinal[1]))
    return date_in(text)


def _one_rounds(rough: Sequence[float], exact: Sequence[float]) -> bool:
    return len(rough) == 1 and len(exact) == 1 and rounds_to(exact[0], rough[0])


def _dated(*dates: Date | None) -> bool:
    return any(date is not None for date in dates)


def _part_of(said: str, answer: str) -> bool:
    """Whether an answer is a proper part of a known one: its words, or for Chinese its characters in a row."""
    plain, full = loose(said), loose(answer)
    if plain == full or len(plain) >= len(full):
        return False
    if re.search(f"[{CJK}]", plain):
        return len(plain) >= _LEAST_HAN and plain in full
    own, whole = frozenset(content_terms(said)), frozenset(content_terms(answer))
    return bool(own) and (own < whole or (holds(full, plain) and own <= whole))


def _is_choice(said: str, question: str) -> bool:
    """Whether the question offers the answer among others: `Was it red or blue?`"""
    near = normalise(question)
    word = re.escape(normalise(said.strip(" .。")))
    return re.search(rf"{word}\s*,?\s*(?:or|还是|或)|(?:or|还是|或)\s*(?:the |an? )?{word}", near) is not None


def _indefinite(said: str, answers: Sequence[str], question: str) -> str:
    """A vague word or a kind of thing in the place of a number, time or name; nothing else may stand beside it."""
    plain = normalise(said.strip(' .。"“”'))
    if re.search(r"\d", plain):
        return ""
    asked = frozenset(content_terms(question))
    kind = kind_asked(question)
    numeric = bool(answers) and all(amounts_in(answer) or date_in(answer) for answer in answers)
    if (kind is not None and kind.name in ("number", "time")) or numeric:
        bare = _FILLER.sub(" ", _VAGUE.sub(" ", plain)).strip(" ,.，。")
        rest = content_terms(bare) if bare else ()
        if _VAGUE.search(plain) and asked.issuperset(rest):
            return "it is vague where a number or a time was asked for"
    found = _INDEFINITE.match(plain) or _INDEFINITE_HAN.match(plain)
    if found is None or (answers and not any(re.search(f"[A-Z{CJK}]", answer) for answer in answers)):
        return ""
    named = found["rest"].strip()
    if _CATEGORY.fullmatch(named) or asked.issuperset(content_terms(named)):
        return "it says what kind of thing, not which"
    return ""


def _kind_of(said: str, answer: str, text: str) -> str:
    """The patterns of Hearst 1992, "Automatic acquisition of hyponyms from large text corpora"."""
    kind = re.sub(r"^(?:an?|the|一[个位名种家座]|某[个位]?)\s*", "", normalise(said.strip(' .。"“”')))
    if not kind or len(kind) > 40 or holds(loose(answer), loose(said)):
        return ""
    plain = normalise(text)
    one, many = re.escape(normalise(answer.strip())), re.escape(kind) + r"(?:s|es)?"
    for pattern in _KINDS:
        form = pattern.format(one=one, many=many)
        border = "" if re.search(f"[{CJK}]", kind) else r"(?!\w)"
        if re.search(form + border, plain):
            return f"the passage says that “{answer}” is one of “{kind}”"
    return ""


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 60 else plain[:59] + "…"
