"""Pictures of text, through the program `tesseract` where it is installed (https://tesseract-ocr.github.io)."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from trivium.documents.parts import Part, Reading, Unreadable

NEEDS_OCR = "install tesseract to have pictures of text read (https://tesseract-ocr.github.io)"
BY_OCR = "its text was read from pictures by tesseract, which makes mistakes"
_LANGUAGES = ("eng", "chi_sim", "chi_tra", "jpn", "kor", "deu", "fra", "spa", "rus", "ara")
_DOTS_PER_INCH = 300
_LARGEST_SIDE = 5000


def ocr_available() -> bool:
    """Whether tesseract can be found."""
    return shutil.which("tesseract") is not None


def read_image(data: bytes) -> Reading:
    """Read the text of one picture.

    Raises:
        Unreadable: tesseract is not installed, cannot read the picture, or sees no text in it.
    """
    if not ocr_available():
        raise Unreadable(f"it is a picture; {NEEDS_OCR}")
    text = recognise(data)
    if not text.strip():
        raise Unreadable("it is a picture, and tesseract sees no text in it")
    return Reading([Part(paragraph) for paragraph in text.split("\n\n")], warnings=(BY_OCR,))


def recognise(picture: bytes) -> str:
    """Return the text that tesseract sees in a picture, in those of the common languages that it has.

    Raises:
        Unreadable: it fails; the reason is its last line.
    """
    listed = _run(["--list-langs"], b"").split()
    languages = [name for name in _LANGUAGES if name in listed] or ["eng"]
    return _run(["stdin", "stdout", "-l", "+".join(languages), "--dpi", str(_DOTS_PER_INCH)], picture)


def _run(arguments: list[str], given: bytes) -> str:
    """Run tesseract and return what it prints."""
    try:
        done = subprocess.run(["tesseract", *arguments], input=given, capture_output=True, check=False)
    except OSError as error:
        raise Unreadable(f"it is a picture, and tesseract does not start ({error.strerror})") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit status {done.returncode}"]
        raise Unreadable(f"it is a picture that tesseract cannot read ({lines[-1][:200]})")
    return done.stdout.decode("utf-8", "replace").replace("\x0c", "\n\n")


def printed(page: Any) -> bytes:
    """Return a page of a PDF as a grey picture (PGM) in the resolution that tesseract likes best."""
    scale = min(_DOTS_PER_INCH / 72, _LARGEST_SIDE / max(1.0, *page.get_size()))
    bitmap = page.render(scale=scale, grayscale=True)
    pixels = bytes(bitmap.buffer)
    rows = (pixels[at * bitmap.stride : at * bitmap.stride + bitmap.width] for at in range(bitmap.height))
    return f"P5 {bitmap.width} {bitmap.height} 255\n".encode("ascii") + b"".join(rows)
