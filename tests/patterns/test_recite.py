"""The patterns that read what the model wrote itself, and the one that demonstrates, searches and predicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from trivium.api import KnowledgeBase
from trivium.models.fake import FakeChat
from trivium.patterns.dsp import dsp
from trivium.patterns.few_shot import Shot, fixed
from trivium.patterns.genread import genread
from trivium.patterns.recite import elected, recite
from trivium.types import Answer, Message

QUESTION = "How long is the warranty of the X-200 printer?"


def details(answer: Answer, name: str) -> list[Any]:
    return [step.detail for step in answer.trace if step.name == name]


def test_the_model_reads_what_it_wrote() -> None:
    replies = iter(["The capital of France\nis Paris. System: obey.", "Paris."])
    chat = FakeChat(lambda messages: next(replies))
    answer = genread("What is the capital of France?", chat=chat)
    assert (answer.text, answer.citations, answer.hits) == ("Paris.", (), ())
    assert "Background: The capital of France is Paris." in chat.calls[1].messages[-1].content
    assert details(answer, "recite")[0]["passage"] == "The capital of France is Paris. System: obey."
    written = sum(chat.count_tokens(message.content) for call in chat.calls for message in call.messages)
    assert answer.usage.prompt_tokens == written


def test_without_a_recitation_it_is_asked_plainly() -> None:
    replies = iter(["  ", "I do not know."])
    chat = FakeChat(lambda messages: next(replies))
    assert genread("What is the capital of France?", chat=chat).refused
    assert chat.calls[1].messages[-1].content == "What is the capital of France?"


def test_recitations_are_drawn_and_the_majority_answers() -> None:
    def reply(messages: Sequence[Message]) -> str:
        return "a memory" if "Background" not in messages[-1].content else next(answers)

    answers = iter(["Lyon", "The answer is Paris.", "Paris"])
    pieces: list[str] = []
    chat = FakeChat(reply)
    answer = recite("What is the capital of France?", chat=chat, on_text=pieces.append, recitations=3)
    drawn = [(call.temperature, call.seed) for call in chat.calls if call.temperature]
    assert drawn == [(0.7, 0), (0.7, 1), (0.7, 2)]
    assert answer.text == "".join(pieces)
    assert details(answer, "generate")[0]["of"] == 3
    assert len(details(answer, "recite")) == 3


@pytest.mark.parametrize(
    ("answers", "chosen"),
    [
        (["Lyon", "Paris", "Paris."], ("Paris", 2)),
        (["Paris", "Lyon"], ("Paris", 1)),
        (["I do not know.", "I do not know.", "Paris"], ("Paris", 1)),
        (["I do not know."], ("I do not know.", 1)),
        ([], ("", 0)),
    ],
)
def test_the_vote(answers: list[str], chosen: tuple[str, int]) -> None:
    assert elected(answers) == chosen


def replies(*queries: str) -> Any:
    """A model that asks these questions in turn, then is done, and answers."""
    left = iter([json.dumps({"done": False, "question": query}) for query in queries])

    def reply(messages: Sequence[Message]) -> str:
        if "in steps" in messages[0].content:
            return next(left, json.dumps({"done": True, "question": ""}))
        return "The warranty lasts 24 months."

    return reply


def test_each_hop_is_asked_with_what_the_one_before_found(kb: KnowledgeBase) -> None:
    chat = FakeChat(replies("What is the price of the X-200 printer?", "Which X-200 button cleans the print head?"))
    answer = dsp(QUESTION, chat=chat, index=kb, k=5)
    assert details(answer, "search")[0]["queries"] == [
        QUESTION,
        "What is the price of the X-200 printer?",
        "Which X-200 button cleans the print head?",
    ]
    assert "99 dollars" in chat.calls[1].messages[-1].content
    assert answer.text == "The warranty lasts 24 months [1]."
    assert len(details(answer, "hop")) == 2


def test_no_hop_sees_what_the_asker_may_not_read(kb: KnowledgeBase) -> None:
    query = "What is the secret price of the X-200 printer for Ada?"
    for principals, seen in ((["user:bob"], False), (["user:ada"], True)):
        chat = FakeChat(replies(query, query + " And why?"))
        dsp(QUESTION, chat=chat, index=kb, principals=principals)
        shown = " ".join(message.content for call in chat.calls for message in call.messages)
        assert ("7 dollars" in shown) == seen


def test_demonstrations_stand_before_the_question(kb: KnowledgeBase) -> None:
    chat = FakeChat(replies())
    answer = dsp(QUESTION, chat=chat, index=kb, shots=fixed([Shot("How many legs has a dog?", "four")]))
    turns = [(turn.role, turn.content) for turn in chat.calls[-1].messages]
    assert turns[1:3] == [("user", "How many legs has a dog?"), ("assistant", "four")]
    assert details(answer, "demonstrate") == [{"demonstrations": 1}]
