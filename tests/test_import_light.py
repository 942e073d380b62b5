"""`import trivium` stays light: decoys of the heavy packages stand first on the path and must not be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "light_import.py"
HEAVY = ["torch", "transformers", "fastapi", "lancedb", "onnxruntime", "xllamacpp", "kreuzberg", "jieba"]


def run(code: list[str], path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(path)},
    )


@pytest.fixture
def decoys(tmp_path: Path) -> Path:
    for name in HEAVY:
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('{name} was imported')\n")
    return tmp_path


def test_import_and_help_load_nothing_heavy(decoys: Path) -> None:
    done = run([str(SCRIPT)], decoys)
    assert done.returncode == 0, done.stderr
    assert "import trivium: light" in done.stderr


def test_the_decoys_would_be_noticed(decoys: Path) -> None:
    done = run(["-c", "import trivium.models.base, torch"], decoys)
    assert "torch was imported" in done.stderr


@pytest.mark.parametrize(
    "module", ["trivium.models.embed", "trivium.models.chat", "trivium.cli.program", "trivium.patterns"]
)
def test_modules_that_every_command_loads_are_light(module: str, decoys: Path) -> None:
    done = run(["-c", f"import {module}"], decoys)
    assert done.returncode == 0, done.stderr


def test_no_import_reads_the_chinese_dictionary(tmp_path: Path) -> None:
    code = (
        "import sys, trivium.patterns, trivium.api; from trivium.text import chinese;"
        "sys.exit(chinese._dictionary.cache_info().currsize)"
    )
    assert run(["-c", code], tmp_path).returncode == 0
