from __future__ import annotations

import pytest

from trivium.generate.manner import LARGE, SMALL, manner_for, parameters, reads
from trivium.models.fake import FakeChat


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("SmolLM2-135M-Instruct.Q4_1@0123456789ab", 135e6),
        ("Qwen2.5-0.5B-Instruct", 0.5e9),
        ("qwen2.5:1.5b", 1.5e9),
        ("llama-3.1-70b-instruct", 70e9),
        ("gpt-4o-mini", None),
        ("bge-m3", None),
        ("fake-chat", None),
    ],
)
def test_size_from_the_name(name: str, size: float | None) -> None:
    assert parameters(name) == size
    assert manner_for(FakeChat(name=name)) == (SMALL if size is not None and size < 1e9 else LARGE)


def test_a_vocabulary_that_falls_into_bytes() -> None:
    class Bytes(FakeChat):
        def count_tokens(self, text: str) -> int:
            return len(text.encode()) if not text.isascii() else len(text.split())

    assert reads(Bytes(), "How long is the warranty?")
    assert not reads(Bytes(), "保修期是多久？")
    assert reads(FakeChat(), "保修期是多久？")
    assert reads(Bytes(), "42?")


def test_freely() -> None:
    assert SMALL.extracts
    assert not SMALL.freely().extracts
    assert LARGE.freely() == LARGE
