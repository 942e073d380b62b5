from __future__ import annotations

import math

import pytest

from trivium.generate.evidence import Evidence
from trivium.generate.language import language_name, refusal_table, refusal_text
from trivium.generate.refuse import features, judge, logistic, says_nothing
from trivium.types import Chunk, Hit

TEXT = "The warranty of the printer lasts 24 months."


def hit(text: str = TEXT, found_by: tuple[str, ...] = ("dense", "lexical"), **scores: float) -> Hit:
    return Hit(Chunk("c", "d", "manual.md", text, 0, len(text)), 1.0, found_by, scores)


def test_features_by_hand() -> None:
    evidence = Evidence([hit(dense=0.7), hit("Delivery takes days.", ("lexical",), lexical=6.0)])
    best = hit(words=0.5, meaning=0.6, kind=1.0)
    found = features("How long is the warranty of the piano?", evidence, best, 100)
    weights = evidence.weights(("long", "warranti", "piano"))
    assert found == pytest.approx(
        {
            "cosine": 0.7,
            "sentence": 0.6,
            "words": 0.5,
            "passage": weights["warranti"] / sum(weights.values()),
            "bm25": 6.0 / 3 / math.log(102),  # long, warranti, piano
        }
    )


def test_logistic() -> None:
    assert logistic({"a": 2.0, "b": 1.0}, {"bias": 1.0, "a": -0.5}) == pytest.approx(0.5)
    assert logistic({"a": 1.0}, {"bias": -1e9, "a": 0.0}) == pytest.approx(0.0)
    assert logistic({"a": 1.0}, {"bias": math.log(3), "a": 0.0}) == pytest.approx(0.75)


def test_nothing_found_is_never_enough() -> None:
    verdict = judge("How long is the warranty?", Evidence([]), None, 10)
    assert verdict.probability == 0.0
    assert not verdict.enough


def test_strong_evidence_is_enough_and_weak_is_not() -> None:
    strong = judge(
        "How long is the warranty of the printer?",
        Evidence([hit(dense=0.75)]),
        hit(words=1.0, meaning=0.75, kind=1.0),
        10,
    )
    weak = judge(
        "Who won the world cup in 1998?",
        Evidence([hit(found_by=("dense",), dense=0.1)]),
        hit(words=0.0, meaning=0.1, kind=0.0),
        10,
    )
    assert strong.enough
    assert not weak.enough
    assert strong.probability > weak.probability + 0.3


def test_both_regressions_ship_and_are_whole() -> None:
    for arms in ("both", "words"):
        model = refusal_table()["weights"][arms]
        assert 0.0 < model["threshold"] < 1.0
        assert "bias" in model


@pytest.mark.parametrize(
    "text",
    [
        "The documents do not say.",
        "The passages do not mention the warranty.",
        "I don't know.",
        "I cannot find the answer in the passages.",
        "There is no information about that in the documents.",
        "The warranty is not mentioned in the text.",
        "文档中没有说明。",
        "资料中没有提到保修期。",
        "我无法回答这个问题。",
        "",
        "   ",
    ],
)
def test_a_models_refusal_is_recognised(text: str) -> None:
    assert says_nothing(text)


@pytest.mark.parametrize(
    "text",
    [
        "The warranty does not cover the battery.",
        "It lasts 24 months.",
        "No, refunds are not given after thirty days.",
        "保修不包括电池。",
        "The text says that it does not work without paper.",
    ],
)
def test_an_answer_with_a_denial_is_no_refusal(text: str) -> None:
    assert not says_nothing(text)


@pytest.mark.parametrize("language", sorted(refusal_table()["texts"]))
def test_every_refusal_is_recognised_as_one(language: str) -> None:
    assert says_nothing(refusal_table()["texts"][language])


def test_the_language_of_the_question() -> None:
    assert refusal_text("How long is the warranty of this printer?") == "The documents do not say."
    assert refusal_text("保修期是多久？") == "文档中没有说明。"
    assert language_name("保修期是多久？") == "Chinese"
    assert language_name("xyzzy") == "the language of the question"
