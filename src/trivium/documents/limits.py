"""How much one file may take before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take. A file over a limit is reported with the limit's name and the rest goes on.

    Attributes:
        max_bytes: size of the file.
        seconds: wall-clock time of reading and parsing it, and of each scanned page that tesseract reads.
        ocr_seconds: wall-clock time of a file whose scanned pages tesseract reads: some 2 s a page.
        memory_bytes: memory that parsing may add to its worker process (enforced on Linux).
        max_text_chars: characters of text that come out of it.
        max_inflated_bytes: size of a compressed file (DOCX, XLSX, EPUB, ODT) when inflated.
        max_ratio: how many times larger than itself a compressed file may become, from 10 MB inflated on.
    """

    max_bytes: int = 256 * MEGABYTE
    seconds: float = 120.0
    ocr_seconds: float = 1800.0
    memory_bytes: int = 2048 * MEGABYTE
    max_text_chars: int = 256 * MEGABYTE
    max_inflated_bytes: int = 1024 * MEGABYTE
    max_ratio: int = 200
