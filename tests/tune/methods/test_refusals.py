"""What cannot be is refused, with the reason and what to take instead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
transformers = pytest.importorskip("transformers", reason="the extra 'tune' is not installed")
pytest.importorskip("peft", reason="the extra 'tune' is not installed")

from tests.tune.methods.tiny import attached_to, base, output  # noqa: E402

from trivium.errors import UnknownName, UsageError  # noqa: E402
from trivium.tune.methods import METHODS, attach, load  # noqa: E402


@pytest.mark.parametrize(
    ("family", "name", "settings", "words"),
    [
        ("llama", "bitfit", {}, "BitFit trains bias terms, and this llama model has none .* Take ia3"),
        ("t5", "bitfit", {}, "this t5 model has none"),
        ("llama", "lore", {}, "no method named 'lore'.*lora_fake_quant"),
        ("llama", "lora", {"r": 4}, "no setting of lora named 'r'.*alpha.*rank"),
        ("llama", "full", {"rank": 4}, "no setting of full named 'rank'"),
        ("llama", "lora", {"targets": "heads"}, "attention, mlp"),
        ("llama", "lora", {"targets": ("query",)}, "no linear layer named query.*q_proj"),
        ("llama", "lora_fake_quant", {"targets": ()}, "empty list"),
        ("llama", "lora_fake_quant", {"bits": 1}, "1 bits"),
        ("llama", "houlsby", {"activation": "sine"}, "no activation named 'sine'.*gelu"),
        ("llama", "houlsby", {"reduction": 0.5}, "bottleneck of 128 does not fit a width of 64"),
        ("llama", "prompt", {"length": 0}, "prompt of 0"),
        ("llama", "prefix", {"length": 0}, "prefix of 0"),
        ("llama", "p_tuning", {"encoder": "gru"}, "no prompt encoder named 'gru'.*lstm, mlp"),
        ("llama", "adapter_drop", {"drop": 2}, "2 of 2 layers"),
        ("llama", "adapter_drop", {"drop": "some"}, "'some'|some of 2"),
        ("llama", "adapter_fusion", {}, "fewer than two.*pfeiffer"),
        ("llama", "freeze", {"pattern": "nowhere"}, "nothing would be frozen"),
        ("llama", "freeze", {"pattern": "."}, "nothing to train"),
    ],
)
def test_what_cannot_be(family: str, name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){words}"):
        attach(base(family), name, settings, task="seq2seq" if family == "t5" else "causal")


def test_an_unknown_task() -> None:
    with pytest.raises(UnknownName, match=r"no task named 'chat'.*causal"):
        attach(base("llama"), "lora", task="chat")


def test_a_model_of_no_known_family() -> None:
    config = transformers.OPTConfig(
        vocab_size=50, hidden_size=16, ffn_dim=16, num_hidden_layers=1, num_attention_heads=2, word_embed_proj_dim=16
    )
    with pytest.raises(UsageError, match=r"model type 'opt'.*llama"):
        attach(transformers.OPTForCausalLM(config), "lora", task="causal")


def test_a_folder_without_an_adapter(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no adapter in"):
        load(base("llama"), tmp_path)
    (tmp_path / "adapter.json").write_text("{")
    with pytest.raises(UsageError, match="not JSON"):
        load(base("llama"), tmp_path)


def test_a_folder_that_is_damaged_or_somebody_elses(tmp_path: Path) -> None:
    attached = attached_to("llama", "pfeiffer", tmp_path)
    attached.save(tmp_path)
    (tmp_path / "adapter.safetensors").write_bytes(b"no weights")
    with pytest.raises(UsageError, match="cannot be read"):
        load(base("llama"), tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        attached.add(tmp_path, "other")
    assert attached.names() == ("default",)
    (tmp_path / "adapter.json").write_text('{"name": "other tool"}')
    with pytest.raises(UsageError, match="not written by Trivium"):
        load(base("llama"), tmp_path)


@pytest.mark.parametrize("first", ["houlsby", "lora", "full"])
@pytest.mark.parametrize("second", ["prefix", "ia3"])
def test_a_model_carries_one_attached_method(first: str, second: str, tmp_path: Path) -> None:
    attached = attached_to("llama", first, tmp_path)
    with pytest.raises(UsageError, match="carries an adapter already"):
        attach(attached.model, second, task="causal")
    if first != "houlsby":
        attach(attached.merge(), second, task="causal")


def test_an_adapter_of_another_base(tmp_path: Path) -> None:
    attached_to("llama", "pfeiffer", tmp_path).save(tmp_path)
    with pytest.raises(UsageError, match="model_type llama, and this one has gpt2"):
        load(base("gpt2"), tmp_path)
    card = json.loads((tmp_path / "adapter.json").read_text())
    card["base"]["hidden_size"] = 32
    (tmp_path / "adapter.json").write_text(json.dumps(card))
    with pytest.raises(UsageError, match="hidden_size 32, and this one has 64"):
        load(base("llama"), tmp_path)


def test_a_fusion_of_what_is_no_pfeiffer_adapter(tmp_path: Path) -> None:
    attached_to("llama", "houlsby", tmp_path).save(tmp_path)
    with pytest.raises(UsageError, match="made by houlsby"):
        attach(base("llama"), "adapter_fusion", {"adapters": [tmp_path, tmp_path]}, task="causal")


def test_adapters_that_cannot_stand_together(tmp_path: Path) -> None:
    attached_to("llama", "lora", tmp_path).save(tmp_path / "lora")
    attached_to("llama", "full", tmp_path).save(tmp_path / "full")
    for name in ("lora", "full"):
        with pytest.raises(UsageError, match="cannot stand beside"):
            attached_to("llama", "houlsby", tmp_path).add(tmp_path / name, "other")
    attached_to("llama", "houlsby", tmp_path).save(tmp_path / "houlsby")
    with pytest.raises(UsageError, match="made by houlsby, and this base carries lora"):
        attached_to("llama", "lora", tmp_path).add(tmp_path / "houlsby", "other")


@pytest.mark.parametrize("name", ["houlsby", "lora"])
def test_a_name_that_no_adapter_has(name: str, tmp_path: Path) -> None:
    attached = attached_to("llama", name, tmp_path)
    with pytest.raises(UnknownName, match=r"no adapter named 'mine'.*default"):
        attached.switch("mine")
    attached.save(tmp_path / "saved")
    with pytest.raises(UsageError, match="letters"):
        attached.add(tmp_path / "saved", "a.b")
    with pytest.raises(UsageError, match="already"):
        attached.add(tmp_path / "saved", "default")


@pytest.mark.parametrize("name", ["houlsby", "lora"])
def test_the_base_has_no_adapter_to_save_or_merge(name: str, tmp_path: Path) -> None:
    attached = attached_to("llama", name, tmp_path)
    attached.switch(None)
    for act in (lambda: attached.save(tmp_path), attached.merge):
        with pytest.raises(UsageError, match="No adapter is active"):
            act()


def test_four_bits_need_inputs_of_whole_blocks() -> None:
    config = transformers.LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, vocab_size=50
    )
    with pytest.raises(UsageError, match="multiples of 64"):
        attach(transformers.LlamaForCausalLM(config), "qlora", task="causal")


def test_an_interrupted_attach_leaves_the_model_as_it_was() -> None:
    model = base("llama")
    plain = output(model, "llama")
    with pytest.raises(UsageError):
        attach(model, "bitfit", task="causal")
    assert torch.equal(output(model, "llama"), plain)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert {name for name, _ in model.named_parameters()} == {name for name, _ in base("llama").named_parameters()}
    attach(model, "lora", task="causal")


def test_the_registry_is_read_without_torch() -> None:
    import subprocess
    import sys

    code = "import sys; from trivium.tune.methods import METHODS; assert METHODS; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert len(METHODS) == 20
