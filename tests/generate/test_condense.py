from __future__ import annotations

import pytest

from trivium.generate.condense import by_rule, condense, refers, sensible
from trivium.models.fake import FakeChat
from trivium.types import Message

HISTORY = (
    Message("user", "How long is the warranty of the X-200?"),
    Message("assistant", "The warranty of the X-200 lasts 24 months [1]."),
)


def test_a_question_that_stands_by_itself_is_left_alone() -> None:
    chat = FakeChat("nonsense")
    assert condense("How do I clean the print head?", HISTORY, chat).how == "as asked"
    assert condense("And the X-300?", (), chat).how == "as asked"
    assert condense("And the X-300?", (Message("system", "s"),), chat).how == "as asked"
    assert chat.calls == []


@pytest.mark.parametrize(
    "question",
    ["And the X-300?", "Does it cover the battery?", "Why?", "What about Norway?", "那电池呢？", "它包括电池吗？"],
)
def test_a_follow_up_is_recognised(question: str) -> None:
    assert refers(question)


@pytest.mark.parametrize(
    "question", ["How long is the warranty of the X-300?", "X-300 的保修期有多长？", "When was Oslo founded?"]
)
def test_a_whole_question_is_not(question: str) -> None:
    assert not refers(question)


def test_the_model_rewrites() -> None:
    chat = FakeChat('"How long is the warranty of the X-300?"\nHere is why: ...')
    condensed = condense("And the X-300?", HISTORY, chat)
    assert condensed.question == "How long is the warranty of the X-300?"
    assert condensed.how == "model"
    assert condensed.usage.prompt_tokens > 0
    shown = chat.calls[0].messages[-1].content
    assert "warranty of the X-200" in shown
    assert "And the X-300?" in shown


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "The capital of France is Paris and it has many lovely museums.",
        "I am sorry, but as an AI language model I cannot do that.",
        "How long is the warranty?",  # dropped what was asked
        "X-300 " + "warranty " * 200,
    ],
)
def test_nonsense_is_not_taken(nonsense: str) -> None:
    condensed = condense("And the X-300?", HISTORY, FakeChat(nonsense))
    assert condensed.how == "rule"
    assert "X-300" in condensed.question
    assert "warranty" in condensed.question


def test_a_small_model_is_not_asked() -> None:
    chat = FakeChat("x", name="SmolLM2-135M-Instruct")
    condensed = condense("Does it cover the battery?", HISTORY, chat)
    assert condensed.how == "rule"
    assert condensed.question == "How long is the warranty of the X-200? Does it cover the battery?"
    assert chat.calls == []


def test_names_of_the_answer_are_carried_over() -> None:
    history = [Message("user", "Who designed the printer?"), Message("assistant", "It was Maria Lopez of Oslo [1].")]
    joined = by_rule("When was she born?", history)
    assert "Maria Lopez of Oslo" in joined
    short = [Message("user", "谁设计了打印机？"), Message("assistant", "王小明 [1]")]
    assert "王小明" in by_rule("他是哪里人？", short)


def test_sensible() -> None:
    talk = "user: How long is the warranty of the X-200?"
    assert sensible("How long is the warranty of the X-300?", "And the X-300?", talk)
    assert not sensible("Who won the war?", "And the X-300?", talk)
