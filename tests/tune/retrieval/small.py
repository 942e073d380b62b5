"""A tiny encoder that Transformers and ONNX Runtime both read, and a knowledge base made of its few words."""

from __future__ import annotations

import json
import random
from itertools import permutations
from pathlib import Path

from tests.models.tiny_encoders import UNITS, write_encoder, write_json

from trivium.types import Document, Example, Gold

WORDS = ["warranty", "lasts", "two", "years", "engine", "broke", "yesterday", "query", "passage"]


def base_folder(folder: Path) -> Path:
    write_encoder(folder, max_length=24)
    config = json.loads((folder / "config.json").read_text())
    more = {"intermediate_size": UNITS, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    write_json(folder / "config.json", {**config, **more, "architectures": ["BertModel"]})
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"})
    return folder


def documents(count: int = 40) -> list[Document]:
    """Documents of four words each, no two the same."""
    drawn = random.Random(0).sample(list(permutations(WORDS, 4)), count)
    return [Document(f"d{number}", "a " + " ".join(words)) for number, words in enumerate(drawn)]


def examples(of: list[Document]) -> list[Example]:
    """A question for each document: its first two words ask for its last two."""
    return [
        Example(
            f"q-{one.source}", "the " + " ".join(one.text.split()[1:3]), (" ".join(one.text.split()[3:]),),
            (Gold(one.source, one.text),),
        )
        for one in of
    ]  # fmt: skip
