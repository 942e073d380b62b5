"""A question set placed in a knowledge base: sources that are stored, files in the place of quoted pages, resuming."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from trivium.errors import UsageError
from trivium.tasks.bench import find_files, make_bench_set, place
from trivium.tasks.questions import QuestionSet, read_questions
from trivium.types import Document, Example, Gold


@dataclass(frozen=True)
class Report:
    added: int
    unchanged: int
    updated: int = 0
    chunks: int = 0
    failed: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Progress:
    files_done: int
    files_total: int
    chunks: int


@dataclass
class Base:
    """Keeps documents by source, as a knowledge base does."""

    kept: dict[str, Document] = field(default_factory=dict)

    def add(self, paths: Iterable[Document], *, progress: Callable[[Any], None] | None = None) -> Report:
        added = unchanged = 0
        given = list(paths)
        for number, document in enumerate(given, 1):
            same = self.kept.get(document.source) == document
            added, unchanged = added + (not same), unchanged + same
            self.kept[document.source] = document
            if progress:
                progress(Progress(number, len(given), number))
        return Report(added, unchanged)

    def documents(self) -> list[Document]:
        return list(self.kept.values())


FILED = QuestionSet(
    "fin",
    (
        Example("1", "Q?", ("a",), (Gold("fin/X_2022/3", "Quoted."),), metadata={"document": "X_2022"}),
        Example("2", "R?", ("b",), (Gold("fin/Y_2021/1", "Other."),), metadata={"document": "Y_2021"}),
    ),
    (
        Document("fin/X_2022/3", "Quoted.", metadata={"document": "X_2022", "page": 3}),
        Document("fin/Y_2021/1", "Other.", metadata={"document": "Y_2021", "page": 1}),
    ),
)


@pytest.fixture
def filings(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "pdfs"
    folder.mkdir(parents=True)
    (folder / "X_2022.md").write_text("# The filing\n\nMuch is said. Quoted. And more.")
    (folder / "other.md").write_text("Nothing.")
    return folder.parent


def test_files_take_the_place_of_quoted_pages(filings: Path, tmp_path: Path) -> None:
    files = find_files(filings, FILED)
    assert {name: path.name for name, path in files.items()} == {"X_2022": "X_2022.md"}
    base, seen = Base(), []
    made = make_bench_set(FILED, tmp_path / "fin", base, files=files, progress=seen.append)
    assert (made.questions, made.documents, made.added, made.unchanged, made.failed) == (2, 2, 2, 0, ())
    assert set(base.kept) == {"fin/X_2022.md", "fin/Y_2021/1"}
    assert [(p.files_done, p.files_total) for p in seen] == [(1, 2), (2, 2)]
    first, second = read_questions(tmp_path / "fin" / "questions.jsonl").examples
    assert first.evidence == (Gold("fin/X_2022.md", "Quoted."),)
    assert first.metadata["document"] == "fin/X_2022.md"
    assert second.evidence == (Gold("fin/Y_2021/1", "Other."),)
    assert json.loads((tmp_path / "fin" / "bench-set.json").read_text())["documents"] == 2


def test_a_second_call_reads_no_file_again(filings: Path, tmp_path: Path) -> None:
    base, files = Base(), find_files(filings, FILED)
    make_bench_set(FILED, tmp_path / "fin", base, files=files)
    before = dict(base.kept)
    made = make_bench_set(FILED, tmp_path / "fin", base, files=files)
    assert (made.added, made.unchanged) == (0, 2)
    assert base.kept == before
    files["X_2022"].write_text("# The filing\n\nChanged.")
    assert make_bench_set(FILED, tmp_path / "fin", base, files=files).added == 1


def test_a_file_that_cannot_be_read_is_reported_and_the_rest_goes_on(filings: Path, tmp_path: Path) -> None:
    (filings / "pdfs" / "X_2022.md").unlink()
    (filings / "pdfs" / "X_2022.pdf").write_bytes(b"%PDF-1.7 cut")
    base = Base()
    made = make_bench_set(FILED, tmp_path / "fin", base, files=find_files(filings, FILED))
    assert [source for source, _ in made.failed] == ["fin/X_2022.pdf"]
    assert set(base.kept) == {"fin/Y_2021/1"}
    assert (tmp_path / "fin" / "questions.jsonl").exists()


def test_evidence_in_no_document_is_listed() -> None:
    questions = QuestionSet("s", (Example("1", "Q?", ("a",), (Gold("s/Lost", ""), Gold("", "words"))),))
    placed = place(questions)
    assert placed.missing == ("s/Lost",)
    with pytest.raises(UsageError, match="--corpus"):
        make_bench_set(questions, "/nowhere", Base())


def test_ordinary_passages_never_match_files_by_chance(tmp_path: Path) -> None:
    (tmp_path / "3.md").write_text("x")
    (tmp_path / "Normans.md").write_text("x")
    example = Example("1", "Q?", ("a",), (Gold("s/Normans/3", "x"),), metadata={"document": "s/Normans/3"})
    questions = QuestionSet("s", (example,), (Document("s/Normans/3", "x"),))
    assert find_files(tmp_path, questions) == {}


@pytest.mark.parametrize("name", ["xquad/xquad.zh.json", "multihop/hotpot_dev_distractor_v1.json", "cranfield"])
def test_evidence_of_real_sets_is_stored(shared_data: Path, tmp_path: Path, name: str) -> None:
    if not (shared_data / name).exists():
        pytest.skip(f"no {name} in the folder of real data")
    base = Base()
    made = make_bench_set(read_questions(shared_data / name, name="real"), tmp_path / "real", base)
    assert made.added == made.documents == len(base.kept)
    examples = read_questions(tmp_path / "real" / "questions.jsonl").examples
    sources = {gold.source for example in examples for gold in example.evidence}
    assert sources - set(base.kept) == set(made.missing)
    texts = {source: document.text for source, document in base.kept.items()}
    golds = [gold for example in examples for gold in example.evidence if gold.source in texts]
    assert len(golds) >= len(examples)
    assert all(gold.text in texts[gold.source] for gold in golds)
