from __future__ import annotations

import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.generate.cite import cite, page_at
from trivium.generate.evidence import Evidence
from trivium.types import Chunk, Document, Hit, Page

TEXT = (
    "Preface. The warranty of the X-200 lasts 24 months from the day of purchase. It does not cover the battery. "
    "Refunds are paid within thirty days. 打印机的保修期为二十四个月。退款在三十天内支付。"
)
MIDDLE = TEXT.index("Refunds")
DOCUMENT = Document("manual.pdf", TEXT, pages=(Page(1, 0, MIDDLE), Page(2, MIDDLE, len(TEXT))))


def read(document_id: str) -> Document | None:
    return DOCUMENT if document_id == "d" else None


def hit(start: int = 9, end: int = len(TEXT), document_id: str = "d", page: int | None = 1) -> Hit:
    return Hit(Chunk("c", document_id, "manual.pdf", TEXT[start:end], start, end, page=page), 1.0, ("x",))


def test_each_sentence_is_numbered_and_proved() -> None:
    said = "The warranty lasts 24 months. Refunds are paid within thirty days. The warranty lasts 24 months."
    cited = cite(said, "How long is the warranty?", Evidence([hit()]), read)
    assert cited.text == (
        "The warranty lasts 24 months [1]. Refunds are paid within thirty days [2]. The warranty lasts 24 months [1]."
    )
    first, second = cited.citations
    assert first.quote == "The warranty of the X-200 lasts 24 months from the day of purchase."
    assert (first.marker, first.source, first.page, first.document_id, first.chunk_id) == (1, "manual.pdf", 1, "d", "c")
    assert second.page == 2  # its own page, not the one that its chunk begins on
    assert cited.unsupported == ()


def test_a_lie_carries_no_number_and_is_listed() -> None:
    said = "The warranty lasts 36 months [1]. Refunds are paid within thirty days [1]. It covers the battery [2]."
    cited = cite(said, "How long is the warranty?", Evidence([hit()]), read)
    assert [cited.text[start:end] for start, end in cited.unsupported] == [
        "The warranty lasts 36 months.", "It covers the battery.",
    ]  # fmt: skip
    assert re.findall(r"\[(\d+)\]", cited.text) == ["1"]
    assert cited.citations[0].quote == "Refunds are paid within thirty days."
    assert [judged.objection for judged in cited.judgements] == ["numbers", "", "negation"]


def test_chinese() -> None:
    cited = cite("保修期为24个月。保修期为48个月。", "保修期是多久？", Evidence([hit()]), read)
    assert cited.text == "保修期为24个月[1]。保修期为48个月。"
    assert cited.citations[0].quote == "打印机的保修期为二十四个月。"
    assert [cited.text[s:e] for s, e in cited.unsupported] == ["保修期为48个月。"]


def test_a_document_that_changed_or_was_withdrawn_is_not_cited(caplog: pytest.LogCaptureFixture) -> None:
    for stored in (None, Document("manual.pdf", TEXT.replace("24", "12"))):
        with caplog.at_level(logging.WARNING, "trivium.generate"):
            cited = cite(
                "The warranty lasts 24 months.", "Warranty?", Evidence([hit()]), lambda _, stored=stored: stored
            )
        assert cited.citations == ()
        assert cited.text == "The warranty lasts 24 months."
        assert len(cited.unsupported) == 1
        assert "no longer matches" in caplog.text


def test_nothing_said_and_nothing_shown() -> None:
    assert cite("", "q", Evidence([hit()]), read).text == ""
    cited = cite("The warranty lasts 24 months.", "q", Evidence([]), read)
    assert cited.unsupported == ((0, len("The warranty lasts 24 months.")),)


def test_pages() -> None:
    assert page_at(DOCUMENT, MIDDLE, 1) == 2
    assert page_at(Document("a.md", "text"), 0, None) is None


PIECES = st.sampled_from(
    ["The warranty", "lasts", "24 months", "36 months", ".", "\n", "not", "the battery", "It covers", "[1]", "【2】",
     "保修期", "为", "二十四个月", "。", "Refunds", "within", "thirty days", "  ", "! ", "- ", "Maria Lopez"]
)  # fmt: skip


@given(
    st.lists(PIECES, max_size=25).map(" ".join),
    st.tuples(st.integers(0, len(TEXT)), st.integers(0, len(TEXT))).map(sorted),
)
def test_every_citation_is_exact_whatever_is_said(said: str, span: list[int]) -> None:
    passages = [hit(span[0], span[1]), hit(document_id="gone")]
    cited = cite(said, "How long is the warranty? 保修期多久", Evidence(passages), read)
    for citation in cited.citations:
        assert citation.document_id == "d"
        assert TEXT[citation.start : citation.end] == citation.quote != ""
        assert span[0] <= citation.start < citation.end <= span[1]
    numbers = {int(n) for n in re.findall(r"\[(\d+)\]", cited.text)}
    assert numbers == {citation.marker for citation in cited.citations}
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    for start, end in cited.unsupported:
        assert "[" not in cited.text[start:end]
        assert cited.text[start:end].strip() == cited.text[start:end] != ""
