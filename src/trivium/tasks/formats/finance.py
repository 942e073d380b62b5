"""FinanceBench (Islam et al. 2023, arXiv:2311.11944): questions on the filings of companies, which are PDF files.

The pages that hold the evidence are the set's own passages; `trivium bench-set` points the evidence to the PDF files
instead where their folder lies beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.tasks.records import Record
from trivium.tasks.sheet import Sheet
from trivium.tasks.values import text, texts
from trivium.types import Gold, Scalar


def is_financebench(record: Mapping[str, Any]) -> bool:
    """Whether a record asks about a named filing and quotes its pages."""
    evidence = record.get("evidence")
    first = evidence[0] if isinstance(evidence, list) and evidence else None
    paged = isinstance(first, Mapping) and "evidence_page_num" in first
    return "question" in record and ("financebench_id" in record or paged)


def read_financebench(record: Record, sheet: Sheet) -> None:
    """Read a question. `metadata["document"]` is the name of the filing, without `.pdf`."""
    value = record.value
    filing = text(value.get("doc_name"))
    evidence = []
    for quote in value.get("evidence") or []:
        words = text(quote["evidence_text"])
        named = text(quote.get("doc_name", quote.get("evidence_doc_name"))) or filing
        page = quote.get("evidence_page_num")
        whole = text(quote.get("evidence_text_full_page")) or words
        about: dict[str, Scalar] = {"document": named}
        if isinstance(page, int):
            about["page"] = page
        source = sheet.passage(whole, f"{named}/{text(page) or sheet.short(whole)}", title=named, metadata=about)
        evidence.append(Gold(source, words))
    sheet.example(
        text(value["question"]),
        id=text(value.get("financebench_id")),
        answers=texts(value.get("answer")),
        evidence=evidence,
        tags=(text(value.get("question_type")), text(value.get("question_reasoning"))),
        metadata={"document": filing, "company": text(value.get("company"))},
    )
