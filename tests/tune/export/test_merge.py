"""A merged folder gives what the adapter gave, or there is no folder; and every form says what it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.tune.export.small_llama import TEXTS

from trivium.errors import ModelError, ModelNotFound, NotMergeable, UnknownName, UsageError

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
transformers = pytest.importorskip("transformers", reason="the extra 'tune' is not installed")

from trivium.tune.export.merge import difference, merge, outputs  # noqa: E402
from trivium.tune.export.source import find_source, open_source  # noqa: E402
from trivium.tune.export.targets import Options, export  # noqa: E402


def test_the_folder_alone_gives_what_adapter_and_base_gave(finished: Path, llama: Path, tmp_path: Path) -> None:
    made = merge(find_source(finished), tmp_path / "merged", texts=TEXTS)
    base, attached = open_source(find_source(finished))
    tuned = outputs(attached.model, base.tokenizer, TEXTS)
    alone = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "merged")
    found = difference(tuned, outputs(alone, tokenizer, TEXTS))
    assert found <= 1e-4 * made.scale
    assert made.difference <= 1e-4 * made.scale
    plain = transformers.AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    assert difference(tuned, outputs(plain, tokenizer, TEXTS)) > 100 * found
    assert tokenizer.chat_template == base.tokenizer.chat_template


def test_an_adapter_alone_knows_its_run(finished: Path) -> None:
    assert find_source(finished / "adapter").base == find_source(finished).base


def test_a_wrong_merge_leaves_nothing(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trivium.tune.methods.with_peft import WithPeft

    monkeypatch.setattr(WithPeft, "merge", lambda self: self.model.unload())
    with pytest.raises(ModelError, match="a logit differs by"):
        merge(find_source(finished), tmp_path / "merged", texts=TEXTS)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine", "utf-8")
    with pytest.raises(UsageError, match="is there already"):
        export(finished, "merged", tmp_path)
    assert (tmp_path / "kept.txt").read_text("utf-8") == "mine"


def test_a_method_that_adds_more_than_weights_is_not_merged(llama: Path, tmp_path: Path) -> None:
    from trivium.tune.bases import open_base
    from trivium.tune.methods import attach

    attach(open_base(llama, "causal").model, "houlsby", task="causal").save(tmp_path / "adapter")
    given = Options(base=str(llama), texts=TEXTS)
    with pytest.raises(NotMergeable, match="Houlsby"):
        export(tmp_path / "adapter", "merged", tmp_path / "merged", given)
    with pytest.raises(UsageError, match=r"no plain LoRA|cannot be written as a GGUF adapter"):
        export(tmp_path / "adapter", "gguf-adapter", tmp_path / "a.gguf", given)
    with pytest.raises(UsageError, match="PEFT has no form"):
        export(tmp_path / "adapter", "peft", tmp_path / "peft", given)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["adapter"]


def test_what_peft_reads_is_copied(finished: Path, llama: Path, tmp_path: Path) -> None:
    import peft

    export(finished, "peft", tmp_path / "peft")
    model = transformers.AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    theirs = peft.PeftModel.from_pretrained(model, str(tmp_path / "peft"))
    base, attached = open_source(find_source(finished))
    ours = outputs(attached.model, base.tokenizer, TEXTS)
    assert difference(ours, outputs(theirs, base.tokenizer, TEXTS)) < 1e-5


def test_labels_come_back_with_a_classifiers_adapter(tmp_path: Path) -> None:
    from trivium.tune.bases import open_base
    from trivium.tune.methods import attach

    config = transformers.BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(50))]
    numbers = {token: number for number, token in enumerate(vocabulary)}
    transformers.BertTokenizer(vocab=numbers).save_pretrained(tmp_path / "bert")
    base = open_base(tmp_path / "bert", "classify", labels=("bad", "fair", "good"))
    attach(base.model, "bitfit", task="classify").save(tmp_path / "adapter")
    made = merge(find_source(tmp_path / "adapter", base=str(tmp_path / "bert")), tmp_path / "whole", texts=["w1 w2"])
    config = transformers.AutoConfig.from_pretrained(made.folder)
    assert [config.id2label[number] for number in range(3)] == ["bad", "fair", "good"]


@pytest.mark.parametrize(
    ("place", "form", "error", "problem"),
    [
        ("nowhere", "gguf", ModelNotFound, "no folder"),
        ("empty", "gguf", UsageError, "neither a run"),
        ("stopped", "gguf", UsageError, "stopped before its end.*--resume"),
        ("empty", "zip", UnknownName, "zip"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, place: str, form: str, error: Any, problem: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "stopped").mkdir()
    (tmp_path / "stopped" / "run.json").write_text('{"settings": {"plan": {"method": "lora", "base": ""}}}', "utf-8")
    with pytest.raises(error, match=problem):
        export(tmp_path / place, form, tmp_path / "out")


@pytest.mark.real
def test_a_tuned_encoder_as_an_int8_graph(shared_data: Path, tmp_path: Path) -> None:
    import json

    import numpy as np

    from trivium.models.embed import OnnxEmbedder
    from trivium.tune.bases import open_base
    from trivium.tune.methods import attach

    try:
        base = open_base(None, "embed")
    except ModelNotFound as error:
        pytest.skip(f"the embedded encoder cannot be had here: {error}")
    attached = attach(base.model, "lora", task="embed")
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in attached.trained().items():
            if "lora_B" in name:
                parameter.normal_(0, 0.02)
    attached.save(tmp_path / "adapter")
    articles = json.loads((shared_data / "squad" / "dev-v2.0.json").read_text("utf-8"))["data"]
    texts = tuple(article["paragraphs"][0]["context"][:300] for article in articles[:8])
    made = export(tmp_path / "adapter", "onnx", tmp_path / "onnx", Options(base="all-minilm-l6-v2", texts=texts))
    assert made.checks["cosine"] > 0.98
    assert (tmp_path / "onnx" / "model.onnx").stat().st_size < 30e6
    ours = OnnxEmbedder(tmp_path / "onnx").embed(texts)
    before = OnnxEmbedder(base.folder).embed(texts)
    assert float(np.einsum("ij,ij->i", ours, before).max()) < 0.999  # it is the tuned one
