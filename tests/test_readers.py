"""Readers do with given passages what `trivium ask` does with found ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import trivium
from trivium.errors import UnknownName
from trivium.evaluate.abilities.cases import passages_of, read_cases
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.patterns.advanced import advanced
from trivium.readers import READERS, Collection, open_reader
from trivium.types import Document, Message

PASSAGES = (
    "The warranty of the X-200 printer lasts 24 months from the day of purchase.",
    "The X-200 printer weighs 9 kilograms and is blue.",
    "To clean the print head, open the lid and press the button for five seconds.",
)
QUESTION = "How long does the warranty of the X-200 printer last?"


def rgb_passages(shared_data: Path, name: str, number: int) -> tuple[list[str], list[str]]:
    path = shared_data / "rgb" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    cases = read_cases(path)
    return passages_of([cases])[:number], [case.question for case in cases.cases[:15]]


@pytest.mark.parametrize("name", ["en_fact", "zh_fact"])
def test_bm25_is_that_of_a_knowledge_base(shared_data: Path, tmp_path: Path, name: str) -> None:
    passages, questions = rgb_passages(shared_data, name, 150)
    passages = [passage for passage in passages if len(passage) < 400]  # one chunk each
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(16))
    kb.add([Document("x" * (number + 1), passage) for number, passage in enumerate(passages)])
    collection, compared = Collection(passages), 0
    assert kb.size() == collection.size
    for question in questions:
        for hit in kb.lexical(question, n=5):
            assert collection.bm25(question, hit.chunk.text) == pytest.approx(hit.score, rel=1e-4)
            compared += 1
    assert compared > 30


def test_the_judgement_is_that_of_the_pattern(shared_data: Path, tmp_path: Path) -> None:
    passages, questions = rgb_passages(shared_data, "en_fact", 100)
    passages = [passage for passage in passages if len(passage) < 400]
    embedder, chat = FakeEmbedder(64), FakeChat("It is so.", name="fake-7B")
    kb = trivium.open(tmp_path / "kb", embedder=embedder)
    kb.add([Document("x" * (number + 1), passage) for number, passage in enumerate(passages)])
    read = open_reader("advanced", chat=chat, embedder=embedder, collection=passages)
    for question in questions:
        found = advanced(question, chat=chat, index=kb, k=5)
        given = read(question, [hit.chunk.text for hit in found.hits])
        (theirs,) = (step.detail for step in found.trace if step.name == "judge")
        (ours,) = (step.detail for step in given.trace if step.name == "judge")
        assert ours == pytest.approx(theirs, rel=1e-3)
        assert given.refused == found.refused


@pytest.mark.parametrize("name", ["advanced", "naive", "instructed"])
def test_passages_stand_in_the_prompt_in_their_order(name: str) -> None:
    chat = FakeChat("The warranty lasts 24 months [1].", name="fake-7B")
    read = open_reader(name, chat=chat, embedder=FakeEmbedder(64), collection=PASSAGES)
    for passages in (PASSAGES, PASSAGES[::-1]):
        answer = read(QUESTION, passages)
        prompt = "\n".join(message.content for message in chat.calls[-1].messages)
        places = [prompt.index(passage) for passage in passages]
        assert places == sorted(places)
        assert QUESTION in prompt
        (citation,) = answer.citations
        assert citation.quote == PASSAGES[0]
        assert citation.document_id == f"passage {passages.index(PASSAGES[0]) + 1}"


def test_the_instructed_reader_shows_a_small_model_all_passages() -> None:
    chat = FakeChat("24 months", name="fake-135M")
    many = tuple(f"Passage number {number} is about printers." for number in range(8))
    open_reader("instructed", chat=chat, collection=many)(QUESTION, many)
    prompt = chat.calls[-1].messages[-1].content
    assert all(passage in prompt for passage in many)
    assert "insufficient information" in chat.calls[-1].messages[0].content


def test_the_instruction_is_in_the_language_of_the_question() -> None:
    chat = FakeChat("二十四个月", name="fake-7B")
    open_reader("instructed", chat=chat)("打印机的保修期有多长时间？", ["打印机的保修期为二十四个月。"])
    system = chat.calls[-1].messages[0].content
    assert "信息不足" in system
    assert "事实性错误" in system


def test_no_passages_means_the_model_alone() -> None:
    chat = FakeChat("24 months")
    read = open_reader("advanced", chat=chat, embedder=FakeEmbedder(64))
    for passages in ((), ("", "  ")):
        answer = read(QUESTION, passages)
        assert (answer.text, answer.hits, answer.citations) == ("24 months", (), ())
    assert not any("passage" in message.content.lower() for message in chat.calls[0].messages[-1:])


def test_weak_evidence_is_refused_and_the_model_not_asked() -> None:
    chat = FakeChat("It is so.", name="fake-7B")
    read = open_reader("advanced", chat=chat, embedder=FakeEmbedder(64), collection=PASSAGES)
    answer = read("Who won the final in Lisbon?", PASSAGES[1:])
    assert answer.refused
    assert chat.calls == []


def test_what_the_model_refuses_is_a_refusal() -> None:
    def reply(messages: Sequence[Message]) -> str:
        return "The documents do not mention it."

    answer = open_reader("naive", chat=FakeChat(reply, name="fake-7B"))(QUESTION, PASSAGES)
    assert answer.refused


def test_passages_are_embedded_once() -> None:
    embedder = FakeEmbedder(64)
    read = open_reader("advanced", chat=FakeChat("24 months", name="fake-7B"), embedder=embedder, collection=PASSAGES)
    read(QUESTION, PASSAGES)
    before = embedder.texts_embedded
    read(QUESTION, PASSAGES[::-1])
    again = embedder.texts_embedded - before
    assert again < before  # the question and its sentences, not the passages


def test_an_unknown_reader_lists_those_there_are() -> None:
    with pytest.raises(UnknownName) as caught:
        open_reader("nobody", chat=FakeChat())
    assert all(name in str(caught.value) for name in READERS)
