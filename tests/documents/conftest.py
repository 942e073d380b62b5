"""Files made for the tests of documents: small PDFs with text at given places, and archives."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence

import pytest

Placed = tuple[float, float, float, str]
"""Left, top, size in points, and the words."""


def pdf_of(pages: Sequence[Sequence[Placed]], *, bold: frozenset[str] = frozenset()) -> bytes:
    """Return a PDF of A4 pages with Helvetica text; the words in `bold` are bold."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>")
    kids = []
    for page in pages:
        lines = []
        for x, top, size, words in page:
            escaped = words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
            font = "F2" if words in bold else "F1"
            lines.append(f"BT /{font} {size} Tf 1 0 0 1 {x} {842 - top} Tm ({escaped}) Tj ET")
        stream = "\n".join(lines)
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        resources = "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {len(objects)} 0 R {resources} >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    body = io.BytesIO()
    body.write(b"%PDF-1.4\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(body.tell())
        body.write(f"{number} 0 obj\n{content}\nendobj\n".encode("cp1252"))
    start = body.tell()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    body.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode())
    body.write(f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode())
    return body.getvalue()


def zip_of(files: dict[str, bytes | str]) -> bytes:
    """Return a ZIP archive of files by name."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()


@pytest.fixture(scope="session")
def make_pdf() -> Callable[..., bytes]:
    return pdf_of


@pytest.fixture(scope="session")
def make_zip() -> Callable[[dict[str, bytes | str]], bytes]:
    return zip_of
