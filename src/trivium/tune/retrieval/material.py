"""What a retriever learns from, and what decides: questions, samples of a file, the knowledge base itself.

Questions with evidence are divided by document: training, choice of the checkpoint, decision. Samples of a file, of
the knowledge base alone (`unlabelled`) and of questions that the chat model writes (`promptagator`) come beside the
first part, except where they are of a document, or ask a question, of the other two.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from trivium.errors import UsageError
from trivium.evaluate.record import digest
from trivium.index import Index
from trivium.models.base import Chat
from trivium.models.rerank import LATE, open_reranker
from trivium.retrieve.search import search
from trivium.tasks.leak import same
from trivium.tasks.questions import read_questions
from trivium.tasks.split import split
from trivium.tasks.training.read import read_training
from trivium.tasks.training.values import Retrieval
from trivium.tune.retrieval.negatives import mine
from trivium.tune.retrieval.plan import CHAT, TEMPERATURE, Plan
from trivium.tune.retrieval.promptagator import MOST_SHOWN, write_samples
from trivium.tune.retrieval.teacher import Scorer, Teacher, by_likelihood, by_reranker, taught
from trivium.tune.retrieval.unlabelled import passages_of, with_negatives, without_labels
from trivium.types import Example

OnStage = Callable[[str, int, int], None]
"""Told how the preparation goes: `(what, how many are done, how many there are)`; it ends with all of them."""
_MOST_UNLABELLED = 2_000
_MOST_VALIDATION = 200


@dataclass(frozen=True, slots=True)
class Given:
    """What files held: questions, samples, and a fingerprint of both."""

    examples: tuple[Example, ...] = ()
    samples: tuple[Retrieval, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """What is used: samples to learn from and to choose the checkpoint by, questions that decide, what was left out."""

    train: Sequence[Retrieval]
    validation: Sequence[Retrieval]
    test: Sequence[Example]
    left_out: Mapping[str, int] = field(default_factory=dict)


def read_given(files: Iterable[str | os.PathLike[str]]) -> Given:
    """Read question sets, and training samples that bring passages of their own.

    Raises:
        UsageError: a file cannot be read as either.
    """
    examples: list[Example] = []
    samples: list[Retrieval] = []
    for file in files:
        found = _samples_of(file)
        samples += found
        examples += read_questions(file).examples if not found else ()
    rows = hashlib.sha256("\n".join(map(repr, samples)).encode("utf-8", "backslashreplace")).hexdigest()[:16]
    return Given(tuple(examples), tuple(samples), f"{digest(examples)}-{rows}")


def _samples_of(file: str | os.PathLike[str]) -> list[Retrieval]:
    """Return the samples of a file of queries with passages; none of a question set, whose evidence is mined for."""
    with suppress(UsageError):  # the reader of question sets then says what is wrong
        given = read_training(file, kind="retrieval")
        if given.format == "retrieval":
            return [sample for sample in given.samples if isinstance(sample, Retrieval)]
    return []


def gather(
    index: Index, given: Given, plan: Plan, *, chat: Callable[[], Chat] | None = None, on_stage: OnStage | None = None
) -> Material:
    """Return the material of a plan.

    Args:
        index: the knowledge base that the questions' evidence stands in.
        given: what files held.
        plan: how.
        chat: gives the chat model that writes questions or teaches.
        on_stage: told how it goes.

    Raises:
        UsageError: there is nothing to learn from, the plan cannot be carried out with what is given, or the teacher
            cannot teach.
        ModelError: the chat model or the reranker failed.
    """
    tell = on_stage or (lambda what, done, total: None)
    teacher = _teacher(given, plan, chat)
    left: Counter[str] = Counter()
    train, validation, test = divided(index, given.examples, plan, left)
    mined = {}
    for name, of in (("train", train), ("validation", validation)):
        found = mine(
            index, of, negatives=plan.negatives, seed=plan.seed, on_question=_counting(tell, "Mining negatives", of)
        )
        left.update(found.dropped)
        mined[name] = list(found.samples)
    more = [*given.samples, *_unlabelled(index, plan, tell), *_written(index, plan, train, chat, left, tell)]
    mined["train"] += _unseen(more, [*validation, *test], left)
    if not mined["train"]:
        why = ", ".join(f"{reason}: {count}" for reason, count in left.items())
        raise UsageError(
            f"There is nothing to learn from{f' ({why})' if why else ''}.",
            "Give questions with evidence in this knowledge base, or learn without labels (--unlabelled).",
        )
    if not mined["validation"]:
        draw = list(mined["train"])
        random.Random(plan.seed).shuffle(draw)
        cut = max(1, len(draw) // 20)
        mined = {"train": draw[cut:] or draw, "validation": draw[:cut]}
    mined["validation"] = [sample for sample in mined["validation"] if sample.positives][:_MOST_VALIDATION]
    if teacher is not None:
        mined = {
            name: taught(of, teacher, on_sample=_counting(tell, "Asking the teacher", of)) for name, of in mined.items()
        }
    return Material(mined["train"], mined["validation"], test, dict(left))


def divided(
    index: Index, examples: Sequence[Example], plan: Plan, left: Counter[str]
) -> tuple[list[Example], list[Example], list[Example]]:
    """Return the questions that this knowledge base can answer in three parts by document.

    Args:
        index: the knowledge base.
        examples: all questions.
        plan: its shares and its seed.
        left: counts those that are left out, by the reason.

    Raises:
        UsageError: there are questions, and none has evidence there.
    """
    stored = {record.source for record in index.records()}
    fit = []
    for example in examples:
        if example.unanswerable or not example.evidence:
            left["no evidence"] += 1
        elif not any(gold.source in stored for gold in example.evidence):
            left["document not in the knowledge base"] += 1
        else:
            fit.append(example)
    if examples and not fit:
        raise UsageError(
            f"None of the {len(examples)} questions has its evidence in {index.root}.",
            "Give questions on its documents (`trivium questions` writes some), or another knowledge base (--kb).",
        )
    if not fit:
        return [], [], []
    names = ("train", "validation", "test")
    parts = split(fit, dict(zip(names, plan.shares, strict=True)), seed=plan.seed).parts
    return list(parts["train"]), list(parts["validation"]), list(parts["test"])


def _unseen(samples: Sequence[Retrieval], held: Sequence[Example], left: Counter[str]) -> list[Retrieval]:
    """Return the samples that neither ask a held-out question nor are of its document."""
    sources = {gold.source for example in held for gold in example.evidence}
    asked = {same(example.question) for example in held}
    kept = [one for one in samples if one.group not in sources and same(one.query) not in asked]
    if len(kept) < len(samples):
        left["of documents or questions that are held out"] += len(samples) - len(kept)
    return kept


def _unlabelled(index: Index, plan: Plan, tell: OnStage) -> list[Retrieval]:
    if not plan.unlabelled:
        return []
    made = without_labels(passages_of(index), most=_MOST_UNLABELLED, seed=plan.seed)
    return with_negatives(
        made, partial(_find, index), negatives=plan.negatives, on_sample=_counting(tell, "Mining negatives", made)
    )


def _written(
    index: Index,
    plan: Plan,
    train: Sequence[Example],
    chat: Callable[[], Chat] | None,
    left: Counter[str],
    tell: OnStage,
) -> list[Retrieval]:
    if not plan.written:
        return []
    shown = [(example.evidence[0].text, example.question) for example in train][:MOST_SHOWN]
    if not shown or chat is None:
        raise UsageError(
            "The chat model needs to see what a question is like.",
            "Give a file of questions with evidence: up to eight of them are shown to it.",
        )
    made = write_samples(
        chat(),
        passages_of(index),
        shown,
        find=lambda question, k: [hit.chunk.id for hit in search(index, question, k=k)],
        count=plan.written,
        seed=plan.seed,
        on_passage=lambda kept, tried: tell("Writing questions", kept, plan.written),
    )
    tell("Writing questions", plan.written, plan.written)
    left.update({f"written, but {reason}": count for reason, count in made.dropped.items()})
    return with_negatives(made.samples, partial(_find, index), negatives=plan.negatives)


def _find(index: Index, question: str, k: int) -> list[tuple[str, str, float]]:
    return [(hit.chunk.source, hit.chunk.text, hit.score) for hit in search(index, question, k=k)]


def _teacher(given: Given, plan: Plan, chat: Callable[[], Chat] | None) -> Teacher | None:
    if not plan.teacher:
        return None
    if plan.teacher != CHAT:
        reranker = open_reranker(plan.teacher)
        assert reranker is not None  # it is where a name is given
        cosines = plan.teacher.split(":")[0] == LATE  # a cross-encoder's scores are log-odds, as they should be
        return by_reranker(reranker, scale=1 / TEMPERATURE if cosines else 1.0)
    if given.samples or plan.unlabelled or plan.written:
        raise UsageError(
            "The likelihood of the answer teaches only where the answer is known.",
            "Let the chat model teach on a question set alone, or let a reranker teach (--teacher late).",
        )
    model = chat() if chat is not None else None
    if not isinstance(model, Scorer):
        raise UsageError(
            f"{model.name if model else 'No chat model'} does not say how likely an answer is.",
            "Give one that Transformers runs, such as --chat transformers: for the embedded one.",
        )
    return by_likelihood(model, {example.id: example.answers for example in given.examples})


def _counting(tell: OnStage, what: str, of: Sequence[object]) -> Callable[[int], None]:
    return lambda done: tell(what, done, len(of))
