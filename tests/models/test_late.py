"""Late interaction: the mean highest cosine by hand, and what is kept; on tiny models."""

from __future__ import annotations

import numpy as np
import pytest
from tests.models.tiny_encoders import hidden_states, write_encoder

from trivium.models.late import LateReranker
from trivium.models.rerank import open_reranker
from trivium.retrieve.rerank import rerank
from trivium.types import Chunk, Hit

WORDS = {"the": 4, "warranty": 6, "two": 8, "years": 9, "engine": 11}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))


def states(weights, text: str) -> np.ndarray:
    inner = hidden_states(weights, [2, *(WORDS[word] for word in text.split()), 3])[1:-1]
    return inner / np.linalg.norm(inner, axis=1, keepdims=True)


def test_the_score_is_the_mean_highest_cosine(tmp_path):
    weights = write_encoder(tmp_path / "m")
    reranker = LateReranker(tmp_path / "m", precision="fp32")
    passages = ["two years", "the engine the warranty", "engine"]
    asked = states(weights, "warranty years")
    wanted = [(asked @ states(weights, passage).T).max(1).mean() for passage in passages]
    assert np.abs(reranker.rerank("warranty years", passages) - wanted).max() < 1e-3  # float16
    again = reranker.rerank("warranty years", [*passages[::-1], "two years"])
    assert np.abs(again - [*wanted[::-1], wanted[0]]).max() < 1e-3
    assert reranker.rerank("warranty", ["", "engine"])[0] == 0.0
    assert reranker.rerank("warranty", []).shape == (0,)


def test_the_search_s_score_stands_beside_it(tmp_path):
    write_encoder(tmp_path / "m")
    reranker = open_reranker(f"late:{tmp_path / 'm'}")
    assert isinstance(reranker, LateReranker)
    hits = [
        Hit(Chunk(str(n), "d", "s", text, 0, len(text)), 1.0 - n / 2, ("dense",))
        for n, text in enumerate(("engine", "two years", "the warranty"))
    ]
    judged = rerank("warranty years", hits, reranker)
    alone = reranker.rerank("warranty years", [hit.chunk.text for hit in hits])
    wanted = {hit.chunk.id: score + reranker.prior * hit.score for hit, score in zip(hits, alone, strict=True)}
    assert {hit.chunk.id: hit.score for hit in judged} == pytest.approx(wanted, abs=1e-5)
    assert [hit.score for hit in judged] == sorted(wanted.values(), reverse=True)
    # of a question in another script the model knows no word: the order stays
    assert rerank("保修期是多久", hits, reranker) == hits
