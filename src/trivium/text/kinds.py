"""The kind of thing a question asks for: a number, a time, a person or place. By the question's words, no model.

The coarse classes of Li and Roth 2002, "Learning question classifiers", as far as a text shows them by its form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of answer.

    Attributes:
        name: for a trace.
        asked: found in a question that asks for it.
        in_sentence: found in a sentence that holds one.
        alone: found in a phrase that is one.
    """

    name: str
    asked: re.Pattern[str]
    in_sentence: re.Pattern[str]
    alone: re.Pattern[str]


_NUMBER = (
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|hundred|"
    r"thousand|million|billion|half|dozens?|once|twice|one|no)\b|"
    r"[一二两三四五六七八九十百千万亿几]+[个名位人年月日天次种座部届层米公千克吨岁小分]"
)
_TIME = (
    r"\b\d{3,4}s?\b|\d{1,2}:\d\d|\b(?:January|February|March|April|May|June|July|August|September|October|November|"
    r"December|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|spring|summer|autumn|winter|century|"
    r"centuries|years?|months?|weeks?|days?|hours?|era|after|before|during|until|when)\b|"
    r"[\d一二三四五六七八九十〇零]+[年月日号点]|世纪|年代|时期|[之以]前|[之以]后|期间"
)
KINDS = (
    Kind(
        "number",
        re.compile(
            r"\bhow (?:many|much|long|old|far|tall|high|big|large|deep|wide|often|fast|hot|cold|heavy)\b|"
            r"\b(?:what|which) (?:percent|number|amount|age|size|distance|temperature|price|cost|population)|"
            r"多少|几[个名位年月天次种]|多[长久大高远深重快]|百分之几",
            re.IGNORECASE,
        ),
        re.compile(_NUMBER),
        re.compile(_NUMBER, re.IGNORECASE),
    ),
    Kind(
        "time",
        re.compile(
            r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|decade|time)\b|什么时候|何时|哪一?[年天日]|"
            r"几[月号点]|什么时间",
            re.IGNORECASE,
        ),
        re.compile(_TIME),
        re.compile(_TIME, re.IGNORECASE),
    ),
    Kind(
        "person or place",
        re.compile(
            r"\b(?:who|whom|whose|where)\b|\b(?:what|which) (?:country|city|state|person|company)\b", re.IGNORECASE
        ),
        re.compile(r"(?<=[a-z,;:)] )[\"“(]?[A-Z][\w'-]*|^[A-Z][\w'-]* [A-Z]"),
        re.compile(r"."),
    ),
)


def kind_asked(question: str) -> Kind | None:
    """Return the kind of thing a question asks for, None where that is open."""
    return next((kind for kind in KINDS if kind.asked.search(question)), None)
