"""Training samples from a knowledge base without any question: what a passage says of itself stands for its question.

A heading asks for the passage under it; a sentence taken out of a passage asks for the rest (the inverse cloze task,
Lee et al. 2019, arXiv:1906.00300, where the sentence stays in one time of ten, so that words still count).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from trivium.errors import UsageError
from trivium.index import Index
from trivium.index.where import Among
from trivium.tasks.training.values import Retrieval
from trivium.text.content import content_terms
from trivium.text.sentences import sentence_spans

STAYS = 0.1
"""How often the sentence that asks stays in its passage."""
_TERMS = 4  # words with content that a sentence which asks has at least
_LEFT = 100  # characters that a passage without it has at least


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk of the knowledge base."""

    id: str
    source: str
    text: str
    headings: tuple[str, ...]


def passages_of(index: Index) -> list[Passage]:
    """Return every chunk, by id. For the owner of the folder: no access list is asked."""
    rows = index.store.rows(Among("kind", ("chunk",)), ["id", "source", "text", "headings"])
    found = [Passage(r["id"], r["source"], r["text"], tuple(r["headings"] or ())) for r in rows]
    return sorted(found, key=lambda passage: passage.id)


def without_labels(
    passages: Sequence[Passage], *, most: int = 0, seed: int = 0, stays: float = STAYS
) -> list[Retrieval]:
    """Return samples: of each passage one by its heading, where no other has the same, and one by a sentence of it.

    Args:
        passages: of the knowledge base.
        most: samples, drawn by the seed; 0 for all.
        seed: of the draw.
        stays: how often the sentence stays in its passage, 0 to 1.

    Raises:
        UsageError: there is no passage that a sample can be made of.
    """
    draw = random.Random(seed)
    samples = [*_by_heading(passages), *(made for one in passages if (made := _by_sentence(one, draw, stays)))]
    if not samples:
        raise UsageError(
            f"None of {len(passages)} passages has a heading of its own or two sentences.",
            "Add documents of prose, or give questions.",
        )
    draw.shuffle(samples)
    return samples[: most or None]


def _by_heading(passages: Sequence[Passage]) -> list[Retrieval]:
    groups: dict[str, list[Passage]] = {}
    for passage in passages:
        if passage.headings:
            groups.setdefault(" ".join(passage.headings), []).append(passage)
    return [
        Retrieval(name, tuple(one.text for one in of), id=of[0].id + "#heading", group=of[0].source)
        for name, of in groups.items()
        if len({one.source for one in of}) == 1 and len(of) <= 3 and len(content_terms(name)) >= 2
    ]


def _by_sentence(passage: Passage, draw: random.Random, stays: float) -> Retrieval | None:
    spans = [(a, b) for a, b in sentence_spans(passage.text) if len(content_terms(passage.text[a:b])) >= _TERMS]
    fit = [(a, b) for a, b in spans if len(passage.text) - (b - a) >= _LEFT]
    if not fit:
        return None
    start, end = draw.choice(fit)
    rest = f"{passage.text[:start]}{passage.text[end:]}"
    text = passage.text if draw.random() < stays else " ".join(rest.split())
    asked = " ".join(passage.text[start:end].split())
    return Retrieval(asked, (text,), id=passage.id + "#sentence", group=passage.source)


def with_negatives(
    samples: Sequence[Retrieval],
    find: Callable[[str, int], Sequence[tuple[str, str, float]]],
    *,
    negatives: int = 4,
    depth: int = 30,
    skip: int = 3,
    on_sample: Callable[[int], None] | None = None,
) -> list[Retrieval]:
    """Return the samples with negatives from other documents, not from the very first hits, which may well answer.

    Each passage has the search's score: a positive that was made from a passage has that of its document's best hit.

    Args:
        samples: with `group` the source of the positives.
        find: gives the best passages for a question, `(question, how many)`, each as source, text and score.
        negatives: of each sample.
        depth: hits looked at.
        skip: first hits of other documents that are left alone.
        on_sample: told how many samples are done.
    """
    made = []
    for sample in samples:
        found = find(sample.query, depth)
        others = [(text, score) for source, text, score in found if source != sample.group][skip : skip + negatives]
        own = max((score for source, _, score in found if source == sample.group), default=0.0)
        made.append(
            replace(
                sample,
                negatives=tuple(text for text, _ in others),
                positive_scores=(own,) * len(sample.positives),
                negative_scores=tuple(score for _, score in others),
            )
        )
        if on_sample is not None:
            on_sample(len(made))
    return made
