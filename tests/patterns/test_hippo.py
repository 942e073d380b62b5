"""HippoRAG's walk over a graph: two hops, who may read them, and what happens without a graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import trivium
from trivium.api import KnowledgeBase
from trivium.index.graph.build import sync
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.patterns.hippo import hippo
from trivium.retrieve.walk import walk
from trivium.types import Answer, Document, Message

QUESTION = "When did the director of Silent Harbour die?"
STORY = [
    Document("film", "Silent Harbour is a drama directed by Greta Lindqvist.", title="Silent Harbour"),
    Document("woman", "Greta Lindqvist lived in Malmö until her end on 4 May 1981.", title="Greta Lindqvist"),
    *[Document(f"other{n}", f"The director of film number {n} did not die. When was it?") for n in range(8)],
]


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    base = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(256))
    base.add(STORY)
    base.add([Document("secret", "Greta Lindqvist hid the Orchid Papers from Silent Harbour.")], ["user:ada"])
    return base


def answered(kb: KnowledgeBase, **asked: Any) -> tuple[Answer, FakeChat]:
    chat = FakeChat("She died on 4 May 1981.")
    return hippo(QUESTION, chat=chat, index=kb, **asked), chat


def test_the_second_hop_is_found(kb: KnowledgeBase) -> None:
    sync(kb)
    assert "woman" not in [hit.chunk.source for hit in kb.search(QUESTION, k=2, mode="dense")]
    found = walk(kb, QUESTION, k=2)
    assert {hit.chunk.source for hit in found.hits} == {"film", "woman"}
    assert "Silent Harbour" in found.entities
    answer, _ = answered(kb, k=3)
    assert {"film", "woman"} <= {hit.chunk.source for hit in answer.hits}
    step = next(step for step in answer.trace if step.name == "walk")
    assert step.detail["entities"] == ["Silent Harbour"]
    assert "fallback" not in step.detail


@pytest.mark.parametrize("principals", [None, ["user:bob"], ["user:ada"]])
def test_the_graph_keeps_to_what_the_asker_may_read(kb: KnowledgeBase, principals: Sequence[str] | None) -> None:
    sync(kb)
    chat = FakeChat(lambda messages: " ".join(message.content for message in messages))
    question = "Which Orchid Papers did Greta Lindqvist hide?"
    answer = hippo(question, chat=chat, index=kb, principals=principals, history=[Message("user", "Hello.")])
    shown = " ".join(str(step.detail) for step in answer.trace) + " ".join(h.chunk.text for h in answer.hits)
    entities = next(step.detail["entities"] for step in answer.trace if step.name == "walk")
    assert ("Orchid Papers" in entities) == (principals == ["user:ada"])
    assert ("hid the" in shown) == (principals == ["user:ada"])


def test_a_filter_holds_for_the_walk(kb: KnowledgeBase) -> None:
    sync(kb)
    found = walk(kb, QUESTION, k=5, where='source != "woman"')
    assert "woman" not in {hit.chunk.source for hit in found.hits}


def test_without_a_graph_or_an_entity_it_is_a_search_and_says_so(kb: KnowledgeBase) -> None:
    answer, _ = answered(kb)
    assert "trivium graph build" in str(next(s.detail for s in answer.trace if s.name == "walk")["fallback"])
    assert answer.hits
    sync(kb)
    nameless = "when did it die?"
    assert [h.chunk.id for h in walk(kb, nameless, k=4).hits] == [h.chunk.id for h in kb.search(nameless, k=20)[:4]]
