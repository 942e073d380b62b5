"""A small Llama whose tokenizer llama.cpp knows, as a folder and as a GGUF file, and a finished run on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.tune.export.small_llama import write_llama
from tests.tune.small import write_dialogues


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="the extra 'tune' is not installed")
    return write_llama(tmp_path_factory.mktemp("llama") / "small")


@pytest.fixture(scope="session")
def dialogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dialogues(tmp_path_factory.mktemp("data") / "dialogues.json", 60)


@pytest.fixture(scope="session")
def finished(llama: Path, dialogues: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA run of some steps at a high rate, so that the adapter says something of its own."""
    from trivium.tune.run import Plan, tune

    folder = tmp_path_factory.mktemp("runs") / "law"
    training: dict[str, Any] = {"steps": 6, "batch": 8, "rate": 3e-2, "every": 6}
    tune(Plan(str(dialogues), base=str(llama), longest=96, tokens=256, training=training), folder)
    assert json.loads((folder / "report.json").read_text("utf-8"))["steps"] == 6
    return folder


@pytest.fixture(scope="session")
def in_gguf(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from trivium.tune.export.gguf_model import write_gguf_model

    return write_gguf_model(llama, tmp_path_factory.mktemp("gguf") / "small.gguf", precision="f16")
