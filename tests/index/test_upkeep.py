"""Removal with a true receipt; a check that finds what was broken on purpose, and mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from trivium.api import KnowledgeBase
from trivium.errors import UsageError
from trivium.index.where import Among, And, every
from trivium.types import Document

LONG = "\n\n".join(f"Paragraph {n} tells of matter {n}. " + "It goes on for a while. " * 30 for n in range(12))


def test_the_receipt_counts_what_went_and_nothing_is_left(kb: KnowledgeBase) -> None:
    kb.add([Document("/long", LONG), Document("/keep", "Bananas are yellow.")])
    chunks = next(d.chunks for d in kb.documents() if d.source == "/long")
    kb.answers.put(("q",), kb.store.version, [kb.records()[1].id], "{}")
    report = kb.remove("/long")
    (one,) = report.removed
    assert (one.source, one.chunks, one.vectors, one.lexical) == ("/long", chunks, chunks, chunks)
    assert one.cached_answers == 1
    assert report.left == 0
    assert report.purged
    assert kb.search("paragraph matter", mode="lexical") == []
    assert [hit.chunk.source for hit in kb.search("matter", k=50)] in ([], ["/keep"])
    assert [d.source for d in kb.documents()] == ["/keep"]


def test_no_byte_of_a_removed_text_stays_in_the_folder(kb: KnowledgeBase) -> None:
    kb.add([Document("/doomed", "The zyzzyvax protocol is ours."), Document("/keep", "Bananas are yellow.")])
    kb.search("zyzzyvax")
    kb.answers.put(("q",), kb.store.version, [kb.records()[0].id], '{"text": "zyzzyvax"}')
    kb.remove("/doomed")
    for path in kb.root.rglob("*"):
        assert not path.is_file() or b"zyzzyvax" not in path.read_bytes(), path


def test_a_source_can_be_named_as_it_was_given(
    kb: KnowledgeBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in "abc":
        (docs / f"{name}.md").write_text(f"Words of {name}.")
    kb.add([docs])
    monkeypatch.chdir(docs)
    assert [Path(r.source).name for r in kb.remove("a.md").removed] == ["a.md"]
    with pytest.raises(UsageError, match=r"Did you mean .*b\.md"):
        kb.remove("../b.md")
    assert len(kb.remove(docs).removed) == 2
    assert kb.documents() == []


def test_what_is_not_there_removes_nothing(kb: KnowledgeBase) -> None:
    kb.add([Document("/a", "Words.")])
    with pytest.raises(UsageError, match="is not in the knowledge base"):
        kb.remove(["/a", "/b"])
    assert len(kb.documents()) == 1


def test_vanished_files_are_named(kb: KnowledgeBase, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Words.")
    kb.add([tmp_path / "a.md", Document("not a file", "Words too.")])
    assert kb.missing() == []
    (tmp_path / "a.md").unlink()
    assert kb.missing() == [str(tmp_path / "a.md")]


def test_missing_chunks_are_found_and_the_document_is_added_again(kb: KnowledgeBase) -> None:
    kb.add([Document("/long", LONG), Document("/keep", "Bananas.")])
    kb.store.delete(And((Among("kind", ("chunk",)), Among("id", (kb.search("matter 3", k=1)[0].chunk.id,)))))
    report = kb.verify(repair=False)
    assert len(report.problems) == 1
    assert "1 of" in report.problems[0]
    assert kb.verify().repaired
    assert [d.source for d in kb.documents()] == ["/keep"]
    assert kb.verify().problems == ()
    assert kb.add([Document("/long", LONG)]).added == 1


def test_chunks_without_a_document_are_found(kb: KnowledgeBase) -> None:
    kb.add([Document("/long", LONG), Document("/keep", "Bananas.")])
    long = next(d for d in kb.documents() if d.source == "/long")
    kb.store.delete(And((Among("kind", ("document",)), Among("id", (long.id,)))))
    assert "belong to no document" in kb.verify().problems[0]
    assert kb.store.count(Among("document_id", (long.id,))) == 0


def test_a_torn_text_and_doubled_chunks_are_found(kb: KnowledgeBase) -> None:
    kb.add([Document("/a", "The warranty is one year."), Document("/b", "Bananas.")])
    table = kb.store._table
    table.update(where="source = '/a' AND kind = 'chunk'", values={"text": "The warranty is ten years."})
    assert "do not match the stored text" in kb.verify(repair=False).problems[0]
    rows = list(kb.store.batches(every([Among("kind", ("chunk",))])))
    kb.store.insert(rows)
    assert any("stand twice" in problem for problem in kb.verify(repair=False).problems)
    assert kb.verify().repaired
    assert kb.documents() == []


def test_a_missing_vector_is_found(kb: KnowledgeBase) -> None:
    kb.add([Document("/a", "The warranty is one year.")])
    kb.store._table.update(where="kind = 'chunk'", values={"vector": None})
    assert kb.verify(repair=False).problems
