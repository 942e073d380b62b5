"""What llama.cpp computes from a file that was written here is what Transformers computes from the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tune.export.small_llama import TEXTS, write_llama

from trivium.errors import ModelError, ModelNotFound, UsageError

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
transformers = pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from trivium.models.gguf import F16, F32, Q8_0, q8_0, read_header  # noqa: E402
from trivium.tune.export import gguf_model  # noqa: E402
from trivium.tune.export.agreement import agreement, check  # noqa: E402
from trivium.tune.export.gguf_model import write_gguf_model  # noqa: E402
from trivium.tune.export.targets import Options, export  # noqa: E402


def opened(folder: Path) -> tuple[Any, Any]:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), transformers.AutoTokenizer.from_pretrained(folder)


def test_f16_gives_the_same_log_probabilities(llama: Path, in_gguf: Path) -> None:
    found = agreement(*opened(llama), in_gguf, texts=TEXTS)
    assert found.same_tokens
    assert found.places >= 8
    assert found.greedy > 0.9
    assert found.mean < 0.02
    assert found.largest < 0.1


def test_q8_0_is_half_as_large_and_as_close_as_eight_bits_are(llama: Path, in_gguf: Path, tmp_path: Path) -> None:
    path = write_gguf_model(llama, tmp_path / "small.gguf", precision="q8_0")
    assert {tensor.kind for tensor in read_header(path).tensors} == {F32, Q8_0}
    assert {tensor.kind for tensor in read_header(in_gguf).tensors} == {F32, F16}
    weights = [sum(tensor.nbytes for tensor in read_header(file).tensors) for file in (path, in_gguf)]
    assert weights[0] == pytest.approx(weights[1] * 34 / 64, rel=0.01)
    found = agreement(*opened(llama), path, texts=TEXTS)
    assert found.mean < 0.15
    assert found.greedy > 0.8


def test_a_wrong_file_is_found_out_and_not_kept(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_model, "interleaved", lambda rows, heads: rows)
    with pytest.raises(ModelError, match=r"another model in llama\.cpp"):
        export(llama, "gguf", tmp_path / "wrong.gguf", Options(precision="f16", texts=TEXTS))
    assert list(tmp_path.iterdir()) == []


def test_what_the_base_says_of_itself_is_kept(llama: Path, in_gguf: Path, tmp_path: Path) -> None:
    path = write_gguf_model(llama, tmp_path / "small.gguf", like=in_gguf)
    ours, theirs = read_header(path).metadata, read_header(in_gguf).metadata
    assert ours["general.name"] == "small tuned"
    changed = {"general.name", "general.file_type"}
    assert {key: value for key, value in ours.items() if key not in changed} == {
        key: value for key, value in theirs.items() if key not in changed
    }


def test_a_gguf_file_of_another_model_is_refused(llama: Path, in_gguf: Path, tmp_path: Path) -> None:
    other = write_llama(tmp_path / "other", layers=2)
    with pytest.raises(UsageError, match="block_count is 4"):
        write_gguf_model(other, tmp_path / "x.gguf", like=in_gguf)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"model_type": "gpt2"}, "of the type gpt2"),
        ({"attention_bias": True}, "biases"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}}, r"scaled \(llama3\)"),
    ],
)
def test_what_has_no_form_is_refused(llama: Path, tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    config = json.loads((llama / "config.json").read_text("utf-8"))
    for file in llama.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config | change), "utf-8")
    with pytest.raises(UsageError, match=problem):
        write_gguf_model(tmp_path, tmp_path / "x.gguf")
    assert not (tmp_path / "x.gguf").exists()


def test_a_tokenizer_without_a_name_in_llama_cpp_is_refused(llama: Path, tmp_path: Path) -> None:
    for file in llama.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    core = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    core["pre_tokenizer"] = {"type": "Whitespace"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(core), "utf-8")
    with pytest.raises(UsageError, match=r"cut by Whitespace.*--like"):
        write_gguf_model(tmp_path, tmp_path / "x.gguf")


def test_q8_0_blocks_are_those_of_the_reference() -> None:
    gguf = pytest.importorskip("gguf", reason="the extra 'tune' is not installed")
    matrix = np.random.default_rng(0).normal(size=(8, 96)).astype(np.float32)
    matrix[0, :32] = 0
    ours, theirs = q8_0(matrix), gguf.quants.quantize(matrix, gguf.GGMLQuantizationType.Q8_0)
    assert ours.shape == theirs.shape
    back = [gguf.quants.dequantize(one, gguf.GGMLQuantizationType.Q8_0) for one in (ours, theirs)]
    np.testing.assert_allclose(back[0], back[1], atol=float(np.abs(matrix).max()) / 127 * 1.01)
    assert (ours == theirs).mean() > 0.99


def test_an_adapter_of_a_run_in_llama_cpp_is_that_of_transformers(
    finished: Path, in_gguf: Path, tmp_path: Path
) -> None:
    from trivium.tune.export.source import find_source, open_source

    made = export(finished, "gguf-adapter", tmp_path / "law", Options(like=in_gguf, texts=TEXTS))
    assert made.path == tmp_path / "law.gguf"
    base, attached = open_source(find_source(finished))
    with_it = check(agreement(attached.model, base.tokenizer, in_gguf, adapter=made.path, texts=TEXTS), "law")
    without = agreement(attached.model, base.tokenizer, in_gguf, texts=TEXTS)
    assert with_it.mean < 0.05
    assert without.mean > 4 * with_it.mean


@pytest.mark.real
def test_on_the_embedded_chat_model(shared_data: Path, tmp_path: Path) -> None:
    """A LoRA on SmolLM2, as an adapter and merged in both precisions, on paragraphs of articles."""
    from trivium.models.pull import ensure
    from trivium.tune.bases import open_base
    from trivium.tune.methods import attach

    try:
        gguf = ensure("smollm2-135m-instruct")
    except ModelNotFound as error:
        pytest.skip(f"the embedded chat model cannot be had here: {error}")
    articles = json.loads((shared_data / "squad" / "dev-v2.0.json").read_text("utf-8"))["data"]
    texts = tuple(article["paragraphs"][0]["context"][:300] for article in articles[:3])
    base = open_base(None, "causal")
    torch.manual_seed(1)
    attached = attach(base.model, "lora", task="causal")
    with torch.no_grad():
        for name, parameter in attached.trained().items():
            if "lora_B" in name:
                parameter.normal_(0, 0.05)
    attached.save(tmp_path / "adapter")
    given = {"base": "smollm2-135m-instruct", "texts": texts}
    adapter = export(tmp_path / "adapter", "gguf-adapter", tmp_path / "adapter.gguf", Options(**given))
    assert adapter.checks["greedy"] >= 0.9
    assert adapter.checks["mean"] < 0.2  # most of it is the noise of the four-bit base at another precision
    attached.switch(None)
    plain = agreement(attached.model, base.tokenizer, gguf, adapter=adapter.path, texts=texts)
    assert plain.mean > 2 * adapter.checks["mean"]
    for precision, worst in (("f16", 0.02), ("q8_0", 0.2)):
        made = export(
            tmp_path / "adapter", "gguf", tmp_path / f"{precision}.gguf", Options(**given, precision=precision)
        )
        assert made.checks["same_tokens"]
        assert made.checks["mean"] < worst
        assert made.checks["greedy"] >= 0.9
