"""PDF: lines to paragraphs, headings, lists and tables, over pages and columns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from trivium.documents.clean import clean
from trivium.documents.parse import parse
from trivium.documents.parts import Part, Unreadable, assemble
from trivium.documents.readers import pdf, pdf_stand_in
from trivium.documents.readers.pdf import read_pdf
from trivium.documents.readers.pdf_fonts import letters_by_name
from trivium.documents.readers.pdf_lines import Line, Segment, ordered

MakePdf = Callable[..., bytes]
Placed = tuple[float, float, float, str]
SENTENCES = [
    "The warranty of the device begins with the day of purchase and lasts for two years.",
    "It covers every fault of material and of workmanship that shows in ordinary use.",
    "Batteries and other parts that wear out are covered for six months, not longer.",
    "Send the device to the workshop with the receipt and a few words on the fault.",
]


def body(top: float, lines: Sequence[str], left: float = 70, size: float = 10) -> list[Placed]:
    return [(left, top + 12 * at, size, line) for at, line in enumerate(lines)]


def read(data: bytes) -> list[Part]:
    return clean(read_pdf(data, ocr=False).parts)


def text(data: bytes) -> str:
    return assemble(read(data)).text


def test_lines_become_paragraphs(make_pdf: MakePdf) -> None:
    page = body(100, SENTENCES) + body(170, SENTENCES[:2])
    assert text(make_pdf([page])) == " ".join(SENTENCES) + "\n\n" + " ".join(SENTENCES[:2])


def test_headings_by_size_and_by_boldness(make_pdf: MakePdf) -> None:
    page = [
        (70, 80, 20, "User Manual"),
        (70, 120, 14, "Warranty"),
        *body(140, SENTENCES),
        (70, 210, 10, "Returns"),
        *body(224, SENTENCES),
    ]
    found = read(make_pdf([page], bold=frozenset({"Returns", "Warranty"})))
    assert [(part.kind, part.level, part.text) for part in found if part.kind == "heading"] == [
        ("heading", 1, "User Manual"),
        ("heading", 2, "Warranty"),
        ("heading", 3, "Returns"),
    ]


def test_hyphens_at_line_ends(make_pdf: MakePdf) -> None:
    lines = ["The community is large, year-over-year, and the war-", "ranty of the device covers the commu-", "nity."]
    assert text(make_pdf([body(100, lines)])).startswith("The community is large, year-over-year, and the warranty of")
    assert "the community." in text(make_pdf([body(100, lines)]))


def test_two_columns_are_read_one_after_the_other(make_pdf: MakePdf) -> None:
    left = body(100, ["Left one begins here and", "goes on in the second line", "to the end of the column"], left=60)
    right = body(100, ["where the text of the right", "column takes it up and ends", "with a full stop."], left=310)
    assert text(make_pdf([[*left, *right]])).replace("\n", " ") == (
        "Left one begins here and goes on in the second line to the end of the column where the text of the right "
        "column takes it up and ends with a full stop."
    )


def test_what_the_file_writes_last_stands_where_it_is_seen(make_pdf: MakePdf) -> None:
    page = [
        *body(200, SENTENCES),
        (70, 90, 18, "Title on top"),
        (70, 120, 10, "A line below the title, above the text."),
    ]
    found = text(make_pdf([page]))
    assert found.index("Title on top") < found.index("A line below") < found.index(SENTENCES[0])


def test_running_heads_and_page_numbers_go(make_pdf: MakePdf) -> None:
    pages = [
        [
            (70, 40, 8, "ACME Handbook"),
            *body(100, [f"Only page {word} says this, {word}.", *SENTENCES]),
            (290, 800, 8, str(n)),
        ]
        for n, word in enumerate(("one", "two", "three", "four"), 1)
    ]
    document = parse(make_pdf(pages), "a.pdf")
    assert "ACME" not in document.text
    assert not re.search(r"\b[1-4]\b", document.text)
    assert [page.number for page in document.pages] == [1, 2, 3, 4]
    for page, word in zip(document.pages, ("one", "two", "three", "four"), strict=True):
        assert f"page {word} says" in document.text[page.start : page.end]


def test_a_paragraph_over_a_page_break_goes_on(make_pdf: MakePdf) -> None:
    first = body(
        700, ["This sentence begins on the first page of the document and is cut", "by the page break in the mid-"]
    )
    second = body(
        60, ["dle of a word, then it ends on the second page of the same document.", "Another one follows it."]
    )
    document = parse(make_pdf([first, second]), "a.pdf")
    assert "is cut by the page break in the middle of a word, then it ends" in document.text
    assert document.text[document.pages[1].start :].startswith("dle of a word")


def test_lists(make_pdf: MakePdf) -> None:
    page = body(
        100,
        [
            "The box holds:",
            "\u2022 one device",
            "\u2022 two cables that are long",
            "\u2022 a manual",
            "1. Open it.",
            "2. Read.",
        ],
    )
    assert text(make_pdf([page])).split("\n") == [
        "The box holds:",
        "",
        "- one device",
        "- two cables that are long",
        "- a manual",
        "1. Open it.",
        "2. Read.",
    ]


def table_page() -> list[Placed]:
    rows = [
        ("Model", "Weight", "Price"),
        ("Alpha", "1.2 kg", "$ 1,200"),
        ("Beta with a long name", "900 g", "$ 800"),
        ("Gamma", "", "$ 75"),
    ]
    return [
        (left, 100 + 14 * at, 10, cell)
        for at, row in enumerate(rows)
        for left, cell in zip((70, 250, 400), row, strict=True)
        if cell
    ]


def test_tables_keep_their_columns(make_pdf: MakePdf) -> None:
    # Each row is one line of the file, as spreadsheets print them.
    (part,) = read(make_pdf([table_page()]))
    assert part.kind == "table"
    assert part.text.split("\n") == [
        "| Model | Weight | Price |",
        "| --- | --- | --- |",
        "| Alpha | 1.2 kg | $ 1,200 |",
        "| Beta with a long name | 900 g | $ 800 |",
        "| Gamma | | $ 75 |",
    ]


def test_wide_gaps_in_prose_are_no_table(make_pdf: MakePdf) -> None:
    justified = [
        (70, 100, 10, "The quick brown fox"),
        (250, 100, 10, "jumps over the lazy"),
        (400, 100, 10, "dog and"),
        (70, 112, 10, "This line runs through without any gap from the left edge to the right edge."),
        (70, 124, 10, "Another one does so as well, and it is as long as the line that stands above it."),
        (70, 136, 10, "sometimes there"),
        (220, 136, 10, "are gaps again"),
        (380, 136, 10, "in the line,"),
        (70, 148, 10, "and again a line that runs through from the left edge to the right edge of the text."),
    ]
    assert all(part.kind == "prose" for part in read(make_pdf([justified])))


@pytest.mark.parametrize(
    "data", [b"%PDF-1.7", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF", b"%PDF-" + bytes(range(256)) * 10]
)
def test_damaged(data: bytes) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        read_pdf(data)


def test_pages_without_text(make_pdf: MakePdf) -> None:
    with pytest.raises(Unreadable, match="no text layer: its 2 pages are pictures; install tesseract"):
        read_pdf(make_pdf([[], []]), ocr=False)
    reading = read_pdf(make_pdf([body(100, SENTENCES), [], body(100, SENTENCES)]), ocr=False)
    assert reading.warnings == ("page 2 of 3 has no text",)


def test_a_scan_is_read_where_tesseract_is_installed(make_pdf: MakePdf, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = []

    def recognise(picture: bytes) -> str:
        pictures.append(picture)
        return "Words on the\nscanned page.\n\nMore of them.\n"

    monkeypatch.setattr(pdf, "ocr_available", lambda: True)
    monkeypatch.setattr(pdf, "recognise", recognise)
    data = make_pdf([body(100, SENTENCES), [], body(100, SENTENCES)])
    reading = read_pdf(data, ocr=True)
    assert [part.text for part in reading.parts if part.page == 2] == ["Words on the scanned page.", "More of them."]
    assert reading.warnings == ("its text was read from pictures by tesseract, which makes mistakes",)
    assert len(pictures) == 1
    assert pictures[0].startswith(b"P5 2480 3509 255\n")
    assert len(pictures[0]) == 2480 * 3509 + len(b"P5 2480 3509 255\n")
    assert read_pdf(data, ocr=False).warnings == ("page 2 of 3 has no text",)


def test_letters_named_by_their_codes() -> None:
    font = (
        b"1 0 obj\n<< /Type /Font /BaseFont /ABCDEF+AdvT1 /Encoding 2 0 R >>\nendobj\n"
        b"2 0 obj\n<< /Type /Encoding /Differences [1 /C72 /C101 10 /C162 /C32] >>\nendobj\n"
        b"3 0 obj\n<< /Type /Font /BaseFont /Plain /Encoding << /Differences [65 /A /eacute] >> >>\nendobj\n"
    )
    found = letters_by_name(font)
    assert found == {name: {1: "H", 2: "e", 10: "\ufb01", 11: " "} for name in ("ABCDEF+AdvT1", "AdvT1")}
    assert letters_by_name(b"%PDF " + bytes(1000)) == {}


def test_vertical_lines_are_read_from_the_right() -> None:
    lines = [
        Line([Segment(name, x, y, x + 10, y + 100)], 10, vertical=True)
        for name, x, y in (("d", 30, 200), ("b", 30, 20), ("a", 60, 20), ("c", 60, 200))
    ]
    assert [line.text for line in ordered(lines)] == ["a", "b", "c", "d"]


def test_the_stand_in_is_a_font() -> None:
    data = pdf_stand_in.font()
    assert data[:4] == b"\x00\x01\x00\x00"
    assert len(data) < 1000


@pytest.mark.parametrize(
    ("raw", "iso"),
    [
        ("D:20090401163925-07'00'", "2009-04-01T16:39:25-07:00"),
        ("D:20240102030405Z", "2024-01-02T03:04:05Z"),
        ("D:2024", "2024-01-01"),
        ("D:20240203", "2024-02-03"),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_dates(raw: str, iso: str) -> None:
    assert pdf._date(raw) == iso


def test_real_reports_say_on_each_page_what_they_print_there(shared_data: Path) -> None:
    """The words and figures that people quoted from real annual reports are on the pages that they named."""
    folder = shared_data / "financebench"
    asked = [json.loads(line) for line in (folder / "financebench_open_source.jsonl").read_text("utf-8").splitlines()]
    small = {path.stem: path for path in (folder / "pdfs").iterdir() if path.stat().st_size < 480_000}
    pages: dict[str, dict[int, set[str]]] = {}
    checked = 0
    for question in asked:
        name = question["doc_name"]
        if name not in small:
            continue
        if name not in pages:
            document = parse(small[name].read_bytes(), small[name].name)
            pages[name] = {p.number: _words(document.text[p.start : p.end]) for p in document.pages}
        for evidence in question["evidence"]:
            quoted = _words(evidence["evidence_text"])
            found = quoted & pages[name][evidence["evidence_page_num"] + 1]
            assert len(found) >= 0.97 * len(quoted), (name, evidence["evidence_page_num"], quoted - found)
            checked += 1
    assert checked >= 10


def _words(text: str) -> set[str]:
    return set(re.findall(r"[\w.,%]+\w", text))
