"""The patterns without passages: what the model is told, shown and left to say."""

from __future__ import annotations

import pytest

from trivium.api import KnowledgeBase
from trivium.errors import UsageError
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.patterns.chain_of_thought import chain_of_thought, concluded
from trivium.patterns.few_shot import Shot, few_shot, fixed, nearest
from trivium.patterns.instructed import instructed
from trivium.patterns.long_context import long_context
from trivium.patterns.retrieve_only import retrieve_only

SHOTS = [Shot("What colour is the sky?", "blue"), Shot("How many legs has a dog?", "four"), Shot("2 + 2?", "4")]


def test_instructions_stand_before_the_question() -> None:
    chat = FakeChat("Paris")
    answer = instructed("What is the capital of France?", chat=chat, instructions="One word.", max_tokens=7)
    [call] = chat.calls
    assert [(turn.role, turn.content) for turn in call.messages] == [
        ("system", "One word."),
        ("user", "What is the capital of France?"),
    ]
    assert call.max_tokens == 7
    assert (answer.text, answer.refused, answer.hits) == ("Paris", False, ())


def test_a_stated_ignorance_is_a_refusal() -> None:
    assert instructed("Who?", chat=FakeChat("I do not know.")).refused
    assert chain_of_thought("Who?", chat=FakeChat("Let me see.\nAnswer: I do not know")).refused


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("France is in Europe.\nIts capital is Paris.\nAnswer: Paris", "Paris"),
        ("Answer: Lyon\nNo, wait.\nFinal answer: **Paris**\nThat is it.", "Paris"),
        ("先想一想。\n答案：巴黎", "巴黎"),
        ("Its capital is Paris.", "Its capital is Paris."),
        ("One.\n\nTwo.\n", "Two."),
        ("Answer:", "Answer:"),
        ("", ""),
    ],
)
def test_a_chain_of_thought_ends_in_its_answer(said: str, answer: str) -> None:
    assert concluded(said) == answer


def test_the_reasoning_is_kept_in_the_trace() -> None:
    answer = chain_of_thought("What is the capital?", chat=FakeChat("It is in France.\nAnswer: Paris"))
    assert answer.text == "Paris"
    assert answer.trace[-1].detail == {"reasoning": "It is in France.\nAnswer: Paris"}


def test_examples_are_turns_of_the_conversation() -> None:
    chat = FakeChat("red")
    answer = few_shot("What colour is blood?", chat=chat, shots=fixed(SHOTS[:2]))
    [call] = chat.calls
    assert [turn.role for turn in call.messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [turn.content for turn in call.messages[1:]] == [
        "What colour is the sky?", "blue", "How many legs has a dog?", "four", "What colour is blood?",
    ]  # fmt: skip
    assert answer.trace[0].detail == {"shown": 2, "left_out": 0}


def test_the_nearest_example_stands_next_to_the_question() -> None:
    choose = nearest(SHOTS, FakeEmbedder(256), 2)
    assert choose("How many legs has a cat?")[-1] == SHOTS[1]
    assert len(choose("What?")) == 2
    assert len(nearest(SHOTS, FakeEmbedder(256), 9)("What?")) == 3
    with pytest.raises(UsageError, match="no examples"):
        nearest([], FakeEmbedder(256), 2)


def test_examples_that_do_not_fit_are_left_out_the_furthest_first() -> None:
    chat = FakeChat("x", context=110)
    answer = few_shot("What colour is blood?", chat=chat, shots=fixed(SHOTS), instructions="Answer.", max_tokens=20)
    [call] = chat.calls
    shown = answer.trace[0].detail["shown"]
    assert 0 < shown < 3  # type: ignore[operator]
    assert call.messages[-2].content == SHOTS[-1].answer


def test_retrieval_alone_quotes_the_best_sentence(kb: KnowledgeBase) -> None:
    answer = retrieve_only("How long does the warranty of the X-200 printer last?", index=kb)
    assert answer.text == "“The warranty of the X-200 printer lasts 24 months from the day of purchase.” [1]"
    [citation] = answer.citations
    assert kb.document_text(citation.document_id, citation.start, citation.end) == citation.quote
    assert answer.usage.completion_tokens == 0


def test_a_long_context_holds_the_whole_document(kb: KnowledgeBase) -> None:
    chat = FakeChat("The warranty lasts 24 months.")
    long_context("How long is the warranty of the X-200 printer?", chat=chat, index=kb, k=1)
    asked = chat.calls[-1].messages[-1].content
    assert "To clean the print head, open the lid" in asked
    assert asked.count("The warranty of the X-200 printer lasts") == 1
