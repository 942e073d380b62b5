"""PDF (thin version)."""

from __future__ import annotations

from trivium.documents.clean import drop_running_lines, join_lines
from trivium.documents.parts import Part, Reading, Unreadable
from trivium.documents.readers.office import reason


def read_pdf(data: bytes, *, ocr: bool = True) -> Reading:
    """Read a PDF."""
    import kreuzberg

    try:
        result = kreuzberg.extract_bytes_sync(
            data,
            "application/pdf",
            config=kreuzberg.ExtractionConfig(use_cache=False, pages=kreuzberg.PageConfig(extract_pages=True)),
        )
    except kreuzberg.KreuzbergError as error:
        raise Unreadable(reason(error)) from error
    pages = [page["content"].replace("\r\n", "\n").split("\n") for page in result.pages or []]
    if not any("".join(page).strip() for page in pages):
        raise Unreadable(f"it has no text layer: its {len(pages)} pages are pictures; install tesseract for OCR")
    parts = [Part(join_lines(page), page=number) for number, page in enumerate(drop_running_lines(pages), 1)]
    meta = result.metadata
    return Reading(
        parts,
        title=str(meta.get("title") or ""),
        author=", ".join(meta.get("authors") or []),
        created=str(meta.get("created_at") or ""),
    )
