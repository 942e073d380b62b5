"""Pictures of text, with a stand-in for tesseract, and with tesseract itself where it is installed."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from trivium.documents import pool
from trivium.documents.load import Limits, Loader
from trivium.documents.parts import Unreadable
from trivium.documents.readers.image import BY_OCR, ocr_available, read_image
from trivium.errors import DocumentError

SCRIPT = """#!/bin/sh
if [ "$1" = --list-langs ]; then echo 'List of available languages (3):'; echo eng; echo chi_sim; echo osd; exit 0; fi
cat > /dev/null
{}
"""


@pytest.fixture
def tesseract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "tesseract"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


def install(program: Path, does: str) -> None:
    program.write_text(SCRIPT.format(does))
    program.chmod(0o755)


def test_without_tesseract_the_cure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not ocr_available()
    with pytest.raises(Unreadable, match="it is a picture; install tesseract"):
        read_image(b"\x89PNG")


def test_text_in_the_languages_it_has(tesseract: Path) -> None:
    install(tesseract, 'echo "languages $4"; echo; echo "Second paragraph."')
    reading = read_image(b"\x89PNG" * 100_000)
    assert [part.text.strip() for part in reading.parts] == ["languages eng+chi_sim", "Second paragraph."]
    assert "makes mistakes" in reading.warnings[0]


def test_failures_are_reasons(tesseract: Path) -> None:
    install(tesseract, "echo 'Error in pixRead: unknown format' >&2; exit 1")
    with pytest.raises(Unreadable, match=r"cannot read .*unknown format"):
        read_image(b"x")
    install(tesseract, "echo ' '")
    with pytest.raises(Unreadable, match="sees no text"):
        read_image(b"x")


@pytest.mark.attack
def test_a_long_scan_is_given_time_for_each_page(
    tesseract: Path, tmp_path: Path, make_pdf: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tesseract, "sleep 2; echo 'The words of a page.'")
    monkeypatch.setattr(pool, "_GRACE", 0.0)
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(make_pdf([[], [], [], []]))
    with Loader(limits=Limits(seconds=6), workers=1) as loader:
        assert loader.load(scan).document.text.count("The words of a page.") == 4
    with Loader(limits=Limits(seconds=6, ocr_seconds=5), workers=1) as loader:
        with pytest.raises(DocumentError, match=r"longer than 5 s to be read by tesseract \(ocr_seconds\)"):
            loader.load(scan)
        assert loader.load(_text(tmp_path)).document.text == "Plain."  # the next file has a worker again
    install(tesseract, "sleep 30")
    with (
        Loader(limits=Limits(seconds=3), workers=1) as loader,
        pytest.raises(DocumentError, match="longer than 3 s to be parsed"),
    ):
        loader.load(scan)


def _text(folder: Path) -> Path:
    path = folder / "plain.txt"
    path.write_text("Plain.")
    return path


@pytest.fixture(scope="module")
def languages() -> set[str]:
    if not ocr_available():
        pytest.skip("tesseract is not installed (on Debian: apt-get install tesseract-ocr tesseract-ocr-chi-sim)")
    listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


@pytest.mark.real
def test_a_real_scan_of_three_pages(languages: set[str], shared_data: Path) -> None:
    scan = shared_data / "docs" / "markitdown__MEDRPT-2024-PAT-3847_medical_report_scan.pdf"
    with Loader(workers=1) as loader:
        document = loader.load(scan).document
    assert document.warnings == (BY_OCR,)
    assert [page.number for page in document.pages] == [1, 2, 3]
    first, second = (document.text[page.start : page.end] for page in document.pages[:2])
    for words in ("SEATTLE GENERAL HOSPITAL", "Patient ID: PAT-3847", "142/88 mmHg", "Lisinopril 10mg"):
        assert words in first
    for words in ("LABORATORY RESULTS", "CT Head without Contrast (10/28/2024)", "Hemoglobin 14.2 g/dL"):
        assert words in second


@pytest.mark.real
def test_a_scan_with_a_text_layer_keeps_the_layer(languages: set[str], shared_data: Path) -> None:
    with Loader(workers=1) as loader:
        document = loader.load(shared_data / "docs" / "pdf.js__scan-bad.pdf").document
    assert document.text == "pdf.js"
    assert document.warnings == ()


@pytest.mark.real
def test_a_real_picture_in_two_languages(languages: set[str], shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "docs" / "Langchain-Chatchat__ocr_test.docx") as archive:
        picture = tmp_path / "picture.jpeg"
        picture.write_bytes(archive.read("word/media/image1.jpeg"))
    with Loader(workers=1) as loader:
        document = loader.load(picture).document
    assert "English text" in document.text
    assert document.warnings == (BY_OCR,)
    assert document.media_type == "image/jpeg"
    if "chi_sim" not in languages:
        pytest.skip("tesseract has no Chinese here (on Debian: apt-get install tesseract-ocr-chi-sim)")
    assert "横向" in document.text
