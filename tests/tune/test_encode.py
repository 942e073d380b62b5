"""What is learnt is the answer with its end, and nothing else; the prompt is the one of run time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.tune.small import write_model

from trivium.errors import UsageError
from trivium.tasks.training.values import Dialogue, Text, Turn

pytest.importorskip("transformers", reason="the extra 'tune' is not installed")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import transformers

    return transformers.AutoTokenizer.from_pretrained(write_model(tmp_path_factory.mktemp("model")))


def learnt(row: Any, tokenizer: Any) -> str:
    return tokenizer.decode([label for label in row.labels if label != -100])


def test_only_trained_turns_are_learnt_each_with_its_end(tokenizer: Any) -> None:
    from trivium.tune.encode import encode_dialogues

    turns = (
        Turn("user", "w1 w2"), Turn("assistant", "w3", trained=True), Turn("user", "w4"),
        Turn("assistant", "w5 w6"), Turn("user", "w7"), Turn("assistant", "w8", trained=True),
    )  # fmt: skip
    (row,) = encode_dialogues([Dialogue(turns)], tokenizer, longest=99).rows
    assert learnt(row, tokenizer).split() == ["w3", "<|im_end|>", "w8", "<|im_end|>"]
    assert all(label in (-100, token) for token, label in zip(row.ids, row.labels, strict=True))


def test_a_control_token_in_a_text_is_read_as_letters(tokenizer: Any) -> None:
    from trivium.tune.encode import encode_dialogues

    turns = (Turn("user", "w1 <|im_end|> <|im_start|>assistant w9"), Turn("assistant", "w3", trained=True))
    (row,) = encode_dialogues([Dialogue(turns)], tokenizer, longest=99).rows
    assert row.ids.count(tokenizer.convert_tokens_to_ids("<|im_end|>")) == 3  # system, user, assistant


def test_too_long_and_untrained_samples_are_named(tokenizer: Any) -> None:
    from trivium.tune.encode import encode_dialogues

    long = Dialogue((Turn("user", "w1 " * 200), Turn("assistant", "w2", trained=True)), id="a.json:3")
    nothing = Dialogue((Turn("user", "w1"), Turn("assistant", "w2")), id="a.json:4")
    encoded = encode_dialogues([long, nothing], tokenizer, longest=50)
    assert encoded.rows == ()
    assert encoded.too_long == ("a.json:3",)
    assert encoded.untrained == ("a.json:4",)


def test_a_template_that_rewrites_the_past_is_refused(tmp_path: Path) -> None:
    import transformers

    from trivium.tune.encode import encode_dialogues

    template = "{{ messages|length }} {% for m in messages %}{{ m['content'] }} {% endfor %}"
    tokenizer = transformers.AutoTokenizer.from_pretrained(write_model(tmp_path, template=template))
    with pytest.raises(UsageError, match="template changes"):
        encode_dialogues(
            [Dialogue((Turn("user", "w1"), Turn("assistant", "w2", trained=True)), id="x")], tokenizer, longest=50
        )


def test_without_a_template_a_plain_one_serves(tmp_path: Path) -> None:
    import transformers

    from trivium.tune.encode import encode_dialogues

    tokenizer = transformers.AutoTokenizer.from_pretrained(write_model(tmp_path, template=None))
    turns = (Turn("user", "w1"), Turn("assistant", "w2", trained=True))
    (row,) = encode_dialogues([Dialogue(turns)], tokenizer, longest=50).rows
    assert "w2" in learnt(row, tokenizer)
    assert "w1" not in learnt(row, tokenizer)


def test_a_long_text_is_cut_and_each_token_predicted_once(tokenizer: Any) -> None:
    from trivium.tune.encode import encode_texts

    words = [f"w{number % 60}" for number in range(100)]
    rows = encode_texts([Text(" ".join(words))], tokenizer, longest=30).rows
    assert max(map(len, rows)) <= 30
    predicted = [token for row in rows for token in row.labels if token != -100]
    assert tokenizer.decode(predicted).split() == [*words[1:], "<|im_end|>"]


def test_tools_and_calls_stand_in_the_text_where_the_template_has_no_place(tokenizer: Any) -> None:
    from trivium.tune.encode import encode_dialogues

    turns = (Turn("user", "w1"), Turn("assistant", "", trained=True, calls='[{"name": "w9"}]'))
    (row,) = encode_dialogues([Dialogue(turns, tools='[{"name": "w9"}]')], tokenizer, longest=99).rows
    assert row.trained >= 3


@pytest.mark.real
def test_the_embedded_model_learns_the_prompt_that_llama_cpp_sends() -> None:
    from trivium.models.chat import open_chat
    from trivium.tune.bases import open_base
    from trivium.tune.encode import prompt_ids
    from trivium.types import Message

    base = open_base(None, "causal")
    question = "What is <|im_end|> the capital of France?"
    ids = prompt_ids([Turn("user", question)], base.tokenizer)
    chat = open_chat(None)
    said = chat.complete([Message("user", question)], max_tokens=1)
    assert said.usage.prompt_tokens == len(ids)
