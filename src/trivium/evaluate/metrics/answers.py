"""Metrics of an answer's words against the known answers.

Each takes the answer's text, the alternatives (the best of them counts) and the language as an ISO 639-1 code; ""
has it told from the alternatives. Every metric lies between 0 and 1. Those by n-grams are in `metrics.overlap`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from trivium.evaluate.metrics.normal import Form, form, holds, loose
from trivium.evaluate.metrics.overlap import LONGEST, bleu, chrf, rouge1, rouge2, rouge_l
from trivium.evaluate.metrics.sequences import common_run
from trivium.text.tokens import analyse, stop_words

_SAID_LETTER = re.compile(
    r"^\s*(?:the\s+)?(?:(?:correct|right|best)\s+)?(?:answer|option|choice|答案|选项?)?\s*(?:is|是|为|选)?\s*[:：]?\s*"
    r"[(（\[]?\s*([A-Za-z1-9])\s*(?:[)）\].:：、．,，]|$|\n)",
    re.IGNORECASE,
)
_NAMED_LETTER = re.compile(
    r"(?:\b(?:answer|option|choice)\s*(?:is|:)?|答案\s*(?:是|为|选)?|选项?)\s*[:：]?\s*[(（\[]?\s*"
    r"([A-Za-z1-9])(?![\w'’])",
    re.IGNORECASE,
)


def exact_match(text: str, answers: Sequence[str], language: str = "") -> float:
    """Return 1 if the text equals an answer in the normal form of its language's evaluation, otherwise 0.

    English: SQuAD's form (Rajpurkar et al. 2016, arXiv:1606.05250). Chinese: CMRC's (Cui et al. 2019,
    arXiv:1810.07366). Others: `metrics.normal.plain`.
    """
    whole = form(language, *answers).whole
    said = whole(text)
    return float(any(said == whole(answer) for answer in answers))


def token_f1(text: str, answers: Sequence[str], language: str = "") -> float:
    """Return the F1 of the text's tokens against the best answer's: 2PR / (P + R).

    English and others: tokens shared as a bag (SQuAD, Rajpurkar et al. 2016, arXiv:1606.05250). Chinese: the longest
    common run of characters (CMRC 2018, Cui et al. 2019, arXiv:1810.07366), texts read up to 100,000 characters.
    """
    rules = form(language, *answers)
    if rules.in_order:
        text = text[:LONGEST]
    said = rules.tokens(text)
    return max(
        (_f1(said, rules.tokens(answer[:LONGEST] if rules.in_order else answer), rules) for answer in answers),
        default=0.0,
    )


def contains(text: str, answers: Sequence[str], language: str = "") -> float:
    """Return 1 if an answer stands in the text as whole tokens, otherwise 0; the language plays no part.

    The accuracy of Mallen et al. 2022 (PopQA, arXiv:2212.10511), with borders: `5` does not stand in `1985`.
    """
    have = loose(text)
    return float(any(holds(have, loose(answer)) for answer in answers))


def part_recall(text: str, parts: Sequence[Sequence[str]]) -> float:
    """Return the share of the answer's parts of which one alternative stands in the text (`contains`).

    The string exact match of ASQA (Stelmakh et al. 2022, arXiv:2204.06092).
    """
    have = loose(text)
    held = sum(any(holds(have, loose(answer)) for answer in part) for part in parts)
    return held / len(parts) if parts else 0.0


def r_rate(text: str, false: Sequence[str], true: Iterable[str] = ()) -> float:
    """Return the share of the false words that come again in the text: |false words ∩ text| / |false words|.

    The reappearance rate of RECALL (Liu et al. 2023, arXiv:2311.08147): how much of a planted falsehood a model
    repeats; lower is better. False words are the content words of the alternatives `false` that `true` has not; the
    alternative of which most comes again counts. 0 where there are none.
    """
    said = set(analyse(text))
    known = {token for answer in true for token in analyse(answer)} | stop_words()
    best = 0.0
    for alternative in false:
        words = set(analyse(alternative)) - known
        if words:
            best = max(best, len(words & said) / len(words))
    return best


def choice(text: str, choices: Sequence[str]) -> int | None:
    """Return which of `choices` a text picks, counted from 0; None where it picks none or several.

    A letter or number at its beginning or after "answer" (`B`, `(B)`, `The answer is B.`, `答案：B`) decides; else
    the only choice whose words stand in the text, a longer one before those that it contains.
    """
    for pattern in (_SAID_LETTER, _NAMED_LETTER):
        if found := pattern.search(text):
            number = _number(found[1])
            if number < len(choices):
                return number
    have = loose(text)
    forms = [loose(option) for option in choices]
    held = [number for number, option in enumerate(forms) if holds(have, option)]
    longest = [n for n in held if not any(m != n and holds(forms[m], forms[n]) for m in held)]
    return longest[0] if len(longest) == 1 else None


def right_choices(answers: Iterable[str], choices: Sequence[str]) -> set[int]:
    """Return which of `choices` the known answers mean, counted from 0: by their words, or by letter or number."""
    forms = [loose(option) for option in choices]
    right = set()
    for answer in answers:
        if loose(answer) in forms:
            right.add(forms.index(loose(answer)))
        elif re.fullmatch(r"[(（]?[A-Za-z1-9][)）.]?", answer.strip()):
            number = _number(answer.strip(" ()（）."))
            right |= {number} if number < len(choices) else set()
    return right


def _number(letter: str) -> int:
    return int(letter) - 1 if letter.isdigit() else ord(letter.upper()) - ord("A")


def _f1(said: Sequence[str], known: Sequence[str], rules: Form) -> float:
    if not said or not known:  # SQuAD 2.0: two empty answers agree
        return 0.0 if rules.in_order else float(not said and not known)
    same = common_run(said, known) if rules.in_order else sum((Counter(said) & Counter(known)).values())
    return 2 * same / (len(said) + len(known))


__all__ = [
    "bleu",
    "choice",
    "chrf",
    "contains",
    "exact_match",
    "part_recall",
    "r_rate",
    "right_choices",
    "rouge1",
    "rouge2",
    "rouge_l",
    "token_f1",
]
