"""Teachers and written questions: what the scores mean, and which questions pass."""

from __future__ import annotations

import math

import pytest

from trivium.errors import UsageError
from trivium.models.fake import FakeChat, FakeReranker
from trivium.tasks.training.values import Retrieval
from trivium.tune.retrieval.promptagator import write_samples
from trivium.tune.retrieval.teacher import by_likelihood, by_reranker, taught
from trivium.tune.retrieval.unlabelled import Passage
from trivium.types import TokenLogprob

SAMPLE = Retrieval("when did it open", ("it did open in 1889",), ("bread is baked", "it is high"), id="1")


class Sayer:
    """Finds the answer likely where the passage before it holds it."""

    def score(self, text, *, messages=()):
        chance = 0.5 if text in messages[-1].content else 0.01
        return tuple(TokenLogprob(part, math.log(chance)) for part in text.split())


def test_the_likelihood_of_the_answer_teaches():
    (sample,) = taught([SAMPLE], by_likelihood(Sayer(), {"1": ["", "in 1889"]}))
    assert sample.positive_scores == pytest.approx((math.log(0.5),))
    assert sample.negative_scores == pytest.approx((math.log(0.01),) * 2)
    with pytest.raises(UsageError, match="no answer"):
        taught([SAMPLE], by_likelihood(Sayer(), {}))


def test_a_reranker_teaches():
    reranker = FakeReranker()
    (sample,) = taught([SAMPLE], by_reranker(reranker))
    scores = reranker.rerank(SAMPLE.query, [*SAMPLE.positives, *SAMPLE.negatives])
    assert (*sample.positive_scores, *sample.negative_scores) == pytest.approx(tuple(scores))
    (larger,) = taught([SAMPLE], by_reranker(reranker, scale=20.0))
    assert larger.negative_scores == pytest.approx(tuple(20 * score for score in sample.negative_scores))
    with pytest.raises(UsageError, match="every passage"):
        taught([SAMPLE], lambda _: [1.0])


def test_questions_pass_the_round_trip():
    passages = [Passage(f"d:{n}", f"d{n}", f"The harbour of town {n} was deepened by hand.", ()) for n in range(6)]

    def reply(messages):
        town = messages[-1].content.split("town ")[1].split()[0]
        if town == "0":
            return "Tell me about it"
        return f'Question: "How was the harbour of town {town} deepened?"\nand more'

    def find(question, k):
        town = question.split("town ")[1].split()[0]
        return ["elsewhere"] if town == "1" else [f"d:{town}"]

    shown = [("The bridge was built in 1900 by the city.", "When was the bridge built?")]
    made = write_samples(FakeChat(reply), passages, shown, find=find, count=10)
    assert {sample.query for sample in made.samples} == {
        f"How was the harbour of town {n} deepened?" for n in range(2, 6)
    }
    assert made.dropped == {"not one question": 1, "passage not found": 1}
    assert made.tried == 6
    assert all(sample.positives[0].startswith("The harbour") for sample in made.samples)
    assert write_samples(FakeChat(reply), passages, shown, find=find, count=2).tried <= 4
    with pytest.raises(UsageError):
        write_samples(FakeChat(reply), passages, [], find=find)
