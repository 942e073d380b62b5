"""Which retrieved passages hold which gold evidence, and whether a text holds an answer. By words, no model.

Both the retrieval metrics and the failure points rest on these rules:

- A hit can hold a piece of evidence only if their sources agree (`same_source`), or the evidence names none.
- Evidence without text stands for its whole document: every hit of that document holds it.
- Otherwise, both in the normal form of `metrics.normal.loose`: one text contains the other, or at least half of the
  tokens of one stand in runs of three that the other has too. Runs, and not single tokens, since half of the words
  of a short sentence ("it was in the") stand in almost any passage.
- A hit of fewer than five tokens inside a longer piece of evidence (a heading, a number) does not hold it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

from trivium.evaluate.metrics.normal import holds, loose
from trivium.types import Gold, Hit

SHARE = 0.5
"""The least share of one text's tokens that must stand in runs of the other."""
_RUN = 3
_LEAST_TOKENS = 5
_SUFFIX = re.compile(r"\.\w{1,5}$")


def relevant(hits: Sequence[Hit], evidence: Sequence[Gold]) -> list[frozenset[int]]:
    """Return for each hit the places in `evidence` of the pieces that it holds, by the module's rules.

    Args:
        hits: in any order.
        evidence: the gold evidence of a question.

    Returns:
        As many sets as hits, in their order; an empty set is a hit that is not relevant.
    """
    return [
        frozenset(
            place for place, gold in enumerate(evidence) if holds_evidence(hit.chunk.text, hit.chunk.source, gold)
        )
        for hit in hits
    ]


def holds_evidence(text: str, source: str, gold: Gold) -> bool:
    """Whether the passage `text` of the document `source` holds the gold evidence."""
    if gold.source and not same_source(source, gold.source):
        return False
    if not gold.text.strip():
        return bool(gold.source)
    return overlaps(text, gold.text)


def overlaps(passage: str, evidence: str) -> bool:
    """Whether a passage and a piece of evidence are, in good part, the same words (the module's rules)."""
    have, want = loose(passage), loose(evidence)
    if holds(have, want):
        return True
    passage_tokens, evidence_tokens = _tokens(have), _tokens(want)
    if len(passage_tokens) < _LEAST_TOKENS:
        return False
    return (
        holds(want, have)
        or _covered(evidence_tokens, passage_tokens) >= SHARE
        or _covered(passage_tokens, evidence_tokens) >= SHARE
    )


def same_source(source: str, gold: str) -> bool:
    """Whether two names mean one document: equal, or one is the end of the other's path, or its file name.

    `reports/2022/adobe.pdf` is meant by `2022/adobe.pdf`, by `adobe.pdf` and by `adobe`. Names without a file's
    suffix (titles, such as `AC/DC`) must be equal.
    """
    if source == gold:
        return True
    longer, shorter = sorted((source.replace("\\", "/"), gold.replace("\\", "/")), key=len, reverse=True)
    if not _SUFFIX.search(longer):
        return False
    return longer.endswith(f"/{shorter}") or PurePosixPath(longer).stem == shorter


def holds_answer(text: str, answers: Iterable[str]) -> bool:
    """Whether a text holds one of the answers, word by word, in the normal form of `metrics.normal.loose`."""
    have = loose(text)
    return any(holds(have, loose(answer)) for answer in answers)


def _covered(tokens: tuple[str, ...], others: tuple[str, ...]) -> float:
    """Return the share of `tokens` that stand in a run of three which `others` has too, 0 to 1."""
    if len(tokens) < _RUN:
        return 0.0
    known = _runs(others)
    inside = bytearray(len(tokens))
    for at in range(len(tokens) - _RUN + 1):
        if tokens[at : at + _RUN] in known:
            inside[at : at + _RUN] = b"\1" * _RUN
    return sum(inside) / len(tokens)


@lru_cache(maxsize=512)
def _tokens(text: str) -> tuple[str, ...]:
    return tuple(text.split())


@lru_cache(maxsize=512)
def _runs(tokens: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    return frozenset(tokens[at : at + _RUN] for at in range(len(tokens) - _RUN + 1))
