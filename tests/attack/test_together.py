"""Several processes on one knowledge base: no error, no half document, and the last word is the same for all."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

import trivium
from trivium.models.fake import FakeEmbedder
from trivium.types import Document

pytestmark = pytest.mark.attack

ADDER = Path(__file__).with_name("adder.py")

SEARCHER = """
import sys, time
import trivium
from trivium.models.fake import FakeEmbedder
kb = trivium.open(sys.argv[1], embedder=FakeEmbedder())
sizes = {}
until = time.monotonic() + float(sys.argv[2])
n = 0
while time.monotonic() < until:
    hits = kb.search("alpha beta common words", k=50, mode=("hybrid", "dense", "lexical")[n % 3])
    counts = {}
    for hit in hits:
        total = int(hit.chunk.text.split(" of ")[1].split()[0])
        counts.setdefault(hit.chunk.source, set()).add(total)
    assert all(len(totals) == 1 for totals in counts.values()), counts
    n += 1
assert n > 5, n
"""

WRITER = """
import sys
import trivium
from trivium.models.fake import FakeEmbedder
from trivium.types import Document
kb = trivium.open(sys.argv[1], embedder=FakeEmbedder())
for version in range(8):
    for name in ("one", "two", "three"):
        total = 1 + (version * 5 + len(name)) % 7
        text = "\\n\\n".join(
            f"Part {n} of {total} alpha beta common words, version {version}. " + "Filling sentence here. " * 40
            for n in range(total)
        )
        kb.add([Document("/" + name, text)])
"""


def _run(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> None:
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, output + errors


def test_two_add_the_same_files_at_once(shared_data: Path, tmp_path: Path) -> None:
    docs = str(shared_data / "docs")
    both = [_run(str(ADDER), str(tmp_path / "kb"), str(tmp_path / f"log{n}"), docs) for n in range(2)]
    for process in both:
        _finish(process)
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder(), create=False)
    assert kb.verify(repair=False).problems == ()
    sources = [info.source for info in kb.documents()]
    assert len(sources) == len(set(sources)) >= 25


def test_one_replaces_while_four_search(tmp_path: Path) -> None:
    """A reader never sees parts of two versions of a document, nor a document without its parts."""
    kb = trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    kb.add([Document("/zero", "Part 0 of 1 alpha beta common words. " + "Filling sentence here. " * 40)])
    writer = _run("-c", WRITER, str(tmp_path / "kb"))
    searchers = [_run("-c", SEARCHER, str(tmp_path / "kb"), "12") for _ in range(4)]
    for process in (writer, *searchers):
        _finish(process)
    assert kb.verify(repair=False).problems == ()


def test_a_change_is_seen_at_the_next_search(tmp_path: Path) -> None:
    writer = trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    reader = trivium.open(tmp_path / "kb", embedder=FakeEmbedder())
    writer.add([Document("/a", "The warranty lasts twelve months.")])
    assert [hit.chunk.source for hit in reader.search("warranty")] == ["/a"]
    writer.remove(["/a"])
    assert reader.search("warranty") == []
    started = time.monotonic()
    assert reader.documents() == []
    assert time.monotonic() - started < 5
