"""Hard negatives: passages that the search puts high and that do not answer, from the lexical and the dense arm.

The hardest passages of a search are often unlabelled positives. Two guards keep them out: a negative may hold no known
answer, and its cosine may be at most a share of the positive's (Moreira et al. 2024, NV-Retriever, arXiv:2407.15831,
there "TopK-PercPos", 95%).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from trivium.errors import UsageError
from trivium.index import Index
from trivium.retrieve.search import can_read, search
from trivium.tasks.training.values import Retrieval
from trivium.text.normalise import normalise
from trivium.types import Example, Hit

MARGIN = 0.95
"""The largest share of the positive's cosine that a negative's may be, where no answer tells them apart."""
_PLAIN = {"yes", "no", "true", "false", "是", "否"}
"""Answers that stand in many passages by chance, as do those of one character: they guard nothing."""


@dataclass(frozen=True, slots=True)
class Mined:
    """What mining gave: samples whose scores are the search's own, and what was left out, by the reason."""

    samples: tuple[Retrieval, ...]
    dropped: dict[str, int] = field(default_factory=dict)
    guarded: int = 0


def mine(
    index: Index,
    examples: Iterable[Example],
    *,
    negatives: int = 4,
    depth: int = 30,
    margin: float | None = None,
    seed: int = 0,
    on_question: Callable[[int], None] | None = None,
) -> Mined:
    """Return each question with the passages that hold its evidence and with hard negatives of both arms.

    Half of the negatives are the highest that the fused search gives, the rest is drawn from what else the two arms
    found, so that both the hardest and what one arm alone is fooled by are seen.

    Args:
        index: the knowledge base that the evidence stands in.
        examples: questions with evidence.
        negatives: how many for each question.
        depth: hits of the fused search that are looked at.
        margin: the share of the positive's cosine that a negative's may be; None takes `MARGIN` for questions without
            an answer in words, and none for the others, whose answers tell.
        seed: of the draw.
        on_question: told how many questions are done.

    Returns:
        Samples with `positive_scores` and `negative_scores` of the fused search (0 to 1), grouped by the
        document of the evidence.

    Raises:
        UsageError: a number is out of its range.
    """
    if negatives < 1 or depth < negatives:
        raise UsageError(f"{negatives} negatives of {depth} hits were asked for.", "Ask for 1 or more, of more hits.")
    draw = random.Random(seed)
    samples: list[Retrieval] = []
    dropped: Counter[str] = Counter()
    guarded = 0
    for number, example in enumerate(examples, 1):
        found = search(index, example.question, k=depth)  # of both arms: each gives the fusion twice as many
        positives = [hit for hit in found if holds_evidence(hit, example)]
        if not example.evidence:
            dropped["no evidence"] += 1
        elif not positives:
            dropped["evidence not found"] += 1
        else:
            others = [hit for hit in found if hit not in positives]
            safe = _safe(index, example, positives, others, margin)
            guarded += len(others) - len(safe)
            if safe:
                samples.append(_sample(example, positives, _drawn(safe, negatives, draw)))
            else:
                dropped["no safe negative"] += 1
        if on_question is not None:
            on_question(number)
    return Mined(tuple(samples), dict(dropped), guarded)


def holds_evidence(hit: Hit, example: Example) -> bool:
    """Whether a hit holds a piece of the example's evidence: half of its words, from the document that it names."""
    for gold in example.evidence:
        if gold.source != hit.chunk.source:
            continue
        wanted, held = _plain(gold.text), _plain(hit.chunk.text)
        if wanted in held or held in wanted:
            return True
        words = Counter(wanted.split())
        if 2 * sum((words & Counter(held.split())).values()) >= sum(words.values()):
            return True
    return False


def tells(answer: str) -> bool:
    """Whether an answer is one that a passage would hold by more than chance."""
    plain = _plain(answer)
    return len(plain) > 1 and plain not in _PLAIN


def _safe(
    index: Index, example: Example, positives: Sequence[Hit], others: Sequence[Hit], margin: float | None
) -> list[Hit]:
    """Return the hits that are no positives in disguise."""
    answers = [_plain(answer) for answer in example.answers if tells(answer)]
    evidence = {gold.source for gold in example.evidence}
    # A further part of a document that holds the evidence may well answer too; without an answer nobody can tell.
    kept = [hit for hit in others if not any(answer in _plain(hit.chunk.text) for answer in answers)]
    if not answers:
        kept = [hit for hit in kept if hit.chunk.source not in evidence]
    share = margin if margin is not None else (None if answers else MARGIN)
    if share is None or not kept or not can_read(index, example.question):
        return kept
    vectors = index.vectors([hit.chunk.id for hit in (*positives, *kept)])
    asked = index.embedder.embed_query(example.question)
    highest = share * max(float(np.dot(vectors[hit.chunk.id], asked)) for hit in positives)
    return [hit for hit in kept if float(np.dot(vectors[hit.chunk.id], asked)) <= highest]


def _drawn(safe: Sequence[Hit], negatives: int, draw: random.Random) -> list[Hit]:
    top = (negatives + 1) // 2
    rest = list(safe[top:])
    draw.shuffle(rest)
    return [*safe[:top], *rest[: negatives - top]]


def _sample(example: Example, positives: Sequence[Hit], negatives: Sequence[Hit]) -> Retrieval:
    return Retrieval(
        example.question,
        tuple(hit.chunk.text for hit in positives),
        tuple(hit.chunk.text for hit in negatives),
        tuple(hit.score for hit in positives),
        tuple(hit.score for hit in negatives),
        id=example.id,
        group=example.evidence[0].source,
    )


def _plain(text: str) -> str:
    return " ".join(normalise(text).casefold().split())
