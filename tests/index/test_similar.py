"""The semantic answer cache: who is given an answer again, for which question, and until when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import trivium
from trivium.index.similar import behind, same_question
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.types import Answer, Document, Step

QUESTION = "How long does the warranty of the printer last?"
PARAPHRASE = "How long does the printer's warranty last?"
PUBLIC = "The warranty of the printer lasts 24 months."
SECRET = "The secret warranty of the printer for Ada lasts 99 months."


@pytest.fixture
def kb(tmp_path: Path) -> Any:
    base = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(256), chat=FakeChat("It lasts 24 months."))
    base.add([Document("public.md", PUBLIC)])
    base.add([Document("secret.md", SECRET)], ["user:ada"])
    return base


def asked(kb: Any, question: str, *principals: str, **settings: Any) -> Any:
    return trivium.ask(kb, question, "naive", list(principals), **{"similar": 0.7, **settings})


def calls(kb: Any) -> int:
    return len(kb.chat.calls)


def test_a_paraphrase_is_answered_without_the_model(kb: Any) -> None:
    pieces: list[str] = []
    first = asked(kb, QUESTION)
    again = asked(kb, PARAPHRASE, on_text=pieces.append)
    assert calls(kb) == 1
    assert (again.text, again.question, again.citations) == (first.text, PARAPHRASE, first.citations)
    assert "".join(pieces) == first.text
    assert again.trace[-1].name == "cache"
    assert again.trace[-1].detail["asked_before"] == QUESTION


SETTINGS = ({"similar": None}, {"similar": 0.999}, {"cache": False}, {"k": 2}, {"filter": 'source = "public.md"'})


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_without_leave_nothing_is_recalled(settings: dict[str, Any], kb: Any) -> None:
    asked(kb, QUESTION)
    asked(kb, PARAPHRASE, **settings)
    assert calls(kb) == 2


def test_only_who_may_read_every_source_is_given_it(kb: Any) -> None:
    first = asked(kb, QUESTION, "user:ada")
    assert {hit.chunk.source for hit in first.hits} == {"public.md", "secret.md"}
    unknown = asked(kb, PARAPHRASE)
    assert calls(kb) == 2
    assert [hit.chunk.source for hit in unknown.hits] == ["public.md"]
    assert asked(kb, "How long does this printer's warranty last?", "user:bob").hits == unknown.hits
    assert calls(kb) == 2  # what everyone may read is given to everyone
    given = asked(kb, PARAPHRASE.lower(), "user:ada", "group:law")
    assert calls(kb) == 2
    assert given.trace[-1].name == "cache"


def test_all_documents_of_the_trace_count_as_sources() -> None:
    steps = (Step("search", {"hits": [("d1:0", 0.5), ["d2:3", 0.4]]}), Step("prompt", {"shown": [("d3:1", 0, 9)]}))
    assert behind(Answer("q", "a", trace=steps)) == {"d1", "d2", "d3"}


def test_a_change_of_the_documents_or_of_the_access_forgets(kb: Any) -> None:
    asked(kb, QUESTION)
    kb.add([Document("public.md", PUBLIC.replace("24", "36"))])
    asked(kb, PARAPHRASE)
    assert calls(kb) == 2
    kb.remove(["public.md"])
    assert asked(kb, QUESTION).refused
    for name in ("answers.db", "answers.db-wal"):
        if (kb.root / name).exists():
            assert b"lasts 24 months" not in (kb.root / name).read_bytes()


def test_a_refusal_is_given_to_nobody_else(tmp_path: Path) -> None:
    base = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(256), chat=FakeChat("I do not know."))
    base.add([Document("public.md", PUBLIC)])
    assert asked(base, QUESTION).refused
    asked(base, PARAPHRASE)
    assert calls(base) == 2


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("How long is the warranty of the pump?", "How long is the pump's warranty?", True),
        ("Name a tribe Native Americans formed there.", "Name a tribe Native Americans founded there.", True),
        ("How many pups are in a litter?", "How many pups are in a litter of small dogs?", False),
        ("When did Zhu Shijie die?", "When was Zhu Shijie born?", False),
        ("What is the third of the Four Noble Truths?", "What is the fourth of the Four Noble Truths?", False),
        ("What was revenue in 2021?", "What was revenue in 2022?", False),
        ("Who founded Acme?", "Who founded Apex?", False),
        ("Who founded Acme?", "When was Acme founded?", False),
        ("Which parts does it cover?", "Which parts does it not cover?", False),
        ("Which is the capital of France?", "What is the capital of France?", True),
        ("who founded acme?", "Who founded Acme?", True),
        ("保修期是多久？", "保修期多久？", True),
        ("保修包括什么？", "保修不包括什么？", False),
    ],
)
def test_what_a_vector_does_not_tell_apart(left: str, right: str, same: bool) -> None:
    assert same_question(left, right) is same
    assert same_question(right, left) is same
