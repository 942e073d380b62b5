"""A small Llama with a byte-level BPE tokenizer, which llama.cpp has a name for."""

from __future__ import annotations

from pathlib import Path

from tests.tune.small import TEMPLATE

TEXTS = (
    "w7 w11 w13 The warranty lasts 24 months.",
    "user w14 w22 assistant w26, and so on: (1) w3; (2) w5!",
    "Who approves travel? w1 w2 w3 w4 w5 w6",
)


def write_llama(folder: Path, *, layers: int = 4, heads: int = 4) -> Path:
    import tokenizers
    import torch
    import transformers

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    core = tokenizers.Tokenizer(tokenizers.models.BPE())
    core.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=384, special_tokens=special, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()
    )
    core.train_from_iterator([*TEXTS, "system user assistant", " ".join(f"w{n}" for n in range(60))], trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=2, vocab_size=len(tokenizer), max_position_embeddings=256, tie_word_embeddings=True,
        initializer_range=0.15, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
