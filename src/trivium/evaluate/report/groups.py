"""Metrics in the groups that a reader looks for, each with a few words of what it says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Answers": ("correct", "exact_match", "f1", "contains", "part_recall", "r_rate", "cosine", "soft_f1", "perplexity"),
    "Wording": ("bleu", "chrf", "rouge1", "rouge2", "rougeL"),
    "Refusing": ("answered", "refused", "rejected"),
    "Grounding": (
        "faithfulness",
        "groundedness",
        "answer_relevance",
        "context_relevance",
        "context_precision",
        "context_recall",
        "citation_precision",
        "citation_recall",
    ),
    "Form": ("format",),
    "Retrieval": ("hit_rate", "recall", "precision", "ndcg", "mrr", "map", "r_precision", "evidence_coverage"),
}
"""By the metric's name without its cut (`recall@5` is under `recall`)."""
OTHERS = "Others"

MEANING: Mapping[str, str] = {
    "correct": "the answer counts as right",
    "exact_match": "the same words as a known answer",
    "f1": "words in common with a known answer",
    "contains": "a known answer stands in it",
    "part_recall": "parts of the answer that stand in it",
    "r_rate": "words of the known answer that come back",
    "cosine": "nearness of meaning to a known answer",
    "soft_f1": "words matched by meaning",
    "perplexity": "surprise of the model at the answer; lower is better",
    "answered": "answerable questions that were answered",
    "refused": "questions that were refused",
    "rejected": "unanswerable questions that were refused",
    "faithfulness": "claims that the passages support",
    "groundedness": "sentences that the passages support",
    "answer_relevance": "the answer is about the question",
    "context_relevance": "sentences of the passages about the question",
    "context_precision": "useful passages stand first",
    "context_recall": "the known answer is in the passages",
    "citation_precision": "citations that support their sentence",
    "citation_recall": "sentences with a citation that supports them",
    "format": "the form that was asked for",
    "hit_rate": "some evidence among the first k",
    "recall": "share of the evidence among the first k",
    "precision": "share of the first k that is evidence",
    "ndcg": "evidence, the higher the better",
    "mrr": "1 / rank of the first evidence",
    "map": "mean precision at each piece of evidence",
    "r_precision": "precision at the number of pieces",
    "evidence_coverage": "all evidence among the first k",
}


def grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names under their groups, in the groups' order; unknown ones under `OTHERS`."""
    found: dict[str, list[str]] = {group: [] for group in (*GROUPS, OTHERS)}
    place = {base: group for group, bases in GROUPS.items() for base in bases}
    for name in names:
        found[place.get(base_of(name), OTHERS)].append(name)
    for group, bases in GROUPS.items():
        found[group].sort(key=lambda name: (bases.index(base_of(name)), len(name), name))
    return {group: members for group, members in found.items() if members}


def meaning(name: str) -> str:
    """Return a few words on a metric, nothing for one that is not known here."""
    text = MEANING.get(base_of(name), "")
    return f"{text}, by the judge" if text and name.startswith("judge") else text


def base_of(name: str) -> str:
    """Return the metric's name without its cut and without the mark of a judge."""
    return re.sub(r"^judged?[_:.]", "", name.split("@", 1)[0])


def with_cuts(names: Iterable[str]) -> tuple[list[str], dict[str, dict[int, str]]]:
    """Return the names without a cut, and of the others by their base: the cut and the whole name (`recall@5`)."""
    single: list[str] = []
    cut: dict[str, dict[int, str]] = {}
    for name in names:
        base, at, k = name.partition("@")
        if at and k.isdigit():
            cut.setdefault(base, {})[int(k)] = name
        else:
            single.append(name)
    return single, cut
