from __future__ import annotations

import json
import math
import time
from pathlib import Path

import pytest

from trivium.generate.evidence import Evidence
from trivium.generate.language import language_name, refusal_table, refusal_text
from trivium.generate.refuse import features, judge, logistic, says_nothing
from trivium.tasks.questions import read_questions
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
        "I don't know.",
        "I don’t know the answer to that question.",
        "I'm sorry, but I don't know.",
        "I'm sorry. I cannot answer that from the documents.",
        "Sorry, I could not find any information about that.",
        "Unfortunately, I don't have enough information to answer this question.",
        "I do not have access to that information.",
        "As an AI language model, I don't have access to real-time data.",
        "Based on the given passages, I cannot determine the warranty.",
        "Based on the provided context I cannot answer the question.",
        "According to the documents, I am unable to answer.",
        "I am not sure.",
        "I'm not sure about that.",
        "There is not enough information in the passages to answer the question.",
        "There is no information about that in the documents.",
        "There isn't enough information in the context to say.",
        "The question cannot be answered from the passages.",
        "The answer cannot be determined from the given text.",
        "The answer is not in the passages.",
        "It is not possible to determine the answer from the text.",
        "None of the passages mention the price.",
        "Nothing in the documents says when it was built.",
        "The provided context does not contain the answer.",
        "The passages do not mention the warranty.",
        "The warranty is not mentioned in the text.",
        "I can not answer the question because of the insufficient information in documents.",
        "N/A",
        "No answer.",
        "Unanswerable",
        "unanswerable.",
        "No information available.",
        "**I don't know.**",
        '"I don\'t know."',
        "I don't know how long the warranty is.",
        "We do not know.",
        "I have no idea.",
        "I have no information about this.",
        "I'm unable to find the answer in the provided documents.",
        "Thank you for your question. I do not know the answer.",
        "文档中没有说明。",
        "我不知道。",
        "对不起，我不知道这个问题的答案。",
        "很抱歉，我无法回答这个问题。",
        "抱歉，根据提供的资料，我无法确定保修期。",
        "根据文档无法回答该问题。",
        "由于文档信息不足，因此我无法基于提供的文档回答该问题。",
        "资料中没有提到保修期。",
        "无法确定",
        "无法从文中得知。",
        "我不清楚具体的时间。",
        "没有找到相关信息。",
        "作为一个人工智能，我无法提供答案。",
        "该问题无法回答。",
        "未提及",
        "不知道。",
        "从给出的材料中无法判断他的年龄。",
        "上下文信息不足。",
        "目前没有足够的相关信息。",
        "",
        "   ",
    ],
)
def test_a_models_refusal_is_recognised(text: str) -> None:
    assert says_nothing(text)


@pytest.mark.parametrize(
    "text",
    [
        "He said I don't know how to swim.",
        'He said "I don\'t know" and left.',
        '"I Don\'t Know How to Love Him"',
        "I Don't Know How to Love Him",
        "The song is called I Don't Know What You Want.",
        "She replied that she did not know.",
        "Scientists say we do not know why it happens.",
        "The warranty does not cover the battery.",
        "It lasts 24 months.",
        "No, refunds are not given after thirty days.",
        "The text says that it does not work without paper.",
        "The text of the treaty does not mention slavery.",
        "I don't know for sure, but I think it was 1912.",
        "The main reason is that the locals do not know the answer to the riddle.",
        "Nobody knows, since the king could not find an heir.",
        "Socrates: he knew that he did not know.",
        "The information desk is on the first floor.",
        "The author states that we cannot know the future.",
        "Because they could not find work in the city.",
        "The company did not provide the documents in time.",
        "Article 5 does not mention a right of appeal for traders.",
        "Not found objects but made ones.",
        "None",
        "Unknown Pleasures",
        "The Unknown Soldier",
        "The insurer did not answer the letter.",
        "Users who cannot tell red from green.",
        "no",
        "An agnostic is one who says: I do not know whether there is a god.",
        "他说我不知道怎么办。",
        "《我不知道》",
        "这首歌叫《我不知道》。",
        "因为无法找到工作，他离开了。",
        "警方无法找到嫌疑人。",
        "专家无法确定画作的真伪。",
        "保修不包括电池。",
        "他回答说“我不知道”。",
        "无法忍受的高温",
        "我不知道具体时间，但应该是1912年。",
        "不能确定亲子关系时由法院指定监护人",
        "苏格拉底说我只知道我一无所知。",
        "文件没有盖章。",
        "As an AI language model, I do not have live rates. However, as of October 2021, one dollar was 0.86 euros.",
        "I don't have personal experience, but here is a list of common symptoms: fever, cough.",
    ],
)
def test_an_answer_that_holds_such_words_is_no_refusal(text: str) -> None:
    assert not says_nothing(text)


@pytest.mark.parametrize(
    ("file", "most"),
    [("squad/dev-v2.0.json", 0), ("cmrc2018/cmrc2018_dev.json", 0), ("nq/NQ-open.dev.jsonl", 2)],  # "N/A", "*"
)
def test_known_answers_of_real_sets_are_no_refusals(shared_data: Path, file: str, most: int) -> None:
    known = {answer for example in read_questions(shared_data / file).examples for answer in example.answers}
    assert len(known) > 2000
    assert sum(map(says_nothing, known)) <= most


def test_refusals_that_people_wrote_are_recognised(shared_data: Path) -> None:
    rows = json.loads((shared_data / "halu" / "dataset_halluqa.json").read_text("utf-8"))
    said = [row["Best Answer1"] for row in rows]
    refusals = [text for text in said if text.startswith("这个问题无法回答")]
    assert len(refusals) > 10
    assert all(map(says_nothing, refusals))


def test_a_long_text_is_looked_through_in_no_time() -> None:
    began = time.perf_counter()
    for text in ("in according to the 从从从在根据 " * 500, "sorry, " * 5000, "no information " * 3000):
        says_nothing(f"{text} I don't know")
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("language", sorted(refusal_table()["texts"]))
def test_every_refusal_is_recognised_as_one(language: str) -> None:
    assert says_nothing(refusal_table()["texts"][language])


def test_the_language_of_the_question() -> None:
    assert refusal_text("How long is the warranty of this printer?") == "The documents do not say."
    assert refusal_text("保修期是多久？") == "文档中没有说明。"
    assert language_name("保修期是多久？") == "Chinese"
    assert language_name("xyzzy") == "the language of the question"
