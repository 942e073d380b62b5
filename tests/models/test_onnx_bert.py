"""The ONNX graphs against a forward pass in plain numpy, over families, heads, poolings and number formats."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.tiny_encoders import (
    HIDDEN,
    POSITIONS,
    VOCABULARY,
    hidden_states,
    random_weights,
    save_weights,
    unit,
    write_encoder,
    write_json,
)

from trivium.errors import ModelError, ModelNotFound
from trivium.models import onnx_bert, onnx_graph, onnx_run
from trivium.models.encoder_config import read_config
from trivium.models.onnx_graph import Graph, quantise
from trivium.models.onnx_run import EncoderSession, cached_graph, equal_length_batches

LENGTHS = (1, 2, 7, 7, 19, 31)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def texts(seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, VOCABULARY, length).tolist() for length in LENGTHS]


def session(folder: Path, *, head: str = "embedding", precision: str = "fp32", batch_tokens: int = 1):
    return EncoderSession(folder, head=head, precision=precision, threads=2, batch_tokens=batch_tokens)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_float32_graph_is_the_reference(tmp_path, family, activation):
    weights = write_encoder(tmp_path / "m", family, activation=activation)
    vectors = session(tmp_path / "m").run(texts())
    eps = 1e-12 if family == "distilbert" else 1e-5
    for ids, vector in zip(texts(), vectors, strict=True):
        states = hidden_states(weights, ids, family=family, activation=activation, eps=eps)
        assert np.abs(vector - unit(states.mean(0))).max() < 1e-5


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("mean_tokens", lambda states: states.mean(0)),
        ("mean_sqrt_len_tokens", lambda states: states.sum(0) / np.sqrt(len(states))),
        ("cls_token", lambda states: states[0]),
        ("max_tokens", lambda states: states.max(0)),
    ],
)
def test_pooling_is_read_from_the_folder(tmp_path, pooling, pool):
    weights = write_encoder(tmp_path / "m", pooling=pooling)
    for ids, vector in zip(texts(), session(tmp_path / "m").run(texts()), strict=True):
        assert np.abs(vector - unit(pool(hidden_states(weights, ids)))).max() < 1e-5


def test_pooling_is_found_where_modules_json_says(tmp_path):
    weights = write_encoder(tmp_path / "m")
    (tmp_path / "m" / "1_Pooling").rename(tmp_path / "m" / "pool")
    write_json(tmp_path / "m" / "pool" / "config.json", {"pooling_mode": "cls"})
    kinds = [("", "sentence_transformers.models.Transformer"), ("pool", "sentence_transformers.models.Pooling")]
    write_json(tmp_path / "m" / "modules.json", [{"path": path, "type": kind} for path, kind in kinds])
    vector = session(tmp_path / "m").run([[5, 6, 7]])[0]
    assert np.abs(vector - unit(hidden_states(weights, [5, 6, 7])[0])).max() < 1e-5


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_number_formats_are_read(tmp_path, dtype):
    weights = write_encoder(tmp_path / "m", dtype=dtype)
    vectors = session(tmp_path / "m").run(texts())
    for ids, vector in zip(texts(), vectors, strict=True):
        assert np.abs(vector - unit(hidden_states(weights, ids).mean(0))).max() < 1e-5


@pytest.mark.parametrize("prefix", ["bert.", "model.", "0.auto_model."])
def test_a_prefix_and_old_names_of_the_norms_are_understood(tmp_path, prefix):
    plain = write_encoder(tmp_path / "m")
    before = session(tmp_path / "m").run(texts())
    renamed = {prefix + name: value for name, value in plain.items()}
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in renamed.items()
    }
    save_weights(tmp_path / "m" / "model.safetensors", renamed)
    assert np.array_equal(session(tmp_path / "m").run(texts()), before)


def test_split_weights_are_read(tmp_path):
    weights = write_encoder(tmp_path / "m")
    before = session(tmp_path / "m").run(texts())
    names = sorted(weights)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for part, members in parts.items():
        save_weights(tmp_path / "m" / part, {name: weights[name] for name in members})
    (tmp_path / "m" / "model.safetensors").unlink()
    where = {name: part for part, members in parts.items() for name in members}
    write_json(tmp_path / "m" / "model.safetensors.index.json", {"weight_map": where})
    assert np.array_equal(session(tmp_path / "m").run(texts()), before)


# --- classification heads ----------------------------------------------------------------------------------------


def expected_logits(weights, family, ids, types):
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    eps = 1e-12 if family == "distilbert" else 1e-5
    first = hidden_states(weights, ids, family=family, types=types, eps=eps)[0]

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    if family == "bert":
        return linear(np.tanh(linear(first, "bert.pooler.dense")), "classifier")
    if family == "roberta":
        return linear(np.tanh(linear(first, "classifier.dense")), "classifier.out_proj")
    return linear(np.maximum(linear(first, "pre_classifier"), 0), "classifier")


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("labels", [1, 2])
def test_classification_heads_are_the_reference(tmp_path, family, labels):
    weights = write_encoder(tmp_path / "m", family, labels=labels)
    ids = texts()
    types = [[0] * (len(row) // 2) + [1] * (len(row) - len(row) // 2) for row in ids]
    logits = session(tmp_path / "m", head="classification").run(ids, types)
    assert logits.shape == (len(ids), labels)
    for row, kinds, logit in zip(ids, types, logits, strict=True):
        wanted = expected_logits(weights, family, row, kinds if family == "bert" else None)
        assert np.abs(logit - wanted).max() < 1e-5


def test_an_embedder_is_no_reranker(tmp_path):
    write_encoder(tmp_path / "m")
    with pytest.raises(ModelError, match="classification head"):
        session(tmp_path / "m", head="classification")


# --- int8 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_int8_is_near_float32(tmp_path, family):
    write_encoder(tmp_path / "m", family)
    exact = session(tmp_path / "m").run(texts())
    rounded = session(tmp_path / "m", precision="int8").run(texts())
    assert (exact * rounded).sum(axis=1).min() > 0.99
    assert not np.array_equal(exact, rounded)


def test_int8_keeps_its_precision_beside_loud_channels(tmp_path, monkeypatch):
    """One channel and one unit far louder than the others, as real encoders have them, must not drown them."""
    weights = write_encoder(tmp_path / "m")
    for layer in range(2):
        at = f"encoder.layer.{layer}."
        weights[f"{at}attention.output.LayerNorm.weight"][3] *= 25
        weights[f"{at}intermediate.dense.weight"][:, 3] /= 25
        weights[f"{at}intermediate.dense.bias"][50] = 40
        weights[f"{at}output.dense.weight"][:, 50] /= 40
    save_weights(tmp_path / "m" / "model.safetensors", weights)
    exact = session(tmp_path / "m").run(texts())

    def error() -> float:
        rounded = session(tmp_path / "m", precision="int8").run(texts())
        return 1 - (exact * rounded).sum(axis=1).mean()

    kept = error()
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "other"))
    monkeypatch.setattr(Graph, "_smooth", lambda self, value, layer: (value, layer))
    without_smoothing = error()
    monkeypatch.undo()
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "third"))
    monkeypatch.setattr(onnx_graph, "_peaks", lambda sample: np.ones(sample.shape[-1], np.float32))
    blind = error()
    assert kept < 0.005
    assert kept < without_smoothing / 2
    assert kept < blind / 2


@pytest.mark.parametrize(("bits", "limit"), [(8, 127), (7, 63)])
def test_weights_stay_within_their_bits(tmp_path, bits, limit):
    from onnx import numpy_helper

    write_encoder(tmp_path / "m")
    model = onnx_bert.build(tmp_path / "m", weight_bits=bits)
    matrices = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    peaks = [int(np.abs(m.astype(int)).max()) for m in matrices if m.dtype == np.int8 and m.shape[0] != VOCABULARY]
    assert max(peaks) == limit


def test_seven_bits_are_used_without_vnni(tmp_path, monkeypatch):
    write_encoder(tmp_path / "m")
    eight = cached_graph(tmp_path / "m", head="embedding", precision="int8")
    monkeypatch.setattr(onnx_run, "exact_int8", lambda: False)
    seven = cached_graph(tmp_path / "m", head="embedding", precision="int8")
    assert "7bit" in str(seven)
    assert eight != seven
    exact = session(tmp_path / "m").run(texts())
    assert (exact * session(tmp_path / "m", precision="int8").run(texts())).sum(axis=1).min() > 0.98


def test_quantise_rounds_each_column_on_its_own_and_survives_zeros():
    weight = np.array([[1.0, 0.001, 0.0], [-0.5, 0.002, 0.0]], np.float32)
    rounded, scale = quantise(weight, 127)
    assert np.abs(rounded * scale - weight).max() < 0.005
    assert np.abs(rounded[:, 1] * scale[1] - weight[:, 1]).max() < 1e-5
    assert not rounded[:, 2].any()


# --- batches -----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 600), max_size=80), st.integers(1, 2000))
def test_batches_hold_every_text_once_of_one_length_within_the_budget(lengths, budget):
    batches = equal_length_batches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        (length,) = {lengths[index] for index in batch}
        assert len(batch) == 1 or len(batch) * length <= budget


@pytest.mark.parametrize("batch_tokens", [1, 8, 10_000])
def test_batches_give_the_rows_of_single_texts_in_order(tmp_path, batch_tokens):
    write_encoder(tmp_path / "m")
    many = texts(1) + texts(2) + texts(3)
    alone = np.concatenate([session(tmp_path / "m").run([row]) for row in many])
    together = session(tmp_path / "m", batch_tokens=batch_tokens).run(many)
    assert np.abs(alone - together).max() < 1e-6


def test_int8_texts_do_not_depend_on_their_company(tmp_path):
    write_encoder(tmp_path / "m")
    runner = session(tmp_path / "m", precision="int8")
    many = texts(1) + texts(2)
    alone = np.concatenate([runner.run([row]) for row in many])
    assert np.array_equal(runner.run(many), alone)


def test_threads_share_one_session(tmp_path):
    write_encoder(tmp_path / "m")
    runner = session(tmp_path / "m", precision="int8")
    expected = [runner.run(texts(seed)) for seed in range(20)]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda seed: runner.run(texts(seed)), range(20)))
    assert all(np.array_equal(a, b) for a, b in zip(expected, got, strict=True))


# --- the cache of graphs -----------------------------------------------------------------------------------------


def test_the_graph_is_built_once_also_by_many_at_once(tmp_path, monkeypatch):
    write_encoder(tmp_path / "m")
    built = []
    build = onnx_bert.build
    monkeypatch.setattr(onnx_bert, "build", lambda *args, **options: built.append(1) or build(*args, **options))
    with ThreadPoolExecutor(6) as pool:
        paths = set(pool.map(lambda _: cached_graph(tmp_path / "m", head="embedding", precision="int8"), range(6)))
    assert len(paths) == 1
    assert len(built) == 1
    cached_graph(tmp_path / "m", head="embedding", precision="int8")
    assert len(built) == 1


def test_other_weights_and_other_settings_give_other_graphs(tmp_path):
    write_encoder(tmp_path / "m", seed=1)
    first = session(tmp_path / "m").run([[5, 6]])
    write_encoder(tmp_path / "m", seed=2)  # in place, as a training run does
    second = session(tmp_path / "m").run([[5, 6]])
    write_json(tmp_path / "m" / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    third = session(tmp_path / "m").run([[5, 6]])
    assert not np.allclose(first, second)
    assert not np.allclose(second, third)


def test_a_copied_folder_shares_the_graph(tmp_path):
    write_encoder(tmp_path / "one")
    write_encoder(tmp_path / "two")
    graphs = {cached_graph(tmp_path / name, head="embedding", precision="int8") for name in ("one", "two")}
    assert len(graphs) == 1


def test_a_home_that_cannot_be_written_is_said_so(tmp_path, monkeypatch):
    write_encoder(tmp_path / "m")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ModelError, match="TRIVIUM_HOME"):
        session(tmp_path / "m")


def test_a_broken_graph_in_the_cache_says_what_to_delete(tmp_path):
    write_encoder(tmp_path / "m")
    path = cached_graph(tmp_path / "m", head="embedding", precision="fp32")
    path.write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=str(path.parent.name)):
        session(tmp_path / "m")


# --- folders that cannot be run ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "modernbert", "architectures": ["ModernBertModel"]}, "modernbert.*ModernBertModel"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"hidden_act": "swiglu"}, "swiglu"),
    ],
)
def test_an_unsupported_architecture_is_named_with_what_is_supported(tmp_path, change, message):
    write_encoder(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    write_json(tmp_path / "m" / "config.json", config | change)
    with pytest.raises(ModelError, match=message) as caught:
        session(tmp_path / "m")
    assert "xlm-roberta" in str(caught.value)


@pytest.mark.parametrize("missing", ["num_hidden_layers", "hidden_size", "max_position_embeddings"])
def test_a_missing_setting_is_named(tmp_path, missing):
    write_encoder(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    del config[missing]
    write_json(tmp_path / "m" / "config.json", config)
    with pytest.raises(ModelError, match=missing):
        read_config(tmp_path / "m")


def test_unsupported_modules_and_poolings_are_refused(tmp_path):
    write_encoder(tmp_path / "m")
    write_json(tmp_path / "m" / "1_Pooling" / "config.json", {"pooling_mode_lasttoken": True})
    with pytest.raises(ModelError, match="lasttoken"):
        read_config(tmp_path / "m")
    both = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}
    write_json(tmp_path / "m" / "1_Pooling" / "config.json", both)
    with pytest.raises(ModelError, match="mean, cls and max"):
        read_config(tmp_path / "m")
    write_json(tmp_path / "m" / "modules.json", [{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}])
    with pytest.raises(ModelError, match="Dense"):
        read_config(tmp_path / "m")


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path, missing):
    write_encoder(tmp_path / "m")
    (tmp_path / "m" / missing).unlink()
    with pytest.raises(ModelNotFound, match=missing):
        session(tmp_path / "m")


def test_only_torch_weights_are_said_so(tmp_path):
    write_encoder(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").rename(tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(ModelNotFound, match=r"only pytorch_model\.bin"):
        session(tmp_path / "m")


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "huge header"])
def test_damaged_weights_are_refused(tmp_path, damage):
    write_encoder(tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    data = path.read_bytes()
    damaged = {"cut": data[:-100], "noise": b"\x10" + bytes(7) + b"not json at all!", "empty": b""}
    path.write_bytes(damaged.get(damage, b"\xff" * 8 + data))
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        session(tmp_path / "m")


def test_a_missing_tensor_is_named(tmp_path):
    weights = random_weights("bert")
    write_encoder(tmp_path / "m")
    del weights["encoder.layer.1.output.dense.weight"]
    save_weights(tmp_path / "m" / "model.safetensors", weights)
    with pytest.raises(ModelError, match=r"encoder\.layer\.1\.output\.dense\.weight"):
        session(tmp_path / "m")


def test_an_adapter_folder_is_refused_with_the_cure(tmp_path):
    write_encoder(tmp_path / "m")
    save_weights(tmp_path / "m" / "model.safetensors", {"lora_A.weight": np.ones((2, HIDDEN), np.float32)})
    with pytest.raises(ModelError, match="merged"):
        session(tmp_path / "m")


def test_the_limit_of_tokens_is_the_smallest_of_what_the_folder_says(tmp_path):
    write_encoder(tmp_path / "roberta", "roberta")
    assert read_config(tmp_path / "roberta").max_tokens == POSITIONS - 2
    write_json(tmp_path / "roberta" / "tokenizer_config.json", {"model_max_length": 10**30})
    assert read_config(tmp_path / "roberta").max_tokens == POSITIONS - 2
    write_json(tmp_path / "roberta" / "tokenizer_config.json", {"model_max_length": 20})
    assert read_config(tmp_path / "roberta").max_tokens == 20
    write_json(tmp_path / "roberta" / "sentence_bert_config.json", {"max_seq_length": 30})
    assert read_config(tmp_path / "roberta").max_tokens == 30


# --- the real model ----------------------------------------------------------------------------------------------


@pytest.mark.real
def test_the_real_model_in_float32_is_the_reference(monkeypatch, caplog):
    monkeypatch.delenv("TRIVIUM_HOME")
    caplog.set_level(logging.ERROR)
    from safetensors.numpy import load_file

    from trivium.models.encoder_tokens import EncoderTokenizer
    from trivium.models.pull import ensure

    folder = ensure("all-minilm-l6-v2")
    weights = load_file(folder / "model.safetensors")
    some = ["The warranty lasts two years.", "", "naïve Ångström 中文 𝔘", "word " * 200]
    ids, _ = EncoderTokenizer(folder, 256).encode(some)
    vectors = session(folder).run(ids)
    for row, vector in zip(ids, vectors, strict=True):
        states = hidden_states(weights, row, heads=12, layers=6, eps=1e-12)
        assert np.abs(vector - unit(states.mean(0))).max() < 1e-5
