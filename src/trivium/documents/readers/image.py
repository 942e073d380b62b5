"""Pictures of text, through tesseract where it is installed."""

from __future__ import annotations

import shutil
from typing import Any

from trivium.documents.parts import Part, Reading, Unreadable
from trivium.documents.readers.office import config, reason

NEEDS_OCR = "install tesseract to have pictures of text read (https://tesseract-ocr.github.io)"


def ocr_available() -> bool:
    """Whether the program `tesseract` can be found."""
    return shutil.which("tesseract") is not None


def ocr_config() -> Any:
    """Return kreuzberg's settings for reading pictures, in the languages that tesseract has."""
    import kreuzberg

    return config(ocr=kreuzberg.OcrConfig(backend="tesseract", language="+".join(_languages())), force_ocr=True)


def _languages() -> list[str]:
    """Return those of the languages wanted that are installed; English comes with tesseract."""
    import subprocess

    listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, timeout=30, check=False)
    installed = set(listed.stdout.split())
    return [name for name in ("eng", "chi_sim", "chi_tra", "jpn") if name in installed] or ["eng"]


def read_image(data: bytes, media_type: str) -> Reading:
    """Read the text of one picture.

    Raises:
        Unreadable: tesseract is not installed, fails, or sees no text.
    """
    if not ocr_available():
        raise Unreadable(f"it is a picture; {NEEDS_OCR}")
    import kreuzberg

    try:
        result = kreuzberg.extract_bytes_sync(data, media_type, config=ocr_config())
    except kreuzberg.KreuzbergError as error:
        raise Unreadable(reason(error)) from error
    if not result.content.strip():
        raise Unreadable("it is a picture, and tesseract sees no text in it")
    return Reading([Part(result.content)], warnings=("its text was read from a picture by tesseract",))
