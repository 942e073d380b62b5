"""Small knowledge bases on the fake embedder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import trivium
from trivium.api import KnowledgeBase
from trivium.models.fake import FakeEmbedder
from trivium.types import Document


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture
def open_kb(tmp_path: Path, embedder: FakeEmbedder) -> Callable[..., KnowledgeBase]:
    def make(name: str = "kb") -> KnowledgeBase:
        return trivium.open(tmp_path / name, embedder=embedder)

    return make


@pytest.fixture
def kb(open_kb: Callable[..., KnowledgeBase]) -> KnowledgeBase:
    return open_kb()


def document(source: str, text: str, **fields: object) -> Document:
    return Document(source=source, text=text, **fields)  # type: ignore[arg-type]
