"""Teachers of a retriever: scores of a question's passages from a model that reads them more closely.

A cross-encoder's scores (Hofstätter et al. 2020, arXiv:2010.02666), or the chat model's own likelihood of the answer
with the passage before it (REPLUG LSR, Shi et al. 2023, arXiv:2301.12652): a passage is good when it helps to say what
is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from trivium.errors import UsageError
from trivium.models.base import Reranker
from trivium.tasks.training.values import Retrieval
from trivium.types import Message, TokenLogprob

Teacher = Callable[[Retrieval], Sequence[float]]
"""Scores a sample's passages, the positives first."""
ASKED = "{passage}\n\nQuestion: {question}\nAnswer in a few words."


@runtime_checkable
class Scorer(Protocol):
    """A chat model that says how likely a text is, such as `TransformersChat`."""

    def score(self, text: str, *, messages: Sequence[Message] = ()) -> tuple[TokenLogprob, ...]:
        """Return the log-probability of each token of `text` as the answer to `messages`."""
        ...


def by_reranker(reranker: Reranker, *, scale: float = 1.0) -> Teacher:
    """Return the teacher that is a reranker; its scores times `scale`, which for one that gives cosines is not 1."""
    return lambda sample: (scale * reranker.rerank(sample.query, [*sample.positives, *sample.negatives])).tolist()


def by_likelihood(chat: Scorer, answers: Mapping[str, Sequence[str]]) -> Teacher:
    """Return the teacher that is a chat model: the mean log-probability of a token of the answer, nats.

    Args:
        chat: scores texts.
        answers: the right answers of each question, by the sample's id; the first one is scored.

    Raises:
        UsageError: (when it is asked) the sample has no answer.
    """

    def teach(sample: Retrieval) -> list[float]:
        known = [answer for answer in answers.get(sample.id, ()) if answer.strip()]
        if not known:
            raise UsageError(
                f"The question {sample.id or sample.query!r} has no answer whose likelihood could teach.",
                "Give a question set with answers, or let a reranker teach.",
            )
        return [_likelihood(chat, sample.query, known[0], text) for text in (*sample.positives, *sample.negatives)]

    return teach


def taught(
    samples: Sequence[Retrieval], teacher: Teacher, *, on_sample: Callable[[int], None] | None = None
) -> list[Retrieval]:
    """Return the samples with the teacher's scores in the place of their own."""
    made = []
    for number, sample in enumerate(samples, 1):
        scores = tuple(float(score) for score in teacher(sample))
        if len(scores) != len(sample.positives) + len(sample.negatives):
            raise UsageError(
                f"The teacher gave {len(scores)} scores for the {len(sample.positives) + len(sample.negatives)} "
                f"passages of {sample.id or sample.query!r}.",
                "A teacher scores every passage, the positives first.",
            )
        cut = len(sample.positives)
        made.append(replace(sample, positive_scores=scores[:cut], negative_scores=scores[cut:]))
        if on_sample is not None:
            on_sample(number)
    return made


def _likelihood(chat: Scorer, question: str, answer: str, passage: str) -> float:
    asked = Message("user", ASKED.format(passage=passage, question=question))
    scored = chat.score(answer, messages=[asked])
    return sum(token.logprob for token in scored) / max(len(scored), 1)
