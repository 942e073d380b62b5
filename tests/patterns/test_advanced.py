"""What only `advanced` does: refusing, condensing, widening, dropping repeats, extraction by small models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import trivium
from trivium.api import KnowledgeBase
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.patterns import PATTERNS
from trivium.patterns.advanced import advanced
from trivium.types import Answer, Document, Message

QUESTION = "How long is the warranty of the X-200 printer?"
HISTORY = (Message("user", QUESTION), Message("assistant", "The warranty lasts 24 months [1]."))


def step(answer: Answer, name: str) -> Any:
    return next(step.detail for step in answer.trace if step.name == name)


def small(answer: str) -> FakeChat:
    return FakeChat(json.dumps({"answer": answer}), name="Tiny-100M")


def test_weak_evidence_is_refused_before_the_model_is_asked(kb: KnowledgeBase) -> None:
    chat, pieces = FakeChat("Brazil won."), []
    answer = advanced("Who won the football world cup in 1998?", chat=chat, index=kb, on_text=pieces.append)
    assert answer.refused
    assert answer.text == "".join(pieces) == "The documents do not say."
    assert answer.citations == ()
    assert chat.calls == []
    assert step(answer, "judge")["probability"] < step(answer, "judge")["needed"]


def test_a_refusal_speaks_the_language_of_the_question(kb: KnowledgeBase) -> None:
    answer = advanced("一九九八年世界杯足球赛是谁赢了？", chat=FakeChat("x"), index=kb)
    assert answer.refused
    assert answer.text == "文档中没有说明。"


def test_an_empty_knowledge_base_refuses(tmp_path: Path) -> None:
    empty = trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    for pattern in ("naive", "advanced"):
        assert PATTERNS[pattern](QUESTION, chat=FakeChat("x"), index=empty).refused


def test_an_asker_who_may_read_nothing_is_refused(tmp_path: Path) -> None:
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    kb.add([Document("a.md", "The warranty lasts 24 months.")], ["user:ada"])
    answer = advanced(
        "How long does the warranty last?", chat=FakeChat("24 months."), index=kb, principals=["user:bob"]
    )
    assert answer.refused
    assert answer.hits == ()


def test_a_follow_up_is_searched_with_its_history(kb: KnowledgeBase) -> None:
    def reply(messages: Sequence[Message]) -> str:
        if "rewritten" in messages[-1].content:
            return "Does the warranty of the X-200 printer cover the battery?"
        return "It does not cover the battery."

    chat = FakeChat(reply)
    answer = advanced("Does it cover the battery?", chat=chat, index=kb, history=HISTORY)
    assert answer.question == "Does it cover the battery?"
    assert step(answer, "question")["how"] == "model"
    assert answer.text == "It does not cover the battery [1]."
    roles = [message.role for message in chat.calls[-1].messages]
    assert roles == ["system", "user", "assistant", "user"]
    assert answer.usage.prompt_tokens > sum(FakeChat().count_tokens(m.content) for m in chat.calls[-1].messages)


def test_parents_are_shown_and_cited(tmp_path: Path) -> None:
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(256))
    filler = " ".join(f"Sentence {n} speaks of paper trays and cables and lamps number {n}." for n in range(12))
    text = f"{filler} The warranty of the printer lasts 24 months. {filler}"
    kb.add([Document("long.md", text)], chunker="small_to_big")
    chat = FakeChat("The warranty of the printer lasts 24 months.")
    answer = advanced("How long does the warranty of the printer last?", chat=chat, index=kb, k=3)
    [citation] = answer.citations
    assert text[citation.start : citation.end] == citation.quote == "The warranty of the printer lasts 24 months."
    shown = len(chat.calls[0].messages[-1].content)
    assert shown > sum(len(hit.chunk.text) for hit in answer.hits[:1])


def test_repeats_are_dropped_and_told(tmp_path: Path) -> None:
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(256))
    text = "The warranty of the printer lasts 24 months from the day on which it was bought in a shop."
    kb.add([Document(f"copy{n}.md", text) for n in range(4)])
    answer = advanced("How long does the warranty of the printer last?", chat=FakeChat("24 months."), index=kb)
    assert len(answer.hits) == 1
    assert len(step(answer, "dedupe")["dropped"]) == 3


def test_what_did_not_fit_the_context_is_told(tmp_path: Path) -> None:
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(256))
    for n in range(8):
        words = " ".join(f"word{n}x{i}" for i in range(120))
        kb.add([Document(f"d{n}.md", f"The warranty of the printer in room {n} lasts {n} months. It has {words}.")])
    chat = FakeChat("The warranty of the printer in room 3 lasts 3 months.", context=1200)
    answer = advanced("How long does the warranty of the printer in room 3 last?", chat=chat, index=kb)
    told = step(answer, "prompt")
    assert told["left_out"] or told["cut"]
    assert {id for id, _, _ in told["shown"]} == {hit.chunk.id for hit in answer.hits} - set(told["left_out"])
    spans = {hit.chunk.id: (hit.chunk.start, hit.chunk.end) for hit in answer.hits}
    for id, start, end in told["shown"]:
        assert (start, end) == spans[id] or id in told["cut"]
    assert told["passages"] < len(answer.hits)
    asked = sum(chat.count_tokens(message.content) for message in chat.calls[0].messages)
    assert asked + chat.calls[0].max_tokens <= 1200


def test_a_long_conversation_is_cut_from_its_beginning(kb: KnowledgeBase) -> None:
    history = [turn for n in range(40) for turn in (Message("user", f"Turn {n} " + "word " * 50), HISTORY[1])]
    chat = FakeChat("The warranty lasts 24 months.", context=2000)
    answer = advanced(QUESTION, chat=chat, index=kb, history=history)
    messages = chat.calls[-1].messages
    assert messages[1:-1] == tuple(history[-len(messages) + 2 :])
    assert step(answer, "prompt")["turns_left_out"] == len(history) - len(messages) + 2 > 0
    assert answer.citations


def test_a_context_that_the_question_fills_is_an_error(kb: KnowledgeBase) -> None:
    from trivium.errors import ContextOverflow

    with pytest.raises(ContextOverflow):
        advanced(QUESTION, chat=FakeChat("x", context=600), index=kb)


# -- small models ---------------------------------------------------------------------------------------------------


def test_a_small_model_copies_from_the_best_sentence(kb: KnowledgeBase) -> None:
    chat, pieces = small("24 months"), []
    answer = advanced(QUESTION, chat=chat, index=kb, on_text=pieces.append)
    assert answer.text == "".join(pieces) == "24 months [1]"
    assert answer.citations[0].quote.startswith("The warranty of the X-200 printer lasts 24 months")
    assert answer.unsupported == ()
    prompt = chat.calls[0].messages[-1].content
    assert "24 months" in prompt
    assert "blue button" not in prompt
    [(id, start, end)] = step(answer, "extract")["shown"]
    assert id == answer.citations[0].chunk_id
    assert kb.document_text(answer.citations[0].document_id, start, end) == answer.citations[0].quote


@pytest.mark.parametrize("lie", ["36 months", "X-200 printer", "", "day of purchase"])
def test_where_it_lies_the_sentence_is_quoted(lie: str, kb: KnowledgeBase) -> None:
    answer = advanced(QUESTION, chat=small(lie), index=kb)
    assert answer.text == "“The warranty of the X-200 printer lasts 24 months from the day of purchase.” [1]"
    assert step(answer, "quote")["objection"]
    assert "36" not in answer.text


def test_an_explanation_is_quoted_without_asking_the_model(kb: KnowledgeBase) -> None:
    chat = small("blue button")
    answer = advanced("How do I clean the print head?", chat=chat, index=kb)
    assert answer.text.startswith("“To clean the print head, open the lid")
    assert "two minutes" in answer.text  # with what follows
    assert "warranty" not in answer.text  # but not past the next heading
    assert chat.calls == []


def test_chinese_is_quoted_when_the_model_cannot_read_it(kb: KnowledgeBase) -> None:
    class Bytes(FakeChat):
        def count_tokens(self, text: str) -> int:
            return len(text.encode())

    chat = Bytes("{}", name="Tiny-100M")
    answer = advanced("打印机的保修期是多久？", chat=chat, index=kb)
    assert answer.text == "“打印机的保修期为二十四个月。” [1]"
    assert answer.citations[0].source == "保修.md"
    assert chat.calls == []


def test_a_small_model_speaks_freely_in_the_naive_pattern(kb: KnowledgeBase) -> None:
    chat = FakeChat("The warranty lasts 36 months.", name="Tiny-100M")
    answer = PATTERNS["naive"](QUESTION, chat=chat, index=kb)
    assert answer.text == "The warranty lasts 36 months."
    assert answer.unsupported == ((0, len(answer.text)),)
    assert chat.calls[0].messages[-1].content.count("\n[") <= 3


# -- real models ----------------------------------------------------------------------------------------------------


@pytest.mark.real
def test_real_models_answer_from_real_documents(tmp_path: Path, shared_data: Path) -> None:
    from trivium.models.chat import open_chat

    paragraphs = {}
    for file in ("xquad.en.json", "xquad.zh.json"):
        for article in json.loads((shared_data / "xquad" / file).read_text())["data"]:
            for paragraph in article["paragraphs"]:
                paragraphs[paragraph["context"]] = paragraph["qas"]
    kb = trivium.open(tmp_path / "kb")
    kb.add([Document(f"p{n}.txt", text) for n, text in enumerate(paragraphs)])
    chat = open_chat()
    items = [item for qas in paragraphs.values() for item in qas][::40]
    held = refused = 0
    for item in items:
        answer = advanced(item["question"], chat=chat, index=kb)
        refused += answer.refused
        for citation in answer.citations:
            assert kb.document_text(citation.document_id, citation.start, citation.end) == citation.quote
        proof = " ".join([answer.text, *(citation.quote for citation in answer.citations)])
        held += any(known["text"].casefold() in proof.casefold() for known in item["answers"])
    assert held >= 0.6 * len(items), (held, refused, len(items))
    assert refused <= 0.15 * len(items)
    for question in ("Who won the football world cup in 1998?", "How do I bake bread?", "怎样烤面包？"):
        assert advanced(question, chat=chat, index=kb).refused, question
