"""A knowledge base leaves as one file and comes back the same; bad files change nothing."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

import trivium
from trivium.api import KnowledgeBase
from trivium.errors import UsageError
from trivium.index.archive import import_archive
from trivium.models.fake import FakeEmbedder
from trivium.types import Document


def test_there_and_back(kb: KnowledgeBase, tmp_path: Path) -> None:
    kb.add([Document("/a", "The warranty is one year."), Document("/b", "The plan.")], ["user:ada"], {"year": 2020})
    archive = kb.export(tmp_path / "kb.tar")
    copy = import_archive(archive, tmp_path / "copy")
    other = trivium.open(copy, embedder=FakeEmbedder(), create=False)
    assert other.documents() == kb.documents()
    assert other.search("warranty", principals=["user:ada"]) == kb.search("warranty", principals=["user:ada"])
    assert other.search("warranty") == []
    other.add([Document("/c", "More.")])
    assert other.verify().problems == ()
    assert len(kb.documents()) == 2


def test_nothing_is_overwritten(kb: KnowledgeBase, tmp_path: Path) -> None:
    archive = kb.export(tmp_path / "kb.tar")
    with pytest.raises(UsageError, match="there already"):
        kb.export(archive)
    with pytest.raises(UsageError, match="there already"):
        import_archive(archive, kb.root)


def test_what_is_not_an_archive_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "not.tar").write_bytes(b"not an archive at all" * 100)
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as tar:
        member = tarfile.TarInfo("../../escaped.txt")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    for path in (tmp_path / "not.tar", evil):
        with pytest.raises(UsageError):
            import_archive(path, tmp_path / "in" / "copy")
    assert not (tmp_path / "in" / "copy").exists()
    assert not (tmp_path / "escaped.txt").exists()
    assert list((tmp_path / "in").iterdir()) == []
