"""The patterns that go round: search, read, search again with what was read; grade, correct, widen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.patterns.scripted import scripted, step, steps

from trivium.api import KnowledgeBase
from trivium.generate.choose import choose_one, choose_some
from trivium.generate.think import concludes, first_sentence
from trivium.models.fake import FakeChat
from trivium.patterns import PATTERNS
from trivium.types import Message

QUESTION = "How long is the warranty of the X-200 printer?"


def test_a_choice_is_one_of_the_list() -> None:
    asked = [Message("user", "?")]
    assert choose_one(asked, ("yes", "no"), FakeChat('{"choice": "no"}')).first == "no"
    assert choose_one(asked, ("yes", "no"), FakeChat("maybe")).first == "yes"  # the smallest value of the schema
    chat = FakeChat('{"choice": ["b", "a", "b"]}')
    assert choose_some(asked, ("a", "b", "c"), chat, most=3).chosen == ("b", "a")
    assert choose_some(asked, ("a", "b", "c"), FakeChat('{"choice": ["z"]}'), most=3).chosen == ()

    class Careless(FakeChat):
        def complete(self, messages: Any, **kwargs: Any) -> Any:
            return super().complete(messages, **{**kwargs, "schema": None})

    for said in ("Yes!", '{"choice": {"yes": 1}}', '{"choice": "maybe"}', "[]"):
        assert choose_one(asked, ("yes", "no"), Careless(said)).first == ""


def test_a_thought_is_one_sentence() -> None:
    assert first_sentence("The printer is new [1]. It is blue.") == "The printer is new."
    assert first_sentence(" \n") == ""
    assert concludes("So the answer is: 24 months.")
    assert concludes("因此答案是二十四个月。")
    assert not concludes("The lid must be opened.")


def test_a_round_searches_with_the_answer_before(kb: KnowledgeBase) -> None:
    said = iter(["The X-200 has a blue button for cleaning the print head.", "Press the blue button."])
    chat = FakeChat(lambda messages: next(said))
    question = "Is the X-200 printer with a button for dirty print?"
    answer = PATTERNS["iter_retgen"](question, chat=chat, index=kb)
    assert steps(answer, "draft")[0]["answer"].startswith("The X-200 has a blue button")
    first, second = steps(answer, "search")
    assert first["hits"] != second["hits"]
    assert answer.text.startswith("Press the blue button")
    assert len(chat.calls) == 2
    assert answer.usage.completion_tokens > FakeChat().count_tokens("Press the blue button.")


def test_a_round_that_refuses_is_the_last(kb: KnowledgeBase) -> None:
    answer = PATTERNS["iter_retgen"](QUESTION, chat=FakeChat("I do not know."), index=kb, rounds=4)
    assert len(steps(answer, "draft")) == 1
    assert answer.refused


def test_each_thought_is_searched_for(kb: KnowledgeBase) -> None:
    thoughts = ["The print head is cleaned with the blue button. And more.", "So the answer is: five seconds."]
    chat = scripted({"think": thoughts}, "The warranty lasts 24 months.")
    answer = PATTERNS["ircot"](QUESTION, chat=chat, index=kb, k=1)
    assert [one["thought"] for one in steps(answer, "think")] == [
        "The print head is cleaned with the blue button.", "So the answer is: five seconds.",
    ]  # fmt: skip
    assert len(steps(answer, "search")) == 2
    asked = chat.calls[1].messages[-1].content
    assert "Reasoning so far: The print head is cleaned with the blue button." in asked
    assert len(chat.calls) == 3
    # Cleaning was found by the thought, and joined by rank with what the question finds.
    whole = PATTERNS["ircot"](QUESTION, chat=scripted({"think": list(thoughts)}, "24 months."), index=kb, k=3)
    assert any("Cleaning" in hit.chunk.text for hit in whole.hits)


def test_reasoning_that_stands_still_is_stopped(kb: KnowledgeBase) -> None:
    chat = scripted({"think": "The warranty is long."}, "24 months.")
    assert len(steps(PATTERNS["ircot"](QUESTION, chat=chat, index=kb), "think")) == 2
    assert len(steps(PATTERNS["ircot"](QUESTION, chat=scripted({"think": " "}), index=kb), "think")) == 1


def grading(grades: Sequence[str], rewriting: str = "x") -> FakeChat:
    return scripted(
        {"grade": [json.dumps({"choice": grade}) for grade in grades], "rewrite": {"queries": [rewriting]}},
        "The warranty lasts 24 months.",
    )


def test_passages_graded_incorrect_are_not_read(kb: KnowledgeBase) -> None:
    chat = grading(["correct", "incorrect", "incorrect", "incorrect"])
    answer = PATTERNS["crag"](QUESTION, chat=chat, index=kb)
    told = step(answer, "grade")
    assert (told["action"], told["how"]) == ("correct", "model")
    assert {hit.chunk.id for hit in answer.hits} == {id for id, grade in told["grades"].items() if grade == "correct"}
    assert steps(answer, "widen search") == []


def test_where_nothing_is_right_the_search_is_widened(kb: KnowledgeBase) -> None:
    chat = grading(["incorrect"] * 2, "cleaning of the print head, warranty of the X-200 printer")
    answer = PATTERNS["crag"](QUESTION, chat=chat, index=kb, k=2)
    told = step(answer, "grade")
    assert told["action"] == "incorrect"
    assert step(answer, "widen search")["queries"] == ["cleaning of the print head, warranty of the X-200 printer"]
    assert set(told["grades"]).isdisjoint(hit.chunk.id for hit in answer.hits)


def test_ambiguous_passages_stay_and_others_come(kb: KnowledgeBase) -> None:
    answer = PATTERNS["crag"](QUESTION, chat=grading(["ambiguous"] * 5), index=kb, k=2)
    told = step(answer, "grade")
    assert told["action"] == "ambiguous"
    assert set(told["grades"]) <= {hit.chunk.id for hit in answer.hits}
    assert steps(answer, "widen search")


def test_a_small_model_does_not_grade(kb: KnowledgeBase) -> None:
    chat = FakeChat('{"answer": "24 months"}', name="Tiny-100M")
    answer = PATTERNS["crag"](QUESTION, chat=chat, index=kb)
    told = step(answer, "grade")
    assert told["how"] == "evidence"
    assert told["grades"][answer.hits[0].chunk.id] == "correct"
    assert "incorrect" in told["grades"].values()


@pytest.mark.parametrize("pattern", ["ircot", "crag"])
def test_passages_of_others_are_in_no_prompt(pattern: str, kb: KnowledgeBase) -> None:
    chat = FakeChat(lambda messages: "It is the secret price.")
    PATTERNS[pattern]("What is the secret price of the X-200 printer for Ada?", chat=chat, index=kb)
    assert "7 dollars" not in str([call.messages for call in chat.calls])
