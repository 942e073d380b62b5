"""The model types that are said to belong to a family do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra 'tune' is not installed")
transformers = pytest.importorskip("transformers", reason="the extra 'tune' is not installed")
pytest.importorskip("peft", reason="the extra 'tune' is not installed")

from trivium.tune.methods import METHODS, attach, load  # noqa: E402
from trivium.tune.methods.architecture import LAYOUTS  # noqa: E402

_SIZES = {
    "llama": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
    "bert": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "embedding_size": 16,
        "max_position_embeddings": 40,
    },
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0},
}
TYPES = [(family, kind) for family, layout in LAYOUTS.items() for kind in layout.types]


def model(family: str, kind: str) -> Any:
    torch.manual_seed(0)
    sizes = {key: value for key, value in _SIZES[family].items() if key != "embedding_size" or kind == "electra"}
    config = transformers.AutoConfig.for_model(
        kind, vocab_size=60, pad_token_id=1, bos_token_id=0, eos_token_id=2, **sizes
    )
    maker = {"bert": transformers.AutoModelForSequenceClassification, "t5": transformers.AutoModelForSeq2SeqLM}
    return maker.get(family, transformers.AutoModelForCausalLM).from_config(config).float().eval()


@pytest.mark.parametrize(("family", "kind"), TYPES)
@pytest.mark.parametrize("name", ["lora", "ia3", "houlsby", "prefix", "prompt", "mam", "unipelt", "freeze"])
def test_a_type_trains_and_comes_back(family: str, kind: str, name: str, tmp_path: Path) -> None:
    given = {"input_ids": torch.randint(3, 60, (2, 6)), "attention_mask": torch.ones(2, 6, dtype=torch.long)}
    given["labels"] = torch.tensor([0, 1]) if family == "bert" else given["input_ids"]

    def logits(model: Any) -> Any:
        with torch.no_grad():
            return model.eval()(**given).logits

    plain = logits(model(family, kind))
    task = {"bert": "classify", "t5": "seq2seq"}.get(family, "causal")
    attached = attach(model(family, kind), name, {"layers": 1} if name == "freeze" else None, task=task)
    start = logits(attached.model)
    assert torch.equal(start, plain) if METHODS[name].exact else start.shape == plain.shape
    assert sum(parameter.numel() for parameter in attached.trained().values()) == attached.formula()
    optimiser = torch.optim.AdamW(attached.trained().values(), lr=1e-3)
    attached.model.train()
    attached.model(**given).loss.backward()
    assert all(parameter.grad is not None for parameter in attached.trained().values())
    optimiser.step()
    tuned = logits(attached.model)
    assert not torch.equal(tuned, start)
    attached.save(tmp_path)
    assert torch.equal(logits(load(model(family, kind), tmp_path).model), tuned)
    if family in ("llama", "gpt2"):
        ids = given["input_ids"]
        options = {
            "attention_mask": given["attention_mask"],
            "max_new_tokens": 4,
            "do_sample": False,
            "eos_token_id": None,
        }
        cached = attached.model.generate(input_ids=ids, **options)
        assert torch.equal(cached, attached.model.generate(input_ids=ids, use_cache=False, **options))
