"""Pictures of text, with a stand-in for tesseract."""

from __future__ import annotations

from pathlib import Path

import pytest

from trivium.documents.parts import Unreadable
from trivium.documents.readers.image import ocr_available, read_image

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
