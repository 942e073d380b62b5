"""Pictures of text, through tesseract where it is installed."""

from __future__ import annotations

import shutil

from trivium.documents.parts import Part, Reading, Unreadable

_LANGUAGES = ("eng", "chi_sim", "chi_tra", "jpn")
NEEDS_OCR = "install tesseract to have pictures of text read (https://tesseract-ocr.github.io)"


def ocr_available() -> bool:
    """Whether the program `tesseract` can be found."""
    return shutil.which("tesseract") is not None


def read_image(data: bytes, media_type: str) -> Reading:
    """Read the text of one picture.

    Raises:
        Unreadable: tesseract is not installed, fails, or sees no text.
    """
    if not ocr_available():
        raise Unreadable(f"it is a picture; {NEEDS_OCR}")
    import kreuzberg

    from trivium.documents.readers.office import config, reason

    try:
        result = kreuzberg.extract_bytes_sync(
            data,
            media_type,
            config=config(ocr=kreuzberg.OcrConfig(backend="tesseract", language="+".join(_LANGUAGES[:1]))),
        )
    except kreuzberg.KreuzbergError as error:
        raise Unreadable(reason(error)) from error
    if not result.content.strip():
        raise Unreadable("it is a picture, and tesseract sees no text in it")
    return Reading([Part(result.content)], warnings=("its text was read from a picture by tesseract",))
