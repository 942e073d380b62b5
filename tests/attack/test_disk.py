"""A full disk, a read-only folder, a file that changes under the reader's eyes, a huge file: clear errors, no loss."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import trivium
from trivium.errors import StoreFull
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.types import Document

pytestmark = pytest.mark.attack


def _mount(folder: Path, options: str) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    _mount(folder, "size=6m")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_what_was_committed_stays(small_disk: Path) -> None:
    kb = trivium.open(small_disk / "kb", embedder=FakeEmbedder())
    first = [Document(f"/small{n}", f"A small document about subject {n}.") for n in range(20)]
    kb.add(first)
    before = {d.source for d in kb.documents()}
    big = [Document(f"/big{n}", f"Unique{n} " + "many different words here. " * 2_000) for n in range(400)]
    with pytest.raises(StoreFull, match=r"[Ss]pace|full"):
        kb.add(big)
    again = trivium.open(small_disk / "kb", embedder=FakeEmbedder(), create=False)
    assert before <= {d.source for d in again.documents()}
    found = again.search("a small document about subject 7", mode="lexical", k=20)
    assert "/small7" in {hit.chunk.source for hit in found}
    assert again.verify(repair=False).problems == ()


def test_after_space_is_freed_adding_goes_on(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 4_500_000)
    kb = trivium.open(small_disk / "kb", embedder=FakeEmbedder())
    docs = [Document(f"/d{n}", f"Document {n}. " + f"Sentence about subject {n}. " * 60) for n in range(400)]
    with pytest.raises(StoreFull):
        kb.add(docs)
    ballast.unlink()
    report = kb.add(docs)
    assert report.added + report.unchanged + report.updated == 400
    assert kb.verify(repair=False).problems == ()


def test_a_read_only_folder_can_be_searched_and_not_written(tmp_path: Path) -> None:
    folder, view = tmp_path / "disk", tmp_path / "view"
    trivium.open(folder / "kb", embedder=FakeEmbedder()).add([Document("/a", "The warranty is one year.")])
    view.mkdir()
    for command in (["mount", "--bind", folder, view], ["mount", "-o", "remount,ro,bind", view]):
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a folder cannot be mounted read-only here")
    try:
        kb = trivium.open(view / "kb", embedder=FakeEmbedder(), create=False, chat=FakeChat("One year."))
        assert kb.search("warranty")[0].chunk.source == "/a"
        assert trivium.ask(kb, "How long is the warranty?").hits
        for attempt in (lambda: kb.add([Document("/b", "More.")]), lambda: kb.remove("/a"), kb.verify):
            with pytest.raises(StoreFull, match="cannot be written"):
                attempt()
        with pytest.raises(StoreFull, match="cannot be made"):
            trivium.open(view / "other", embedder=FakeEmbedder())
    finally:
        subprocess.run(["umount", "-l", str(view)], check=True)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """Whatever the reader caught, its hash belongs to its text, so that the next `add` brings the rest."""
    file = tmp_path / "log.txt"
    file.write_text("line\n" * 1000)
    stop = threading.Event()

    def rewrite() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            file.write_text(f"version {n} of the line\n" * 5_000)
            time.sleep(0.002)

    writer = threading.Thread(target=rewrite)
    writer.start()
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    for _ in range(5):
        report = kb.add([file])
        assert report.added + report.updated + report.unchanged + len(report.failed) == 1
    stop.set()
    writer.join()
    file.write_text("The last word is aardvark.\n" + "filler line\n" * 3000)
    kb.add([file])
    assert kb.add([file]).unchanged == 1
    assert "aardvark" in kb.search("aardvark", mode="lexical", k=1)[0].chunk.text
    assert kb.search("version", mode="lexical") == []
    assert kb.verify(repair=False).problems == ()


def test_one_200_mb_text_file(tmp_path: Path) -> None:
    """Refused with the limit by default where it is too large; read whole where the limit allows."""
    file = tmp_path / "huge.txt"
    line = "A long protocol of many measurements, all of them alike. " * 20 + "\n\n"
    with open(file, "w", encoding="utf-8") as out:
        for n in range(200_000_000 // len(line)):
            out.write(line if n != 90_000 else "The needle is made of tungsten.\n\n")
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(dimension=8))
    started = time.monotonic()
    refused = kb.add([file], max_bytes=50_000_000)
    assert len(refused.failed) == 1
    assert "50" in refused.failed[0].reason
    assert time.monotonic() - started < 30
    report = kb.add([file], max_bytes=1_000_000_000)
    assert report.added == 1, report
    assert "tungsten" in kb.search("tungsten needle", mode="lexical", k=1)[0].chunk.text
