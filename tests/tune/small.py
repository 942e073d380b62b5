"""A small Llama with a tokenizer of its own, as a Transformers folder: a model that trains in milliseconds."""

from __future__ import annotations

import json
from pathlib import Path

WORDS = [f"w{number}" for number in range(60)]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' + message['content'] + '<|im_end|> ' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant ' }}{% endif %}"
)


def write_model(folder: Path, *, layers: int = 2, template: str | None = TEMPLATE) -> Path:
    import tokenizers
    import torch
    import transformers

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {word: number for number, word in enumerate([*special, "system", "user", "assistant", *WORDS])}
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<|endoftext|>"))
    core.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    core.add_special_tokens(special)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<|endoftext|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    tokenizer.chat_template = template
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=len(vocabulary), max_position_embeddings=256, tie_word_embeddings=True,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_dialogues(path: Path, number: int) -> Path:
    """Questions of three words whose answer is the first of them."""
    rows = []
    for one in range(number):
        words = [WORDS[(one * step + step) % 60] for step in (7, 11, 13)]
        rows.append({"instruction": " ".join(words), "input": "", "output": words[0]})
    path.write_text(json.dumps(rows), "utf-8")
    return path


def write_reviews(place: Path, source: Path, number: int) -> tuple[Path, Path]:
    """The first reviews of a real file of labelled texts, and a small encoder whose words are theirs."""
    from tests.tune.objectives.small import base, texts_of

    from trivium.tasks.training.read import read_training
    from trivium.tune.objectives import labels_of

    data = place / "reviews.tsv"
    data.write_text("".join(source.read_text("utf-8").splitlines(keepends=True)[:number]), "utf-8")
    samples = read_training(data).samples
    made = base("classify", texts_of(samples), labels_of(samples))
    made.model.save_pretrained(place / "encoder")
    made.tokenizer.save_pretrained(place / "encoder")
    return data, place / "encoder"
