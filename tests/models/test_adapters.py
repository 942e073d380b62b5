"""LoRA merged without torch: the arithmetic by hand, heads, names, and what is refused; on tiny models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.models.tiny_encoders import HIDDEN, POSITIONS, UNITS, write_encoder

from trivium.errors import ModelError, ModelNotFound
from trivium.models.adapters import ADAPTER, CONFIG, SETTINGS, merged, merged_weights
from trivium.models.rerank import OnnxReranker
from trivium.models.weights import content_hash

QUERY = "encoder.layer.1.attention.self.query"
DOWN = "encoder.layer.0.output.dense"
RANK, ALPHA = 4, 6.0


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))


def write_adapter(folder: Path, *, config: dict | None = None, said: dict | None = None) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    tensors = {
        f"bert.{QUERY}.lora_A.weight": rng.normal(0, 0.3, (RANK, HIDDEN)),
        f"bert.{QUERY}.lora_B.weight": rng.normal(0, 0.3, (HIDDEN, RANK)),
        f"bert.{DOWN}.lora_A.weight": rng.normal(0, 0.3, (RANK, UNITS)),
        f"bert.{DOWN}.lora_B.weight": rng.normal(0, 0.3, (HIDDEN, RANK)),
        "bert.pooler.dense.weight": rng.normal(0, 0.3, (HIDDEN, HIDDEN)),
        "bert.pooler.dense.bias": rng.normal(0, 0.3, HIDDEN),
        "classifier.weight": rng.normal(0, 0.3, (1, HIDDEN)),
        "classifier.bias": rng.normal(0, 0.3, 1),
    }
    tensors = {name: value.astype(np.float16) for name, value in tensors.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file({f"base_model.model.{name}": value for name, value in tensors.items()}, folder / ADAPTER)
    whole = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, **(config or {})}
    (folder / CONFIG).write_text(json.dumps(whole), "utf-8")
    if said is not None:
        (folder / SETTINGS).write_text(json.dumps(said), "utf-8")
    return {name: value.astype(np.float32) for name, value in tensors.items()}


@pytest.mark.parametrize(("config", "scale"), [({}, ALPHA / RANK), ({"use_rslora": True}, ALPHA / 2)])
def test_the_product_is_added_by_hand(tmp_path, config, scale):
    base = write_encoder(tmp_path / "base")
    parts = write_adapter(tmp_path / "adapter", config=config)
    found = merged_weights(tmp_path / "base", tmp_path / "adapter")
    for module in (QUERY, DOWN):
        product = parts[f"bert.{module}.lora_B.weight"] @ parts[f"bert.{module}.lora_A.weight"]
        assert np.abs(found[f"{module}.weight"] - base[f"{module}.weight"] - scale * product).max() < 1e-6
    changed = {f"{QUERY}.weight", f"{DOWN}.weight"}
    assert all(np.array_equal(found[name], base[name]) for name in base.keys() - changed)
    assert np.array_equal(found["classifier.weight"], parts["classifier.weight"])


def test_ranks_may_differ_by_layer(tmp_path):
    base = write_encoder(tmp_path / "base")
    parts = write_adapter(tmp_path / "adapter", config={"alpha_pattern": {"attention.self.query": 1.0}})
    found = merged_weights(tmp_path / "base", tmp_path / "adapter")
    for module, scale in ((QUERY, 1 / RANK), (DOWN, ALPHA / RANK)):
        product = parts[f"bert.{module}.lora_B.weight"] @ parts[f"bert.{module}.lora_A.weight"]
        assert np.abs(found[f"{module}.weight"] - base[f"{module}.weight"] - scale * product).max() < 1e-6


def test_an_encoder_becomes_a_reranker(tmp_path):
    base = write_encoder(tmp_path / "base", max_length=30)
    write_adapter(tmp_path / "adapter", said={"max_tokens": 20, "prior": 7.5})
    folder = merged(tmp_path / "base", tmp_path / "adapter")
    scores = OnnxReranker(folder, precision="fp32").rerank("two years", ["the warranty lasts", "the engine broke"])
    assert len(set(scores.tolist())) == 2
    assert json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"] == 20 < POSITIONS
    kept = load_file(folder / "model.safetensors")
    assert np.array_equal(kept["embeddings.word_embeddings.weight"], base["embeddings.word_embeddings.weight"])
    # made once: the second call returns the folder as it is
    (folder / "mark").write_text("here")
    assert merged(tmp_path / "base", tmp_path / "adapter") == folder
    assert (folder / "mark").exists()


def test_another_adapter_or_base_is_another_folder(tmp_path):
    write_encoder(tmp_path / "base")
    write_adapter(tmp_path / "adapter")
    first = merged(tmp_path / "base", tmp_path / "adapter")
    write_adapter(tmp_path / "adapter", config={"lora_alpha": 1.0})
    second = merged(tmp_path / "base", tmp_path / "adapter")
    write_encoder(tmp_path / "base", seed=5)
    assert len({first, second, merged(tmp_path / "base", tmp_path / "adapter")}) == 3


def test_what_does_not_fit_is_refused(tmp_path):
    write_encoder(tmp_path / "base")
    write_encoder(tmp_path / "roberta", "roberta")
    write_adapter(tmp_path / "dora", config={"use_dora": True})
    write_adapter(tmp_path / "ia3", config={"peft_type": "IA3"})
    write_adapter(tmp_path / "owned", said={"base": "another", "base_sha256": "0" * 64})
    write_adapter(tmp_path / "deep")
    tensors = load_file(tmp_path / "deep" / ADAPTER)
    save_file(
        {name.replace("layer.1", "layer.7"): value for name, value in tensors.items()}, tmp_path / "deep" / ADAPTER
    )
    for name, said in (("dora", "DoRA"), ("ia3", "IA3"), ("owned", "another"), ("deep", "layer.7")):
        with pytest.raises(ModelError, match=said):
            merged(tmp_path / "base", tmp_path / name)
    with pytest.raises(ModelNotFound, match=CONFIG):
        merged(tmp_path / "base", tmp_path / "nothing")
    assert not list((tmp_path / "home" / "merged").glob("*/model.safetensors"))


def test_the_named_base_is_taken(tmp_path):
    write_encoder(tmp_path / "base")
    write_adapter(tmp_path / "adapter", said={"base": "base", "base_sha256": content_hash(tmp_path / "base")})
    assert (merged(tmp_path / "base", tmp_path / "adapter") / "model.safetensors").is_file()
