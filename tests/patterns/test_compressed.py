"""What only `compressed` does: what is shown is shortened, what is cited is not, and the trace tells both."""

from __future__ import annotations

from typing import Any

import pytest

from trivium.api import KnowledgeBase
from trivium.errors import UnknownName
from trivium.models.fake import FakeChat
from trivium.patterns.compressed import compressed
from trivium.types import Answer

QUESTION = "How long is the warranty of the X-200 printer?"


def step(answer: Answer, name: str) -> Any:
    return next(step.detail for step in answer.trace if step.name == name)


def test_a_part_is_shown_and_the_whole_is_cited(kb: KnowledgeBase) -> None:
    chat = FakeChat("The warranty lasts 24 months. Refunds are paid within thirty days.")
    answer = compressed(QUESTION, chat=chat, index=kb, ratio=0.2)
    prompt = chat.calls[0].messages[-1].content
    assert "lasts 24 months" in prompt
    assert "thirty days" not in prompt
    assert [kb.document_text(c.document_id, c.start, c.end) for c in answer.citations] == [
        "The warranty of the X-200 printer lasts 24 months from the day of purchase.",
        "Refunds are paid within thirty days.",
    ]
    told = step(answer, "compress")
    assert told["method"] == told["asked"] == "extractive"
    assert 0 < told["characters"][1] < 0.35 * told["characters"][0]
    shown = [kb.document_text(id.rpartition(":")[0], start, end) for id, start, end in step(answer, "prompt")["shown"]]
    assert "The warranty of the X-200 printer lasts 24 months from the day of purchase." in shown
    assert all(text in prompt for text in shown)


def test_a_summary_is_checked_against_the_documents(kb: KnowledgeBase) -> None:
    replies = iter(["The warranty of the X-200 printer lasts 24 months.", "The warranty lasts 24 months."])
    chat = FakeChat(lambda messages: next(replies))
    answer = compressed(QUESTION, chat=chat, index=kb, method="abstractive", principals=["user:bob"])
    assert "7 dollars" not in chat.calls[0].messages[-1].content
    assert "day of purchase" not in chat.calls[1].messages[-1].content
    assert answer.citations[0].quote.endswith("24 months from the day of purchase.")
    assert answer.usage.prompt_tokens == sum(
        chat.count_tokens(message.content) for call in chat.calls for message in call.messages
    )
    assert "shown" not in step(answer, "prompt")


def test_a_method_that_the_model_cannot_do_is_told(kb: KnowledgeBase) -> None:
    answer = compressed(QUESTION, chat=FakeChat("24 months."), index=kb, method="llmlingua")
    assert (step(answer, "compress")["asked"], step(answer, "compress")["method"]) == ("llmlingua", "extractive")
    assert "transformers:" in step(answer, "compress")["note"]


def test_an_unknown_method_is_an_error(kb: KnowledgeBase) -> None:
    with pytest.raises(UnknownName, match="long_llmlingua"):
        compressed(QUESTION, chat=FakeChat("x"), index=kb, method="zip")
