"""The embedder: order, limits, threads, spans; on tiny models, and (marked real) on the embedded default."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.tiny_encoders import HIDDEN, POSITIONS, write_encoder, write_json

from trivium.errors import ModelError, ModelNotFound, UnknownName, UsageError
from trivium.models import encoder_tokens
from trivium.models.base import Embedder
from trivium.models.embed import OnnxEmbedder, open_embedder
from trivium.models.encoder_tokens import EncoderTokenizer

TEXTS = ["the warranty lasts two years", "", "engine", "yesterday the engine broke", "the", "two years of warranty"]


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """A folder with a tiny encoder, and a home of its own."""
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))
    write_encoder(tmp_path / "tiny")
    return tmp_path / "tiny"


def norms(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


# --- vectors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_each_text_has_its_own_unit_vector_in_order(tiny, precision):
    embedder: Embedder = OnnxEmbedder(tiny, precision=precision)
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), HIDDEN)
    assert embedder.dimension == HIDDEN
    assert vectors.dtype == np.float32
    assert np.allclose(norms(vectors), 1, atol=1e-6)
    assert np.array_equal(vectors, np.stack([embedder.embed([text])[0] for text in TEXTS]))
    assert np.array_equal(vectors, embedder.embed(TEXTS[::-1])[::-1])


def test_no_texts_and_odd_texts(tiny):
    embedder = OnnxEmbedder(tiny)
    assert embedder.embed([]).shape == (0, HIDDEN)
    odd = ["", " \n\t", "\x00\x07", "a\ud800b", "𝔘𝔫𝔦", "\u202e", "word" * 50_000]
    vectors = embedder.embed(odd)
    assert np.isfinite(vectors).all()
    assert np.allclose(norms(vectors), 1, atol=1e-6)


def test_more_texts_than_one_slab_keep_their_order(tiny, monkeypatch):
    monkeypatch.setattr("trivium.models.embed._SLAB", 4)
    embedder = OnnxEmbedder(tiny)
    many = TEXTS * 3
    assert np.array_equal(embedder.embed(many)[6:12], embedder.embed(TEXTS))


def test_padding_and_truncation_stored_in_the_tokenizer_take_no_effect(tiny):
    saved = json.loads((tiny / "tokenizer.json").read_text())
    assert saved["padding"] is not None
    before = OnnxEmbedder(tiny).embed(TEXTS)
    saved["padding"] = None
    saved["truncation"] = {"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    write_json(tiny / "tokenizer.json", saved)
    assert np.array_equal(OnnxEmbedder(tiny).embed(TEXTS), before)


def test_batches_of_equal_length_agree_with_single_texts(tiny):
    alone = OnnxEmbedder(tiny, precision="fp32").embed(TEXTS * 4)
    together = OnnxEmbedder(tiny, precision="fp32", batch_tokens=512).embed(TEXTS * 4)
    assert np.abs(alone - together).max() < 1e-6


def test_threads_may_share_an_embedder(tiny):
    embedder = OnnxEmbedder(tiny, threads=2)
    expected = embedder.embed(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: embedder.embed(TEXTS), range(40)))
    assert all(np.array_equal(result, expected) for result in results)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_can_go_on_embedding(tiny):
    embedder = OnnxEmbedder(tiny, threads=2)
    expected = embedder.embed(TEXTS)  # starts the threads, which a fork does not copy
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if np.array_equal(embedder.embed(TEXTS), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_tokenizer_of_another_model_is_said_so(tiny):
    saved = json.loads((tiny / "tokenizer.json").read_text())
    saved["model"]["vocab"]["engine"] = 5_000  # the table has 64 rows
    write_json(tiny / "tokenizer.json", saved)
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        OnnxEmbedder(tiny).embed(["the engine"])


# --- the limit of tokens ----------------------------------------------------------------------------------------


def test_cut_texts_are_reported_once_per_call_and_counted(tiny, caplog):
    embedder = OnnxEmbedder(tiny)
    assert embedder.max_tokens == POSITIONS
    fits, long = "the " * (POSITIONS - 2), "the " * (POSITIONS - 1)
    with caplog.at_level(logging.WARNING, logger="trivium.models"):
        embedder.embed([fits] * 3)
    assert caplog.records == []
    assert embedder.truncated == 0
    with caplog.at_level(logging.WARNING, logger="trivium.models"):
        embedder.embed([fits, long, long + "two", "the"])
    assert [record.getMessage() for record in caplog.records] == ["2 of 4 texts are longer than 40 tokens and were cut"]
    embedder.embed_query(long)
    assert embedder.truncated == 3


def test_a_cut_text_is_its_beginning(tiny):
    embedder = OnnxEmbedder(tiny)
    kept = " ".join(["two"] * (POSITIONS - 2))
    assert np.array_equal(embedder.embed([kept + " years of warranty"])[0], embedder.embed([kept])[0])


# --- prompts and names ------------------------------------------------------------------------------------------


def test_prompts_of_the_model_are_put_before_queries_and_passages(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))
    write_encoder(tmp_path / "plain")
    write_encoder(tmp_path / "e5", prompts={"query": "query: ", "document": "passage: "})
    plain, prompted = OnnxEmbedder(tmp_path / "plain"), OnnxEmbedder(tmp_path / "e5")
    assert np.array_equal(prompted.embed_query("engine"), plain.embed_query("query: engine"))
    assert np.array_equal(prompted.embed(["engine"]), plain.embed(["passage: engine"]))
    assert np.array_equal(plain.embed_query("engine"), plain.embed(["engine"])[0])


def test_the_name_tells_the_weights_and_the_precision_apart(tiny, tmp_path):
    import hashlib

    first = OnnxEmbedder(tiny)
    digest = hashlib.sha256((tiny / "model.safetensors").read_bytes()).hexdigest()
    assert first.name == f"tiny-int8-{digest[:12]}"
    names = {first.name, OnnxEmbedder(tiny, precision="fp32").name, OnnxEmbedder(str(tiny) + "/").name}
    assert len(names) == 2
    write_encoder(tiny, seed=7)
    assert OnnxEmbedder(tiny).name not in names


# --- token spans ------------------------------------------------------------------------------------------------

WORDS = st.lists(
    st.one_of(
        st.sampled_from(
            ["the", "engine", "warrantys", "Naïve", "x" * 40, "中文字", "12.5", "\ud800", "é", "\x00", "😀"]
        ),
        st.text(max_size=8),
        st.sampled_from([" ", "\n\n", "。", "\u3000", "\u00a0"]),
    ),
    max_size=60,
).map("".join)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> EncoderTokenizer:
    folder = tmp_path_factory.mktemp("spans")
    write_encoder(folder)
    return EncoderTokenizer(folder, POSITIONS)


@given(WORDS)
@settings(deadline=None)
def test_spans_lie_in_order_within_the_text_and_hold_no_blanks(tokenizer, text):
    before = 0
    for start, end in tokenizer.spans(text):
        assert before <= start < end <= len(text)
        assert text[start:end].strip()
        before = end


@given(st.lists(st.sampled_from(["the engine", "broke", "中文", "。", "warrantys", "e\u0301", "\n"]), max_size=300))
@settings(deadline=None, max_examples=30)
def test_a_long_text_tokenised_in_pieces_is_the_same(tokenizer, words):
    text = " ".join(words)
    whole = tokenizer.spans(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder_tokens, "_PIECE", 16)
        assert tokenizer.spans(text) == whole


@given(st.lists(WORDS, max_size=6))
@settings(deadline=None, max_examples=60)
def test_what_was_tokenised_to_be_cut_is_encoded_the_same(tokenizer, texts):
    anew, cut = EncoderTokenizer(tokenizer._folder, POSITIONS).encode(texts)
    for text in texts[::2]:
        tokenizer.spans(text)
    assert tokenizer.encode(texts) == (anew, cut)
    assert tokenizer.encode(texts) == (anew, cut), "and again, from nothing kept"


def test_what_is_kept_of_cut_texts_is_bounded(tokenizer, monkeypatch):
    monkeypatch.setattr(encoder_tokens, "_MOST_KEPT", 10)
    for n in range(35):
        tokenizer.spans(f"the engine {n}")
        tokenizer.spans("the engine " * POSITIONS)  # too long to be encoded whole
    assert 0 < len(tokenizer._kept) <= 10
    assert all(len(ids) <= POSITIONS for ids in tokenizer._kept.values())


def test_spans_are_those_of_the_words(tokenizer):
    text = "The  engine broke,\nyesterday."
    assert [text[a:b] for a, b in tokenizer.spans(text)] == ["The", "engine", "broke", ",", "yesterday", "."]
    assert tokenizer.spans("") == []
    assert len(tokenizer.spans("the " * 50_000)) == 50_000, "no limit applies"


def test_the_unknown_rate_is_the_share_of_words(tokenizer):
    assert tokenizer.unknown_rate("the engine broke") == 0
    assert tokenizer.unknown_rate("the 中 engine 文") == 0.5
    assert tokenizer.unknown_rate("") == 0
    assert tokenizer.unknown_rate("the 中 " * 5_000) == 0.5, "long texts as well"


# --- opening ----------------------------------------------------------------------------------------------------


def test_a_folder_is_opened(tiny):
    assert open_embedder(str(tiny)).dimension == HIDDEN


def test_what_is_not_here_is_said_with_the_cure(tiny):
    with pytest.raises(ModelNotFound, match="trivium pull some/model"):
        open_embedder("some/model")
    with pytest.raises(UnknownName, match="all-minilm-l6-v2"):
        open_embedder("no-such-model")
    with pytest.raises(UsageError, match="#model-name"):
        open_embedder("https://host/v1")
    with pytest.raises(UsageError, match="fp32"):
        OnnxEmbedder(tiny, precision="int4")


@pytest.mark.parametrize("content", [None, "{}", "not json"])
def test_a_folder_without_a_good_tokenizer_is_refused(tiny, content):
    (tiny / "tokenizer.json").unlink()
    if content is not None:
        (tiny / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        OnnxEmbedder(tiny).embed(["the"])


def test_a_chat_model_is_not_taken_for_an_embedder(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path))
    monkeypatch.setattr("trivium.models.pull.ensure", lambda name: tmp_path / "model.gguf")
    with pytest.raises(ModelError, match=r"config\.json"):
        open_embedder("smollm2-135m-instruct")


def test_importing_the_embedder_loads_no_heavy_library():
    code = (
        "import sys, trivium.models.embed, trivium.models.rerank, trivium.models.pull\n"
        "heavy = {'onnx', 'onnxruntime', 'tokenizers', 'torch', 'transformers', 'safetensors'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- the real model ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> dict[str, OnnxEmbedder]:
    from trivium.models.pull import ensure

    folder = ensure("all-minilm-l6-v2")
    return {precision: OnnxEmbedder(folder, precision=precision) for precision in ("int8", "fp32")}


@pytest.fixture(scope="module")
def squad(shared_data) -> tuple[list[str], list[tuple[str, int]]]:
    """Passages of SQuAD, and its questions with the number of their passage."""
    passages: list[str] = []
    questions: list[tuple[str, int]] = []
    for article in json.loads((shared_data / "squad" / "dev-v2.0.json").read_text())["data"]:
        for paragraph in article["paragraphs"]:
            questions += [(row["question"], len(passages)) for row in paragraph["qas"]]
            passages.append(paragraph["context"])
    return passages[:500], [row for row in questions if row[1] < 500][::10]


@pytest.fixture(scope="module")
def both(real, squad) -> tuple[np.ndarray, np.ndarray]:
    return real["int8"].embed(squad[0]), real["fp32"].embed(squad[0])


@pytest.mark.real
def test_int8_agrees_with_float32_on_real_passages(both):
    cosines = (both[0] * both[1]).sum(axis=1)
    assert len(cosines) == 500
    assert cosines.mean() >= 0.998  # required: 0.99
    assert cosines.min() >= 0.995  # required: 0.97


@pytest.mark.real
def test_int8_finds_what_float32_finds(real, squad, both):
    questions = squad[1]
    gold = np.array([passage for _, passage in questions])
    recall = {}
    for precision, vectors in zip(("int8", "fp32"), both, strict=True):
        asked = np.stack([real[precision].embed_query(question) for question, _ in questions])
        best = np.argsort(-(asked @ vectors.T), axis=1)[:, :10]
        recall[precision] = (best == gold[:, None]).any(axis=1).mean()
    assert len(questions) > 200
    assert recall["fp32"] > 0.8
    assert abs(recall["int8"] - recall["fp32"]) <= 0.01


@pytest.mark.real
def test_the_default_is_the_pinned_model(real):
    embedder = open_embedder()
    assert embedder.name == "all-minilm-l6-v2-int8-53aa51172d14"
    assert (embedder.dimension, embedder.max_tokens) == (384, 256)
    assert np.allclose(norms(embedder.embed(["", "\x00", "a\ud800"])), 1, atol=1e-5)


@pytest.mark.real
def test_the_vocabulary_knows_english_and_not_chinese(real, shared_data):
    def texts(name: str) -> str:
        rows = json.loads((shared_data / "xquad" / name).read_text())["data"]
        return "\n".join(paragraph["context"] for row in rows for paragraph in row["paragraphs"][:3])

    assert real["int8"].unknown_rate(texts("xquad.en.json")) < 0.01
    assert real["int8"].unknown_rate(texts("xquad.zh.json")) > 0.4


@pytest.mark.real
@pytest.mark.parametrize("name", ["xquad/xquad.en.json", "xquad/xquad.zh.json"])
def test_spans_of_long_real_text_are_those_of_the_whole(real, shared_data, name):
    from tokenizers import Tokenizer

    from trivium.models.pull import ensure

    text = (shared_data / name).read_text()[:100_000]
    tokenizer = Tokenizer.from_file(str(ensure("all-minilm-l6-v2") / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    assert real["int8"].token_spans(text) == tokenizer.encode(text, add_special_tokens=False).offsets
