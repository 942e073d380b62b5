"""The cross-encoder: order, limits, labels; on tiny models."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.models.tiny_encoders import POSITIONS, hidden_states, write_encoder, write_json

from trivium.errors import ModelError, ModelNotFound, UsageError
from trivium.models.base import Reranker
from trivium.models.rerank import OnnxReranker, open_reranker

QUESTION = "two years of warranty"
PASSAGES = ["the warranty lasts two years", "", "the engine broke yesterday", "the", "engine " * 10]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_scores_are_in_the_order_of_the_passages(tmp_path, family):
    write_encoder(tmp_path / "m", family, labels=1)
    reranker: Reranker = OnnxReranker(tmp_path / "m")
    scores = reranker.rerank(QUESTION, PASSAGES)
    assert scores.shape == (len(PASSAGES),)
    assert np.isfinite(scores).all()
    assert np.array_equal(scores[::-1], reranker.rerank(QUESTION, PASSAGES[::-1]))
    assert np.array_equal(scores, np.concatenate([reranker.rerank(QUESTION, [text]) for text in PASSAGES]))
    assert len(set(scores.tolist())) == len(PASSAGES)
    assert reranker.rerank(QUESTION, []).shape == (0,)


def test_the_pair_is_built_as_the_tokenizer_says(tmp_path):
    weights = write_encoder(tmp_path / "m", labels=1)
    words = {"the": 4, "warranty": 6, "engine": 11}
    ids = [2, words["warranty"], 3, words["the"], words["engine"], 3]
    first = hidden_states(weights, ids, types=[0, 0, 0, 1, 1, 1])[0]
    pooled = np.tanh(first @ weights["bert.pooler.dense.weight"].T + weights["bert.pooler.dense.bias"])
    wanted = pooled @ weights["classifier.weight"].T + weights["classifier.bias"]
    score = OnnxReranker(tmp_path / "m", precision="fp32").rerank("warranty", ["the engine"])
    assert np.abs(score - wanted).max() < 1e-5


def test_two_labels_are_the_difference(tmp_path):
    weights = write_encoder(tmp_path / "two", labels=2)
    write_encoder(tmp_path / "one", labels=1)
    one = {name: value for name, value in weights.items() if not name.startswith("classifier")}
    difference = weights["classifier.weight"][1] - weights["classifier.weight"][0]
    one["classifier.weight"] = difference[None]
    one["classifier.bias"] = weights["classifier.bias"][1:] - weights["classifier.bias"][:1]
    from tests.models.tiny_encoders import save_weights

    save_weights(tmp_path / "one" / "model.safetensors", one)
    scores = [OnnxReranker(tmp_path / name, precision="fp32").rerank(QUESTION, PASSAGES) for name in ("one", "two")]
    assert np.abs(scores[0] - scores[1]).max() < 1e-5


def test_int8_ranks_as_float32(tmp_path):
    write_encoder(tmp_path / "m", labels=1)
    exact = OnnxReranker(tmp_path / "m", precision="fp32").rerank(QUESTION, PASSAGES)
    rounded = OnnxReranker(tmp_path / "m").rerank(QUESTION, PASSAGES)
    assert np.abs(exact - rounded).max() < 0.1 * (exact.max() - exact.min())


def test_the_passage_is_cut_before_the_question(tmp_path, caplog):
    write_encoder(tmp_path / "m", labels=1)
    reranker = OnnxReranker(tmp_path / "m")
    room = POSITIONS - 3 - 4  # special tokens, question
    whole, longer = "the " * room, "the " * room + "engine broke"
    with caplog.at_level(logging.WARNING, logger="trivium.models"):
        scores = reranker.rerank(QUESTION, [whole, longer])
    assert scores[0] == scores[1]
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 2 passages do not fit 40 tokens with the question and were cut"
    ]


def test_an_endless_question_still_leaves_room_for_the_passages(tmp_path):
    write_encoder(tmp_path / "m", labels=1)
    reranker = OnnxReranker(tmp_path / "m")
    scores = reranker.rerank("two years " * 10_000, PASSAGES)
    assert len(set(scores.tolist())) > 1, "the passages still make a difference"
    assert np.array_equal(scores, reranker.rerank("two years " * 20_000, PASSAGES))


def test_threads_may_share_a_reranker(tmp_path):
    write_encoder(tmp_path / "m", labels=1)
    reranker = OnnxReranker(tmp_path / "m")
    expected = reranker.rerank(QUESTION, PASSAGES)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: reranker.rerank(QUESTION, PASSAGES), range(30)))
    assert all(np.array_equal(result, expected) for result in results)


def test_odd_texts_give_finite_scores(tmp_path):
    write_encoder(tmp_path / "m", labels=1)
    reranker = OnnxReranker(tmp_path / "m")
    for question in ("", "\x00", "a\ud800", "中文"):
        assert np.isfinite(reranker.rerank(question, ["", "\ud800", "中文", "\n"])).all()


def test_models_that_do_not_rank_are_refused(tmp_path):
    write_encoder(tmp_path / "three", labels=3)
    with pytest.raises(ModelError, match="3 labels"):
        OnnxReranker(tmp_path / "three")
    write_encoder(tmp_path / "embedder")
    with pytest.raises(ModelError, match="classification head"):
        OnnxReranker(tmp_path / "embedder")
    write_json(tmp_path / "embedder" / "config.json", {"model_type": "qwen3"})
    with pytest.raises(ModelError, match="qwen3"):
        OnnxReranker(tmp_path / "embedder")


def test_opening(tmp_path):
    assert open_reranker() is None
    write_encoder(tmp_path / "m", labels=1)
    reranker = open_reranker(str(tmp_path / "m"))
    assert reranker is not None
    assert reranker.name.startswith("m-int8-")
    with pytest.raises(ModelNotFound, match="trivium pull some/model"):
        open_reranker("some/model")
    with pytest.raises(UsageError, match="#model-name"):
        open_reranker("https://host/v1")
