"""Small random models, tokenizers made from the samples, and a short training run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from trivium.tasks.training.parts import asked, said
from trivium.tasks.training.values import Preference, Text, Turn
from trivium.tune.bases import Base
from trivium.tune.loop import Settings, Trained, train
from trivium.tune.methods import Attached, attach
from trivium.tune.methods.base import TASKS
from trivium.tune.objectives import Options, labels_of, objective_for

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "</s>"]
_FRAMES = {"bert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"), "t5": ("$A </s>", "$A $B </s>"), "llama": None}
_CLASSES = {
    "causal": "AutoModelForCausalLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "classify": "AutoModelForSequenceClassification",
    "tag": "AutoModelForTokenClassification",
    "span": "AutoModelForQuestionAnswering",
    "masked": "AutoModelForMaskedLM",
}
_SIZE = {"bert": "hidden_size", "llama": "hidden_size", "t5": "d_model"}


def tokenizer(texts: Sequence[str], family: str = "bert") -> Any:
    """A tokenizer whose words are those of the texts."""
    normal, split = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    words = [
        word
        for text in [*texts, "User: Assistant: System:"]
        for word, _ in split.pre_tokenize_str(normal.normalize_str(text))
    ]
    signs = sorted({sign for word in words for sign in word})
    common = [word for word, _ in Counter(sorted(words)).most_common(300) if len(word) > 1]
    pieces = [*SPECIALS, *signs, *(f"##{sign}" for sign in signs), *common]
    made = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normal, split
    if _FRAMES[family]:
        one, two = _FRAMES[family]
        ids = [(token, made.token_to_id(token)) for token in SPECIALS]
        made.post_processor = processors.TemplateProcessing(single=one, pair=two, special_tokens=ids)
    names = {"bert": ("[CLS]", "[SEP]"), "t5": (None, None), "llama": (None, None)}[family]
    inputs = ["input_ids", "attention_mask"] + (["token_type_ids"] if family == "bert" else [])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="[UNK]",
        pad_token="[PAD]",
        mask_token="[MASK]",
        eos_token="</s>",
        cls_token=names[0],
        sep_token=names[1],
        model_input_names=inputs,
        model_max_length=128 if family == "bert" else 1_000_000_000,
    )


def base(task: str, texts: Sequence[str], labels: Sequence[str] = (), family: str = "") -> Base:
    """A small random model with the head of a task."""
    torch.manual_seed(0)
    family = family or {"causal": "llama", "seq2seq": "t5"}.get(task, "bert")
    words = tokenizer(texts, family)
    shared: dict[str, Any] = {"vocab_size": len(words), "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 5}
    if task in ("classify", "tag"):
        names = list(labels) or ["value"]
        shared |= {"num_labels": len(names), "id2label": dict(enumerate(names))}
        shared |= {"label2id": {name: number for number, name in enumerate(names)}}
    sizes = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    config: Any = {
        "llama": lambda: transformers.LlamaConfig(
            **sizes, num_key_value_heads=2, max_position_embeddings=512, **shared
        ),
        "bert": lambda: transformers.BertConfig(
            **sizes, max_position_embeddings=128, hidden_dropout_prob=0, attention_probs_dropout_prob=0, **shared
        ),
        "t5": lambda: transformers.T5Config(
            d_model=48,
            d_kv=12,
            d_ff=96,
            num_layers=2,
            num_heads=4,
            dropout_rate=0,
            decoder_start_token_id=0,
            **shared,
        ),
    }[family]()
    model = getattr(transformers, _CLASSES[task]).from_config(config).float()
    assert task in TASKS
    return Base("small", Path(), task, model, words)


def texts_of(samples: Sequence[Any]) -> list[str]:
    return [text for sample in samples for text in (asked(sample), said(sample))]


def opened(
    kind: str, task: str, samples: Sequence[Any], options: Options, method: str = "full", family: str = ""
) -> tuple[Attached, Any]:
    """A small model with a method, and the objective of the samples on it."""
    made = base(task, texts_of(samples), labels_of(samples), family)
    attached = attach(made.model, method, task=task)
    return attached, objective_for(kind, made, attached, samples, options)


def overfit(
    attached: Attached, objective: Any, samples: Sequence[Any], folder: Path, steps: int = 30, rate: float = 3e-3
) -> Trained:
    """Train on a few samples again and again, through the loop."""
    prepared = objective.prepare(samples)
    assert 0 < prepared.trained <= max(prepared.tokens, 2 * prepared.samples)
    assert "⟦" in prepared.preview
    settings = Settings(steps=steps, batch=len(prepared.items), rate=rate, schedule="constant", every=steps)
    return train(attached, objective, prepared, settings, folder)


def fell(trained: Trained) -> float:
    """The last loss over the first."""
    return trained.loss / trained.history[0]["loss"]


def cut(sample: Any, most: int = 50) -> Any:
    """A sample with its texts at a length for small models."""
    if isinstance(sample, Text):
        return replace(sample, text=sample.text[: 4 * most])
    asks = (Turn("user", sample.prompt[-1].content[:30]),)
    if isinstance(sample, Preference):
        return replace(sample, prompt=asks, chosen=sample.chosen[:most], rejected=sample.rejected[:most])
    return replace(sample, prompt=asks, completion=sample.completion[:most])
