"""A question set made ready to be measured on: a folder with a knowledge base and the questions, evidence placed.

The knowledge base is given by the caller. Where files of the set lie on disk (FinanceBench's filings), they take the
place of the pages that the set quotes, and the evidence points to them by name.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from trivium.documents import Loader
from trivium.errors import DocumentError, UsageError
from trivium.tasks.questions import QuestionSet, count_problems, write_questions
from trivium.types import Document, Example, Gold

QUESTIONS = "questions.jsonl"
KNOWLEDGE_BASE = "kb"
_RECORD = "bench-set.json"
_DEPTH = 3
"""Folders below the one given in which files are looked for."""


class Base(Protocol):
    """What is needed of a knowledge base."""

    def add(self, paths: Iterable[Document], *, progress: Callable[[Any], None] | None = None) -> Any:
        """Add documents; unchanged ones cost a hash."""

    def documents(self) -> Sequence[Any]:
        """The documents, each with its `source` and `metadata`."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Questions whose evidence names documents that will be stored.

    `files` are those to be read, by the source that they get; `missing` the sources that evidence names and neither
    the set nor the files have.
    """

    examples: tuple[Example, ...]
    documents: tuple[Document, ...]
    files: Mapping[str, Path] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BenchSet:
    """What was made. `failed` are the documents that could not be added, with the reasons."""

    folder: Path
    questions: int
    documents: int
    added: int
    unchanged: int
    failed: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


def find_files(folder: Path, questions: QuestionSet) -> dict[str, Path]:
    """Return the files below a folder that evidence or questions name, by that name, with or without its ending."""
    own = {document.source: document for document in questions.documents}
    wanted = {str(document.metadata["document"]) for document in own.values() if "document" in document.metadata}
    named = {gold.source for example in questions.examples for gold in example.evidence}
    wanted |= {_base(source) for source in named - set(own) if source}
    found: dict[str, Path] = {}
    for root, folders, names in os.walk(folder):
        deep = len(Path(root).relative_to(folder).parts) >= _DEPTH
        folders[:] = [] if deep else sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            for known in (name, Path(name).stem):
                if known in wanted:
                    found.setdefault(known, Path(root) / name)
    return found


def _base(source: str) -> str:
    return source.replace("\\", "/").rsplit("/", 1)[-1]


def place(questions: QuestionSet, files: Mapping[str, Path] | None = None) -> Placed:
    """Return the questions with evidence that names stored documents: files where there are some, else passages.

    Args:
        questions: as read.
        files: by the name under which the set knows them (`find_files`).
    """
    files = files or {}
    own = {document.source: document for document in questions.documents}
    sources = {name: f"{questions.name}/{path.name}" for name, path in files.items()}
    replaced: set[str] = set()
    missing: dict[str, None] = {}
    examples = []
    for example in questions.examples:
        evidence = []
        for gold in example.evidence:
            document = own.get(gold.source)
            filing = str(document.metadata.get("document", "")) if document else _base(gold.source)
            if filing in sources:
                replaced.add(gold.source)
                gold = Gold(sources[filing], gold.text)
            elif document is None and gold.source:
                missing.setdefault(gold.source)
            evidence.append(gold)
        about = str(example.metadata.get("document", ""))
        about = "" if about in own else sources.get(_base(about), "")
        metadata = {**example.metadata, "document": about} if about else example.metadata
        examples.append(replace(example, evidence=tuple(evidence), metadata=metadata))
    kept = tuple(document for document in questions.documents if document.source not in replaced)
    return Placed(tuple(examples), kept, {sources[name]: path for name, path in files.items()}, tuple(missing))


def check_documents(questions: QuestionSet, files: Mapping[str, Path]) -> None:
    """Refuse a set with nothing to search.

    Raises:
        UsageError: the set has no passages, and there are no files.
    """
    if not questions.documents and not files:
        raise UsageError(
            f"The set {questions.name} has no passages of its own, so that there is nothing to search.",
            "Give them: --corpus FILE (titles and texts), or --documents FOLDER (files that its evidence names).",
        )


def make_bench_set(
    questions: QuestionSet,
    folder: str | os.PathLike[str],
    base: Base,
    *,
    files: Mapping[str, Path] | None = None,
    progress: Callable[[Any], None] | None = None,
) -> BenchSet:
    """Fill a knowledge base with the documents of a set, and write the questions beside it.

    A second call goes on where the first was stopped: what is stored already costs a hash.

    Args:
        questions: as read.
        folder: takes `questions.jsonl` and a note of how it was made; `base` usually lies in its `kb`.
        base: the knowledge base.
        files: documents on disk, by the name under which the set knows them (`find_files`).
        progress: called as documents are added.

    Raises:
        UsageError: the set has no documents at all.
    """
    check_documents(questions, files or {})
    placed = place(questions, files)
    total = len(placed.documents) + len(placed.files)
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    known = {one.source: one.metadata.get("sha256") for one in base.documents()}
    done = _Counts(total, progress)
    report = base.add(placed.documents, progress=done.show) if placed.documents else None
    if report is not None:
        done.take(report)
    with Loader() as loader:
        for source, path in placed.files.items():
            digest = _digest(path)
            if known.get(source) == digest:
                done.same()
                continue
            try:
                document = loader.load(path, source=source).document
            except DocumentError as error:
                done.fail(source, error.reason)
                continue
            document = replace(document, metadata={**document.metadata, "sha256": digest})
            done.take(base.add([document], progress=done.show))
    count = write_questions(home / QUESTIONS, placed.examples)
    note = {
        "name": questions.name,
        "format": questions.format,
        "questions": count,
        "documents": total,
        "problems": count_problems(questions.problems),
        "missing": list(placed.missing),
    }
    (home / _RECORD).write_text(json.dumps(note, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return BenchSet(home, count, total, done.added, done.unchanged, tuple(done.failed), placed.missing)


class _Counts:
    """Sums the reports of several additions, and shows them as one."""

    def __init__(self, total: int, progress: Callable[[Any], None] | None) -> None:
        self.total, self._progress = total, progress
        self.added = self.unchanged = self.chunks = 0
        self.failed: list[tuple[str, str]] = []

    def show(self, progress: Any) -> None:
        if self._progress is not None:
            before = self.added + self.unchanged + len(self.failed)
            chunks = self.chunks + progress.chunks
            done = before + progress.files_done
            self._progress(replace(progress, files_done=done, files_total=self.total, chunks=chunks))

    def take(self, report: Any) -> None:
        self.added += report.added + report.updated
        self.unchanged += report.unchanged
        self.chunks += report.chunks
        self.failed += [(failure.source, failure.reason) for failure in report.failed]

    def same(self) -> None:
        self.unchanged += 1

    def fail(self, source: str, reason: str) -> None:
        self.failed.append((source, reason))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
