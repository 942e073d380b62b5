"""A knowledge base that only remembers what it was asked, so that the command line is tested alone."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from trivium import api
from trivium.cli import main, progress
from trivium.index.index import DocumentInfo
from trivium.index.tally import AddReport, Failure, Progress
from trivium.index.upkeep import Removed, RemoveReport, VerifyReport
from trivium.types import Answer, Chunk, Citation, Hit, Timing, Usage

CHUNK = Chunk("c1", "d1", "/docs/[bold]warranty.pdf", "The warranty is 24 months. [1] [red]x[/red]", 0, 43, page=3)
HIT = Hit(CHUNK, 0.75, ("dense", "lexical"))
CITATION = Citation(1, CHUNK.source, 3, 0, 26, "The warranty is 24 months.", "d1", "c1")
ANSWER = Answer(
    "How long?",
    "It is 24 months [1]. It is blue.",
    citations=(CITATION,),
    hits=(HIT,),
    unsupported=((21, 32),),
    usage=Usage(100, 8),
    seconds=Timing(0.1, 0.4, 0.5),
)
REFUSAL = Answer("Who?", "The documents do not say.", refused=True)


@dataclass
class StubKb:
    """Answers as told, and keeps the calls."""

    calls: list[tuple[str, Any]] = field(default_factory=list)
    failed: tuple[Failure, ...] = ()
    vanished: list[str] = field(default_factory=list)
    problems: tuple[str, ...] = ()
    answers: list[Answer | BaseException] = field(default_factory=list)
    noise: Callable[[], None] = lambda: None

    def add(self, paths: Sequence[str], **options: Any) -> AddReport:
        options.pop("progress")(Progress(1, 2, 3, 0, "a.md"))
        self.calls.append(("add", (list(paths), options)))
        self.noise()
        return AddReport(2, 1, 3, self.failed, 17, 0.5)

    def search(self, question: str, **options: Any) -> list[Hit]:
        self.calls.append(("search", (question, options)))
        self.noise()
        return [HIT]

    def documents(self) -> list[DocumentInfo]:
        long = "/a/very/long/path/" + "x" * 150 + "/手册.pdf"
        return [DocumentInfo("d1", long, 4, 1234, ("user:ada",), {"year": 2024}, "2026-11-21T09:00:00+00:00")]

    def remove(self, sources: Sequence[str]) -> RemoveReport:
        self.calls.append(("remove", list(sources)))
        return RemoveReport(tuple(Removed(source, 4, 4, 4, 1) for source in sources), 0)

    def missing(self) -> list[str]:
        return self.vanished

    def verify(self, repair: bool = True) -> VerifyReport:
        self.calls.append(("verify", repair))
        return VerifyReport(3, 12, self.problems, bool(self.problems) and repair)

    def export(self, path: Path) -> Path:
        path.write_bytes(b"archive")
        return path

    def ask(self, question: str, *rest: Any, **options: Any) -> Answer:
        self.calls.append(("ask", (question, *rest, options)))
        self.noise()
        given = self.answers.pop(0) if self.answers else ANSWER
        if isinstance(given, BaseException):
            raise given
        if options["on_text"]:
            options["on_text"](given.text)
        return given


@pytest.fixture
def kb(monkeypatch: pytest.MonkeyPatch) -> StubKb:
    """Stands in for the library; the last `open` call is in `calls`."""
    stub = StubKb()

    def open(uri: str, **options: Any) -> StubKb:
        stub.calls.append(("open", (uri, options)))
        return stub

    monkeypatch.setattr(api, "open", open)
    monkeypatch.setattr(api, "ask", lambda kb, question, *rest, **options: kb.ask(question, *rest, **options))
    monkeypatch.setattr(api, "import_archive", lambda path, uri: open(uri, archive=path))
    monkeypatch.setattr(progress, "fetch_defaults", lambda screen, roles: stub.calls.append(("fetch", list(roles))))
    for name in ("TRIVIUM_KB", "TRIVIUM_CHAT", "TRIVIUM_EMBEDDER", "TRIVIUM_RERANKER", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return stub


@dataclass
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object that is the whole of standard output."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """The command sets up logging for its process, which here is the process of all tests."""
    root, own = logging.getLogger(), logging.getLogger("trivium")
    handlers, level = list(root.handlers), own.level
    yield
    root.handlers[:] = handlers
    own.setLevel(level)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run the command in this process; the output is caught at the file descriptors."""

    def run(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        sys.stdout.flush()
        out, err = capfd.readouterr()
        assert isinstance(stop.value.code, int)
        return Done(stop.value.code, out, err)

    return run
