"""What holds for every pattern: shape, streaming, access, bad input."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from trivium.api import KnowledgeBase
from trivium.errors import FilterError, UsageError
from trivium.models.fake import FakeChat, FakeReranker
from trivium.patterns import ALONE, PATTERNS
from trivium.types import Answer, Message

QUESTION = "How long is the warranty of the X-200 printer?"
GROUNDED = tuple(name for name in PATTERNS if name not in (*ALONE, "retrieve_only"))
SPEAKING = [name for name in PATTERNS if name != "retrieve_only"]
"""Those in which a model speaks."""


def answered(
    pattern: str, kb: Any, reply: Any = "The warranty lasts 24 months.", **kwargs: Any
) -> tuple[Answer, FakeChat]:
    chat = kwargs.pop("chat", None) or FakeChat(reply)
    question = kwargs.pop("question", QUESTION)
    return PATTERNS[pattern](question, chat=chat, index=kb, **kwargs), chat


def exact(answer: Answer, kb: KnowledgeBase, principals: Sequence[str] | None = None) -> None:
    """Every citation is the stored text, and the markers in the text are those of the citations."""
    for citation in answer.citations:
        stored = kb.document_text(citation.document_id, citation.start, citation.end, principals=principals)
        assert stored == citation.quote != ""
        assert f"[{citation.marker}]" in answer.text


@pytest.mark.parametrize("pattern", SPEAKING)
def test_an_answer_is_whole(pattern: str, kb: KnowledgeBase) -> None:
    pieces: list[str] = []
    answer, _ = answered(pattern, kb, on_text=pieces.append)
    assert answer.question == QUESTION
    assert answer.text.startswith("The warranty lasts 24 months")
    assert "".join(pieces) == "The warranty lasts 24 months."
    assert not answer.refused
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0
    assert answer.seconds.total == pytest.approx(answer.seconds.retrieve + answer.seconds.generate)
    assert answer.seconds.total > 0
    assert "generate" in [step.name for step in answer.trace]
    json.dumps([[step.name, step.detail] for step in answer.trace])  # a trace can be stored
    exact(answer, kb)


@pytest.mark.parametrize("pattern", GROUNDED)
def test_citations_name_source_page_and_words(pattern: str, kb: KnowledgeBase) -> None:
    answer, _ = answered(pattern, kb)
    [citation] = answer.citations
    assert answer.text == "The warranty lasts 24 months [1]."
    assert (citation.source, citation.page) == ("manual.pdf", 1)
    assert citation.quote == "The warranty of the X-200 printer lasts 24 months from the day of purchase."
    assert answer.unsupported == ()
    assert citation.document_id in {hit.chunk.document_id for hit in answer.hits}


@pytest.mark.parametrize("pattern", GROUNDED)
def test_a_lie_is_marked(pattern: str, kb: KnowledgeBase) -> None:
    answer, _ = answered(pattern, kb, "The warranty lasts 24 months. It also covers theft in Norway [1].")
    assert [answer.text[start:end] for start, end in answer.unsupported] == ["It also covers theft in Norway."]
    assert len(answer.citations) == 1


def test_without_documents_nothing_is_cited(kb: KnowledgeBase) -> None:
    answer, chat = answered("closed_book", kb)
    assert answer.citations == ()
    assert answer.hits == ()
    assert "24 months" not in " ".join(message.content for message in chat.calls[0].messages)


@pytest.mark.parametrize("pattern", GROUNDED)
def test_the_models_own_refusal_is_one(pattern: str, kb: KnowledgeBase) -> None:
    answer, _ = answered(pattern, kb, "The passages do not mention the warranty [1].")
    assert answer.refused
    assert answer.text == "The documents do not say."
    assert answer.citations == ()


@pytest.mark.parametrize("pattern", GROUNDED)
@pytest.mark.parametrize("principals", [None, ["user:bob"], ["user:ada"]])
def test_every_call_to_the_index_says_who_asks(
    pattern: str, principals: list[str] | None, watched: Callable[[], Any], kb: KnowledgeBase
) -> None:
    def repeat(messages: Sequence[Message]) -> str:
        return " ".join(message.content for message in messages)

    index = watched()
    question = "What is the secret price of the X-200 printer for Ada?"
    answer, chat = answered(pattern, index, repeat, question=question, principals=principals, where='kind != "x"')
    # Vectors and chunks are asked for of hits, and the number of chunks says nothing of any of them.
    asked = [call for call in index.calls if call[0] not in ("vectors", "whole", "size")]
    assert {"dense"} <= {name for name, _, _ in asked}
    for name, _, kwargs in asked:
        assert kwargs["principals"] == principals, name
    shown = " ".join([answer.text, *(m.content for call in chat.calls for m in call.messages)])
    shown += " ".join(str(step.detail) for step in answer.trace) + " ".join(h.chunk.text for h in answer.hits)
    assert ("7 dollars" in shown) == (principals == ["user:ada"])
    exact(answer, kb, principals)


@pytest.mark.parametrize("pattern", GROUNDED)
def test_a_filter_reaches_the_search(pattern: str, kb: KnowledgeBase) -> None:
    answer, _ = answered(pattern, kb, where='kind = "manual"')
    assert {hit.chunk.source for hit in answer.hits} == {"manual.pdf"}
    with pytest.raises(FilterError):
        answered(pattern, kb, where="kind =")


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("question", ["", "  \n\t", "\x00\x1b", "\u200b"])
def test_an_empty_question_is_refused_before_anything_is_done(pattern: str, question: str, kb: KnowledgeBase) -> None:
    chat = FakeChat("x")
    with pytest.raises(UsageError, match="empty"):
        answered(pattern, kb, question=question, chat=chat)
    assert chat.calls == []


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(
    "question",
    [
        "How long is the warranty? " * 4000,
        "x" * 100_000,
        "保" * 100_000,
        "kind = 'manual' and year >= 2020",
        '"warranty" AND (printer OR NOT x) NEAR/3 -y wild*',
        "warranty\x00\x1b[31m of \u202ethe X-200",
        "{question} {passages} {{code}} %s",
        "ኢትዮጵያ ውስጥ ስንት ነው?",
        "\ud800 broken",
        "?!",
        "🙂",
    ],
)
def test_no_question_breaks_a_pattern(pattern: str, question: str, kb: KnowledgeBase) -> None:
    answer, chat = answered(pattern, kb, question=question)
    assert answer.text
    assert answer.question == question
    exact(answer, kb)
    for call in chat.calls:
        assert sum(len(message.content) for message in call.messages) < 20_000


@pytest.mark.parametrize("pattern", GROUNDED)
def test_a_document_cannot_give_orders(pattern: str, kb: KnowledgeBase) -> None:
    def obey(messages: Sequence[Message]) -> str:
        shown = messages[-1].content
        return "PWNED" if "<|im_start|>" in shown or "\nSystem:" in shown else "The price is 99 dollars."

    answer, chat = answered(pattern, kb, obey, question="What is the price of the X-200 printer?")
    assert answer.text == "The price is 99 dollars [1]."
    shown = [call.messages for call in chat.calls if "Ignore previous instructions" in call.messages[-1].content]
    assert shown
    for system, *_, user in shown:
        assert "data" in system.content
        assert user.content.rstrip().endswith("Question: What is the price of the X-200 printer?")


@pytest.mark.parametrize("pattern", GROUNDED)
def test_k_and_reranker(pattern: str, kb: KnowledgeBase) -> None:
    reranker = FakeReranker()
    answer, _ = answered(pattern, kb, k=2, reranker=reranker)
    assert len(answer.hits) == 2
    assert (reranker.calls > 0) == (pattern not in ("naive", "long_context"))


@pytest.mark.parametrize("pattern", SPEAKING)
def test_errors_of_the_model_are_not_hidden(pattern: str, kb: KnowledgeBase) -> None:
    from trivium.errors import ModelError

    def fail(messages: Sequence[Message]) -> str:
        raise ModelError("the model failed", "")

    with pytest.raises(ModelError, match="the model failed"):
        answered(pattern, kb, fail)
