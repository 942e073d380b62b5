"""Chunking: exact spans that cover the text, within their sizes, cut where a reader would."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trivium.documents import CHUNKERS, Piece
from trivium.documents.chunking.definitions import definition_spans, inner_spans
from trivium.documents.chunking.piece import shorten
from trivium.documents.clean import clean
from trivium.documents.parse import parse
from trivium.documents.parts import Part, assemble
from trivium.types import Document, Span

_TOKEN = re.compile(r"[\u4e00-\u9fff]|\w+|[^\w\s]")


def tokens(text: str) -> list[Span]:
    return [match.span() for match in _TOKEN.finditer(text)]


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return letters counted: texts of the same words are alike."""
    vectors = np.zeros((len(texts), 64), dtype=np.float32)
    for row, text in zip(vectors, texts, strict=True):
        for word in re.findall(r"\w+", text):
            row[sum(map(ord, word)) % 64] += 1
        row[0] += 1e-3
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def document_of(parts: Sequence[Part]) -> Document:
    joined = assemble(clean(parts))
    return Document("a", joined.text, joined.pages, joined.headings, joined.blocks)


def cut(name: str, document: Document, **options: int) -> list[Piece]:
    needs: dict[str, Callable[..., object]] = {"embed": embed} if name == "semantic" else {}
    return CHUNKERS[name](document, tokens=tokens, **needs, **options)


def texts(name: str, document: Document, **options: int) -> list[str]:
    return [document.text[piece.start : piece.end] for piece in cut(name, document, **options)]


words = st.sampled_from(
    [
        "warranty",
        "device",
        "两年保修",
        "Dr.",
        "e.g.",
        "3.14",
        "a",
        "x_y-42",
        "。",
        "!",
        "(see",
        "it)",
        "\u3000",
        "“Yes.”",
        "中",
    ]
)
prose = st.builds(
    lambda items, gaps: "".join(a + b for a, b in zip(items, gaps, strict=False)),
    st.lists(words, max_size=60),
    st.lists(st.sampled_from([" ", "\n", ". ", "\n\n", "", "。"]), min_size=60, max_size=60),
)
table_text = st.integers(1, 12).map(
    lambda n: "| a | b |\n| --- | --- |\n" + "\n".join(f"| row {i} | {'x ' * (i % 7)} |" for i in range(n))
)
code_text = st.integers(1, 15).map(
    lambda n: (
        "```\n" + "\n\n".join(f"def f{i}(x):\n    return {' + '.join('x' * i or '0')}" for i in range(n)) + "\n```"
    )
)
part = st.one_of(
    st.builds(Part, prose, page=st.integers(1, 3)),
    st.builds(Part, prose),
    st.builds(
        Part, st.sampled_from(["One", "二", "A longer heading of words " * 3]), st.just("heading"), st.integers(1, 4)
    ),
    st.builds(Part, table_text, st.just("table")),
    st.builds(Part, code_text, st.just("code")),
    st.builds(Part, st.integers(0, 400).map(lambda n: "word " * n + "end")),
    st.builds(Part, st.integers(0, 400).map(lambda n: "无标点的长句" * (n // 6))),
)


@pytest.mark.parametrize("name", CHUNKERS)
@settings(max_examples=60, deadline=None)
@given(parts=st.lists(part, max_size=8), size=st.integers(1, 60))
def test_pieces_cover_the_text_within_their_size(name: str, parts: list[Part], size: int) -> None:
    document = document_of(parts)
    options = {"size": size} | ({"parent_size": size * 3} if name == "small_to_big" else {})
    options |= (
        {"overlap": 0} if size < 2 or name in ("semantic", "sentence_window") else {"overlap": min(30, size // 2)}
    )
    covered = [False] * len(document.text)
    before = -1
    for piece in cut(name, document, **options):
        assert 0 <= piece.start < piece.end <= len(document.text)
        assert piece.start >= before
        before = piece.start
        body = document.text[piece.start : piece.end]
        assert body.strip()
        assert not body[-1].isspace()
        assert len(tokens(body)) <= size
        covered[piece.start : piece.end] = [True] * (piece.end - piece.start)
        if piece.parent is not None:
            assert piece.parent[0] <= piece.start
            assert piece.end <= piece.parent[1] <= len(document.text)
    missed = "".join(c for c, done in zip(document.text, covered, strict=True) if not done)
    assert not missed.strip()


@pytest.mark.parametrize("name", CHUNKERS)
def test_an_empty_document_has_no_pieces(name: str) -> None:
    assert cut(name, Document("a", "")) == []
    assert cut(name, Document("a", " \n ")) == []


@pytest.mark.parametrize("name", CHUNKERS)
@pytest.mark.parametrize(
    "options", [{"size": 0}, {"size": -5}, {"size": 10, "overlap": 6}, {"size": 10, "overlap": -1}]
)
def test_sizes_that_cannot_be(name: str, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"chunk|overlap"):
        cut(name, Document("a", "text"), **options)


def test_sentences_stay_whole_in_both_languages() -> None:
    english = [f"Sentence number {n} of the text says a little more than nothing." for n in range(30)]
    chinese = [f"第{n}句话说明了保修期的计算方法，并且给出了例子。" for n in range(30)]
    document = document_of([Part(" ".join(english)), Part("".join(chinese))])
    for text in texts("sliding", document, size=60, overlap=15):
        assert text[-1] in ".。"
        assert text.startswith(("Sentence", "第"))


def test_neighbours_share_sentences_inside_a_paragraph_only() -> None:
    sentences = [f"Sentence {n} is here now." for n in range(12)]
    pieces = cut("sliding", document_of([Part(" ".join(sentences))]), size=18, overlap=6)
    for first, second in pairwise(pieces):
        assert second.start < first.end
    paragraphs = document_of([Part(" ".join(sentences[n : n + 3])) for n in range(0, 12, 3)])
    pieces = cut("sliding", paragraphs, size=18, overlap=6)
    assert all(second.start >= first.end for first, second in pairwise(pieces))


def test_paragraphs_of_squad_stay_whole(shared_data: Path) -> None:
    data = json.loads((shared_data / "squad" / "dev-v2.0.json").read_text("utf-8"))["data"]
    paragraphs = [item["context"] for article in data for item in article["paragraphs"]][:300]
    whole = sum(len(texts("sliding", Document("a", text))) == 1 for text in paragraphs)
    short = sum(len(tokens(text)) <= 200 for text in paragraphs)
    assert whole == short
    assert short > 0.75 * len(paragraphs)


def test_a_file_of_paragraphs_is_cut_between_them() -> None:
    paragraphs = ["The warranty of the device is described here in a few words, which go on. " * 10 for _ in range(4)]
    found = texts("sliding", document_of([Part(paragraph) for paragraph in paragraphs]))
    assert found == [paragraph.strip() for paragraph in paragraphs]


def sections() -> Document:
    body = "This section has a text of a certain length, so that it fills a good part of a piece. " * 6
    return document_of(
        [
            Part("Manual", "heading", 1),
            Part("Short introduction."),
            Part("Warranty", "heading", 2),
            Part(body),
            Part("Returns", "heading", 2),
            Part(body),
            Part("By post", "heading", 3),
            Part(body),
        ]
    )


def test_headings_begin_pieces_and_are_named_by_those_below() -> None:
    document = sections()
    pieces = cut("sliding", document, size=80, overlap=10)
    starts = {document.text[piece.start :].split("\n")[0]: piece.headings for piece in pieces}
    assert starts["## Returns"] == ("Manual",)
    assert starts["### By post"] == ("Manual", "Returns")
    inside = [piece for piece in pieces if not document.text[piece.start :].startswith("#")]
    assert {piece.headings for piece in inside} == {
        ("Manual", "Warranty"),
        ("Manual", "Returns"),
        ("Manual", "Returns", "By post"),
    }
    for piece in pieces:
        assert not document.text[piece.start : piece.end].rstrip().split("\n")[-1].startswith("#")


def test_by_headings_gives_each_section_its_piece() -> None:
    found = texts("by_headings", sections(), size=200)
    assert [text.split("\n")[0] for text in found] == ["# Manual", "## Warranty", "## Returns", "### By post"]


def test_small_sections_share_a_piece_unless_by_headings() -> None:
    parts = [item for n in range(8) for item in (Part(f"Q{n}", "heading", 2), Part("A short answer."))]
    assert len(texts("sliding", document_of(parts), size=200)) < 5
    assert len(texts("by_headings", document_of(parts), size=200)) == 8


def wide_table() -> Document:
    rows = "\n".join(f"| model {n} | {n}00 EUR | in stock |" for n in range(60))
    return document_of(
        [
            Part("Prices", "heading", 1),
            Part("Of this year:"),
            Part("| Model | Price | State |\n| --- | --- | --- |\n" + rows, "table"),
        ]
    )


def test_pieces_of_a_table_name_its_header() -> None:
    document = wide_table()
    pieces = cut("sliding", document, size=120)
    assert len(pieces) > 3
    first = document.text[pieces[0].start : pieces[0].end]
    assert first.startswith("# Prices\n\nOf this year:\n\n| Model | Price | State |\n| --- | --- | --- |\n| model 0")
    for piece in pieces[1:]:
        assert document.text[piece.start] == "|"
        assert piece.headings == ("Prices", "Model | Price | State")
        assert piece.kind == "table"
        assert not document.text[piece.start : piece.end].count("| --- |")


def test_table_rows_gives_each_row_its_piece() -> None:
    document = wide_table()
    found = cut("table_rows", document)
    rows = [piece for piece in found if piece.kind == "table"]
    assert len(rows) == 60
    assert document.text[rows[0].start : rows[0].end].endswith(
        "| model 0 | 000 EUR | in stock |".replace("000", "000"[:3])
    )
    assert document.text[rows[7].start : rows[7].end] == "| model 7 | 700 EUR | in stock |"
    assert rows[7].headings[-1] == "Model | Price | State"
    assert len([piece for piece in cut("table_rows", document, rows=5) if piece.kind == "table"]) == 12


def test_small_to_big_has_parents_that_hold_it() -> None:
    document = sections()
    pieces = cut("small_to_big", document, size=30, parent_size=120)
    assert len({piece.parent for piece in pieces}) < len(pieces)
    for piece in pieces:
        assert piece.parent is not None
        assert len(tokens(document.text[slice(*piece.parent)])) <= 120


def test_sentence_window_shows_the_neighbours() -> None:
    sentences = [f"Sentence {n} of this text has some more words in it." for n in range(10)]
    document = document_of([Part(" ".join(sentences))])
    pieces = cut("sentence_window", document, window=2)
    assert [document.text[piece.start : piece.end] for piece in pieces] == sentences
    assert document.text[slice(*(pieces[5].parent or (0, 0)))] == " ".join(sentences[3:8])
    assert document.text[slice(*(pieces[0].parent or (0, 0)))] == " ".join(sentences[:3])


def test_semantic_cuts_where_the_subject_changes() -> None:
    first = "The warranty covers the device and the warranty covers the parts of the device. " * 8
    second = "Bananas grow in warm lands where farmers pick bananas by hand. " * 8
    document = document_of([Part((first + second).strip())])
    pieces = cut("semantic", document, size=400)
    change = document.text.index("Bananas")
    edges = [piece.start for piece in pieces]
    assert min(abs(edge - change) for edge in edges[1:]) <= 90


def test_pages_of_pieces() -> None:
    document = document_of([Part("Text of one page. " * 10, page=n) for n in (1, 2, 4)])
    assert [piece.page for piece in cut("sliding", document, size=60)] == [1, 2, 4]


PYTHON = '''"""A module."""
import os

LIMIT = 3


@cached
def first(x):
    """Do it."""
    if x:
        return 1

    return 2


# About the class.
class Big(Base):
    """Holds methods."""

    def one(self):
        return "\u4e00"

    @property
    def two(self):
        return 2


async def last():
    pass
'''


def test_python_is_cut_at_definitions() -> None:
    spans = definition_spans(PYTHON)
    assert [name for _, _, name in spans] == ["", "first", "Big", "last"]
    assert "".join(PYTHON[start:end] for start, end, _ in spans) == PYTHON
    assert PYTHON[spans[1][0] :].startswith("@cached")
    assert PYTHON[spans[2][0] :].startswith("# About the class.")
    fenced = "```python\n" + PYTHON + "```"
    assert [name for _, _, name in definition_spans(fenced)] == ["", "first", "Big", "last"]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (
            "package a\n\nfunc One() {\n}\n\n// Two does.\nfunc (r *R) Two(x int) int {\n\treturn 1\n}\n",
            ["", "One", ""],
        ),
        ("use x;\n\n#[derive(Debug)]\npub struct A {\n}\n\nimpl A {\n    fn b() {}\n}\n", ["", "A", "A"]),
        (
            "import a from 'b'\n\nexport default function f() {\n}\n\nconst g = (x) => {\n}\n\nclass C {\n}\n",
            ["", "f", "g", "C"],
        ),
        (
            "#include <x>\n\nstatic int add(int a, int b) {\n    return a;\n}\n\nint main(void)\n{\n}\n",
            ["", "add", "main"],
        ),
        ("CREATE TABLE a (\n x int\n);\ncreate or replace function f() returns int as $$\n$$;\n", ["a", "f"]),
        ("def broken(:\n    pass\n\ndef fine():\n    pass\n", ["broken", "fine"]),
        ("just = 1\nlines = 2\n", [""]),
        ("", []),
    ],
)
def test_other_languages_are_cut_at_definitions(code: str, names: list[str]) -> None:
    spans = definition_spans(code)
    assert len(spans) == len(names)
    assert [found for (_, _, found), name in zip(spans, names, strict=True) if name] == [name for name in names if name]
    assert "".join(code[start:end] for start, end, _ in spans) == code


def test_a_class_is_cut_at_its_methods() -> None:
    body = PYTHON[PYTHON.index("class Big") : PYTHON.index("async def last")]
    assert [name for _, _, name in inner_spans(body)] == ["", "one", "two"]
    assert "".join(body[start:end] for start, end, _ in inner_spans(body)) == body


def test_code_by_definition() -> None:
    document = parse(PYTHON.encode(), "a.py")
    pieces = cut("code", document, size=25)
    found = {document.text[piece.start : piece.end].split("\n")[0].strip(): piece for piece in pieces}
    assert found["@cached"].headings == ()
    assert found["def one(self):"].headings == ("Big",)
    assert all(piece.kind == "code" for piece in pieces)
    assert document.text[found["@cached"].start : found["@cached"].end].rstrip().endswith("return 2")


def test_code_inside_prose_is_not_cut_where_it_fits() -> None:
    code = "```python\n" + "\n".join(f"step_{n}()" for n in range(10)) + "\n```"
    parts = [Part("Words before the code. " * 12), Part(code, "code"), Part("Words after the code. " * 12)]
    assert sum(code in text for text in texts("sliding", document_of(parts), size=90)) == 1


def test_long_heading_paths_are_shortened_from_outside() -> None:
    assert shorten(("a", "b")) == ("a", "b")
    assert shorten(("x" * 200, "inner")) == ("inner",)
    assert shorten(("outer", "y" * 300)) == ("y" * 80 + "…",)


def test_speed_beyond_the_tokens() -> None:
    """A megabyte is cut in well under a second beyond its tokens; a limit this loose fails on what is quadratic."""
    document = Document("a", "The warranty of the device covers faults of material, number 42. " * 16_000)
    spans = tokens(document.text)
    assert len(spans) > 100_000
    began = time.process_time()
    CHUNKERS["sliding"](document, tokens=lambda text: [(0, 1)] * 0 + tokens(text))
    assert time.process_time() - began < 15
