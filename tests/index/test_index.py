"""Opening a knowledge base: made once, refused clearly, never mixed with another embedder's vectors."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

import trivium
from trivium.api import KnowledgeBase
from trivium.errors import FilterError, StoreError, StoreNotFound, StoreVersion, UsageError
from trivium.models.fake import FakeEmbedder
from trivium.types import Document


def edit(kb: Path, **fields: object) -> None:
    manifest = json.loads((kb / "trivium.json").read_text())
    (kb / "trivium.json").write_text(json.dumps({**manifest, **fields}))


def test_a_missing_one_is_made_or_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFound, match="trivium add"):
        trivium.open(tmp_path / "kb", embedder=FakeEmbedder(), create=False)
    trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    assert trivium.open(tmp_path / "kb", embedder=FakeEmbedder(), create=False).documents() == []


def test_a_newer_and_an_older_format_are_refused_with_the_cure(kb: KnowledgeBase) -> None:
    edit(kb.root, format=99, trivium="9.9")
    with pytest.raises(StoreVersion, match=r"9\.9.*pip install --upgrade"):
        trivium.open(kb.root, embedder=FakeEmbedder())
    edit(kb.root, format=0)
    with pytest.raises(StoreVersion, match="trivium add"):
        trivium.open(kb.root, embedder=FakeEmbedder())
    (kb.root / "trivium.json").write_text("{ torn")
    with pytest.raises(StoreError, match="backup"):
        trivium.open(kb.root, embedder=FakeEmbedder())


def test_a_table_without_its_description_is_not_overwritten(kb: KnowledgeBase) -> None:
    kb.add([Document("/a", "Words.")])
    (kb.root / "trivium.json").unlink()
    with pytest.raises(StoreError, match="missing"):
        trivium.open(kb.root, embedder=FakeEmbedder())


def test_a_creation_that_was_killed_is_begun_again(kb: KnowledgeBase) -> None:
    (kb.root / "trivium.json").unlink()
    again = trivium.open(kb.root, embedder=FakeEmbedder())
    again.add([Document("/a", "Words.")])
    assert len(again.documents()) == 1


def test_another_embedder_is_refused_when_it_is_needed(kb: KnowledgeBase) -> None:
    kb.add([Document("/a", "Words.")])
    other = trivium.open(kb.root, embedder=FakeEmbedder(dimension=32))
    assert len(other.documents()) == 1
    with pytest.raises(UsageError, match="were made by"):
        other.search("words", mode="dense")


def test_object_storage_is_said_to_come_later(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Give a folder"):
        trivium.open("s3://bucket/kb", embedder=FakeEmbedder())
    uri = (tmp_path / "a b").as_uri()
    assert trivium.open(uri, embedder=FakeEmbedder()).root == tmp_path / "a b"


def test_two_make_it_at_once(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def make(n: int) -> None:
        try:
            trivium.open(tmp_path / "kb", embedder=FakeEmbedder()).add([Document(f"/{n}", f"Words {n}.")])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=make, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(trivium.open(tmp_path / "kb", embedder=FakeEmbedder()).documents()) == 4


def test_filters_reach_the_search(kb: KnowledgeBase) -> None:
    for year in (2019, 2020, 2021):
        kb.add(
            [Document(f"/report-{year}", "The yearly report of the firm.", title=f"Report {year}")], (), {"year": year}
        )
    for mode in ("hybrid", "dense", "lexical"):
        found = kb.search("yearly report", mode=mode, filter="year >= 2020 and not year = 2021")
        assert [hit.chunk.source for hit in found] == ["/report-2020"]
    assert [h.chunk.source for h in kb.search("report", filter='title ~ "2019"')] == ["/report-2019"]
    assert [h.chunk.source for h in kb.search("report", filter='source = "/report-2021"')] == ["/report-2021"]
    assert kb.search("report", filter='year = "x\' or 1=1"') == []
    with pytest.raises(FilterError):
        kb.search("report", filter="year >")


@pytest.mark.parametrize(
    "question",
    [
        "year >= 2020 and (",
        "warranty' OR '1'='1",
        '+warranty -months "AND" NOT *',
        "warranty\x00\x07\x1b[31m",
        "warranty " * 12_000,
        "ጤና ይስጥልኝ warranty",
        "🙂 warranty",
        "\ud800 warranty",
    ],
)
def test_a_question_is_only_words(kb: KnowledgeBase, question: str) -> None:
    kb.add([Document("/a", "The warranty lasts twelve months."), Document("/b", "Bananas are yellow fruit.")])
    for mode in ("hybrid", "dense", "lexical"):
        found = kb.search(question, mode=mode)
        assert mode == "dense" or not found or found[0].chunk.source == "/a"


@pytest.mark.parametrize("question", ["", "   ", "\x00", "\n\t"])
def test_an_empty_question_is_refused(kb: KnowledgeBase, question: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        kb.search(question)
