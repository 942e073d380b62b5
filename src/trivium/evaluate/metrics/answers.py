"""Metrics of an answer's words against the known answers.

Each takes the answer's text, the alternatives (the best of them counts) and the language as an ISO 639-1 code; ""
has it told from the alternatives. Every metric lies between 0 and 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from trivium.evaluate.metrics.normal import by_characters, holds, loose, squad


def exact_match(text: str, answers: Sequence[str], language: str = "") -> float:
    """Return 1 if the text equals an answer in the normal form of its language's evaluation, otherwise 0.

    SQuAD's form (Rajpurkar et al. 2016, arXiv:1606.05250).
    """
    return float(any(squad(text) == squad(answer) for answer in answers))


def token_f1(text: str, answers: Sequence[str], language: str = "") -> float:
    """Return the F1 of the text's tokens against the best answer's: 2PR / (P + R).

    Tokens are counted as a bag, after SQuAD's normal form (Rajpurkar et al. 2016, arXiv:1606.05250).
    """
    return max((_bag_f1(squad(text).split(), squad(answer).split()) for answer in answers), default=0.0)


def contains(text: str, answers: Sequence[str], language: str = "") -> float:
    """Return 1 if an answer stands in the text at the borders of words, otherwise 0.

    The accuracy of Mallen et al. 2022 (PopQA, arXiv:2212.10511), with borders: `5` does not stand in `1985`.
    """
    have = loose(text)
    return float(any(holds(have, loose(answer)) for answer in answers))


def _bag_f1(tokens: Sequence[str], gold: Sequence[str]) -> float:
    if not tokens or not gold:
        return float(tokens == gold)
    same = sum((Counter(tokens) & Counter(gold)).values())
    return 2 * same / (len(tokens) + len(gold))


__all__ = ["by_characters", "contains", "exact_match", "token_f1"]
