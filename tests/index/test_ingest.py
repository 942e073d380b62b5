"""Adding: incremental, kept access, nothing embedded twice, clean stops, failures by name."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import trivium
from trivium.api import KnowledgeBase
from trivium.errors import ModelError, StoreFull, UnknownName, UsageError
from trivium.index.tally import Progress
from trivium.models.base import Vectors
from trivium.models.fake import FakeEmbedder
from trivium.types import Document

LONG = "\n\n".join(f"Paragraph {n} tells of matter {n}. " + "It goes on for a while. " * 30 for n in range(40))


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


def counts(report: object) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, len(report.failed)  # type: ignore[attr-defined]


def test_only_what_changed_is_done_again(kb: KnowledgeBase, embedder: FakeEmbedder, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="Alpha is a letter.", b="Beta is another.", c="Gamma too.")
    assert counts(kb.add([docs])) == (3, 0, 0, 0)
    embedded = embedder.texts_embedded
    assert counts(kb.add([docs])) == (0, 0, 3, 0)
    assert embedder.texts_embedded == embedded
    write(docs, b="Beta has changed entirely.")
    assert counts(kb.add([docs])) == (0, 1, 2, 0)
    assert embedder.texts_embedded == embedded + 1
    os.utime(docs / "a.md", (1, 1))  # touched, not changed
    assert counts(kb.add([docs])) == (0, 0, 3, 0)
    texts = [hit.chunk.text for hit in kb.search("beta", mode="lexical")]
    assert texts == ["Beta has changed entirely."]
    assert kb.verify(repair=False).problems == ()


def test_the_unchanged_chunks_of_a_changed_document_keep_their_vectors(
    kb: KnowledgeBase, embedder: FakeEmbedder
) -> None:
    kb.add([Document("/long", LONG)])
    chunks = kb.documents()[0].chunks
    assert chunks > 10
    before = embedder.texts_embedded
    kb.add([Document("/long", LONG + "\n\nOne more paragraph at the end.")])
    assert embedder.texts_embedded - before <= 2
    kb.add([Document("/long", "Short now.")])
    assert [d.chunks for d in kb.documents()] == [1]
    assert kb.search("paragraph matter", mode="lexical") == []


def test_new_access_is_written_without_embedding(kb: KnowledgeBase, embedder: FakeEmbedder) -> None:
    plan = Document("/plan", "The secret plan is a boat.")
    kb.add([plan])
    before = embedder.texts_embedded
    assert counts(kb.add([plan], access=["user:ada"], metadata={"year": 2020})) == (0, 1, 0, 0)
    assert embedder.texts_embedded == before
    for mode in ("hybrid", "dense", "lexical"):
        assert kb.search("secret plan", mode=mode) == []
        assert kb.search("secret plan", mode=mode, principals=["user:bob", "group:x"]) == []
        assert len(kb.search("secret plan", mode=mode, principals=["user:ada"])) == 1
    assert kb.search("plan", principals=["user:ada"], filter="year = 2020")[0].chunk.metadata == {"year": 2020}
    assert kb.search("plan", principals=["user:ada"], filter="year > 2020") == []


def test_adding_again_without_access_does_not_open_what_was_closed(kb: KnowledgeBase, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", plan="The secret plan is a boat.")
    kb.add([docs], access=["group:board"], metadata={"year": 2020})
    kb.add([docs])
    write(docs, plan="The secret plan is a plane.")
    kb.add([docs])
    assert kb.documents()[0].access == ("group:board",)
    assert kb.documents()[0].metadata["year"] == 2020
    assert kb.search("secret plan") == []
    kb.add([docs], access=["*"])
    assert len(kb.search("secret plan")) == 1


class FailingEmbedder(FakeEmbedder):
    """Fails once it has embedded a number of texts."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.texts_embedded + len(texts) > self.after:
            raise ModelError("The endpoint is down.")
        return super().embed(texts)


def test_a_failing_embedder_loses_nothing_and_pays_nothing_twice(tmp_path: Path) -> None:
    docs = [Document(f"/d{n}", f"Document number {n} about subject {n}.") for n in range(900)]
    failing = FailingEmbedder(after=600)
    kb = trivium.open(tmp_path / "kb", embedder=failing)
    with pytest.raises(ModelError, match="endpoint is down"):
        kb.add(docs)
    failing.after = 10**9
    again = kb.add(docs)
    assert counts(again)[0] + counts(again)[2] == 900
    assert failing.texts_embedded == 900
    assert kb.verify(repair=False).problems == ()


def test_ctrl_c_stops_cleanly(kb: KnowledgeBase) -> None:
    """Pressed while documents wait for the embedder: what is committed stays, the rest is for the next run."""
    docs = [Document(f"/d{n}", f"Document number {n}.") for n in range(6000)]
    pressed = threading.Event()

    def interrupt(state: Progress) -> None:
        if state.chunks and not pressed.is_set():
            pressed.set()
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    with pytest.raises(KeyboardInterrupt):
        kb.add(docs, progress=interrupt)
    version = kb.store.version
    time.sleep(0.5)
    assert kb.store.version == version  # nothing goes on behind the caller's back
    assert kb.verify(repair=False).problems == ()
    done = len(kb.documents())
    assert 0 < done < 6000
    report = kb.add(docs)
    assert report.added == 6000 - done


def test_progress_counts_up_to_the_end(kb: KnowledgeBase, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="Alpha.", b="Beta.", c="")
    states: list[Progress] = []
    report = kb.add([docs, tmp_path / "missing.md"], progress=states.append)
    assert states[-1].files_done == states[-1].files_total == 4
    assert states[-1].failed == len(report.failed) == 2
    assert {Path(f.source).name for f in report.failed} == {"c.md", "missing.md"}
    assert all(failure.reason for failure in report.failed)


def test_names_of_every_kind(kb: KnowledgeBase, tmp_path: Path) -> None:
    folder = tmp_path / "with spaces and 中文"
    folder.mkdir()
    (folder / "保修 手册.md").write_text("保修期为十二个月。", encoding="utf-8")
    (folder / "it's.md").write_text("Quoted names are only names.", encoding="utf-8")
    with open(os.fsencode(folder) + b"/bad\xff.md", "w", encoding="utf-8") as file:
        file.write("A name with an invalid byte.")
    report = kb.add([folder])
    assert counts(report)[0] == 3, report
    hits = kb.search("保修期多久")
    assert hits[0].chunk.source.endswith("保修 手册.md")
    for info in kb.documents():
        info.source.encode("utf-8")
    assert kb.remove([folder / "it's.md"]).left == 0
    assert counts(kb.add([folder])) == (1, 0, 2, 0)


def test_what_cannot_be_is_refused(kb: KnowledgeBase) -> None:
    with pytest.raises(UnknownName, match="sliding"):
        kb.add([Document("/a", "Words.")], chunker="magic")
    with pytest.raises(UsageError):
        kb.add([Document("/a", "Words.")], access=[" "])
    with pytest.raises(UsageError):
        kb.add([Document("/a", "Words.")], metadata={"a": ["list"]})  # type: ignore[dict-item]
    assert kb.documents() == []


def test_a_read_only_folder_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFull, match="cannot be made"):
        trivium.open(tmp_path / "file" / "kb", embedder=FakeEmbedder())


def test_ten_thousand_tiny_files(open_kb: Callable[..., KnowledgeBase], tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    for n in range(10_000):
        (folder / f"{n}.txt").write_text(f"Note {n} says word{n}.")
    kb = open_kb()
    report = kb.add([folder])
    assert counts(report) == (10_000, 0, 0, 0)
    assert kb.search("word7777", mode="lexical")[0].chunk.text == "Note 7777 says word7777."
    assert counts(kb.add([folder])) == (0, 0, 10_000, 0)
