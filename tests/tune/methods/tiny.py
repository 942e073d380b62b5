"""Small random models of each family, with a batch and a loss."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
import transformers

from trivium.tune.methods import METHODS, Attached, attach

VOCABULARY = 99
_SHARED = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
CONFIGS: dict[str, Any] = {
    "llama": transformers.LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=40,
        num_labels=3,
        **_SHARED,
    ),
    "gpt2": transformers.GPT2Config(
        n_embd=64,
        n_layer=2,
        n_head=4,
        n_positions=40,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
        num_labels=3,
        **_SHARED,
    ),
    "bert": transformers.BertConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=40,
        hidden_dropout_prob=0,
        attention_probs_dropout_prob=0,
        num_labels=3,
        **_SHARED,
    ),
    "t5": transformers.T5Config(
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        dropout_rate=0,
        decoder_start_token_id=0,
        num_labels=3,
        **_SHARED,
    ),
}
TASK = {"llama": "causal", "gpt2": "causal", "bert": "classify", "t5": "seq2seq"}
_CLASSES = {
    "causal": "AutoModelForCausalLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "classify": "AutoModelForSequenceClassification",
    "tag": "AutoModelForTokenClassification",
    "span": "AutoModelForQuestionAnswering",
    "masked": "AutoModelForMaskedLM",
    "embed": "AutoModel",
}


def base(family: str, task: str = "", seed: int = 0) -> Any:
    """The same small model each time."""
    torch.manual_seed(seed)
    maker = getattr(transformers, _CLASSES[task or TASK[family]])
    config = copy.deepcopy(CONFIGS[family])
    if task == "span":
        config.num_labels = 2
    model = maker.from_config(config).float()
    with torch.no_grad():  # biases and norms as trained models have them: not all 0 and 1
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
            elif family != "t5" and "embed" not in name and "wte" not in name:
                parameter.mul_(3)
    return model.eval()


def batch(family: str, task: str = "", rows: int = 2, length: int = 7) -> dict[str, torch.Tensor]:
    """Token ids without padding, and labels for the task."""
    task = task or TASK[family]
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(3, VOCABULARY, (rows, length), generator=generator)
    made = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if task == "seq2seq":
        made["labels"] = torch.randint(3, VOCABULARY, (rows, 4), generator=generator)
    elif task in ("causal", "masked"):
        made["labels"] = ids.clone()
    elif task == "classify":
        made["labels"] = torch.arange(rows) % 3
    elif task == "tag":
        made["labels"] = ids % 3
    elif task == "span":
        made |= {"start_positions": torch.tensor([1] * rows), "end_positions": torch.tensor([4] * rows)}
    return made


def output(model: Any, family: str, task: str = "", given: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
    """The main output: logits, or the last hidden states."""
    given = given or batch(family, task)
    with torch.no_grad():
        made = model(**given)
    if hasattr(made, "logits"):
        return made.logits
    return made.start_logits if hasattr(made, "start_logits") else made.last_hidden_state


def loss(model: Any, given: dict[str, torch.Tensor]) -> torch.Tensor:
    made = model(**given)
    return made.loss if "loss" in made else made.last_hidden_state.square().mean()


def settings_for(name: str, family: str, folder: Path, task: str = "") -> dict[str, Any]:
    """Settings that fit small models; AdapterFusion gets two adapters made for it."""
    small: dict[str, dict[str, Any]] = {
        "freeze": {"layers": 1},
        "houlsby": {"reduction": 4},
        "pfeiffer": {"reduction": 4},
        "adapter_drop": {"reduction": 4},
        "prefix": {"length": 5, "hidden": 12},
        "prompt": {"length": 5},
        "p_tuning": {"length": 5, "hidden": 12},
        "p_tuning_v2": {"length": 5},
        "mam": {"length": 5, "bottleneck": 16},
        "unipelt": {"length": 5, "reduction": 4, "rank": 2, "alpha": 4.0},
    }
    if name == "adapter_fusion":
        return {"adapters": [str(pfeiffer(family, folder / str(seed), task, seed)) for seed in (1, 2)]}
    return small.get(name, {})


def pfeiffer(family: str, folder: Path, task: str, seed: int) -> Path:
    attached = attach(base(family, task), "pfeiffer", {"reduction": 4}, task=task or TASK[family])
    move(attached, seed)
    attached.save(folder)
    return folder


def attached_to(family: str, name: str, folder: Path, task: str = "", model: Any = None) -> Attached:
    made = attach(
        model if model is not None else base(family, task),
        name,
        settings_for(name, family, folder, task),
        task=task or TASK[family],
    )
    made.model.eval()
    return made


def move(attached: Attached, seed: int = 1, by: float = 0.05) -> None:
    """Change every trained parameter, as training would."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in attached.trained().values():
            parameter.add_(by * torch.randn_like(parameter))


PAIRS = [
    (family, name) for family in CONFIGS for name in METHODS if not (name == "bitfit" and family in ("llama", "t5"))
]
