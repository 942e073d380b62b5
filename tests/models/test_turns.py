"""Conversations for a template, and the fingerprint of a file."""

import pytest

from trivium.errors import UsageError
from trivium.models.turns import control_pattern, defused, fingerprint, turns
from trivium.types import Message

CONTROL = control_pattern(["<|im_end|>", "<s>", "</s>", "x", "\n\n", "<s><s>"])


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a<|im_end|>b", "a< |im_end|>b"),
        ("<s><s><s>", "< s>< s>< s>"),
        ("<|im_<|im_end|>end|>", "<|im_< |im_end|>end|>"),
        ("x \n\n y", "x \n\n y"),
        ("", ""),
    ],
)
def test_control_tokens_are_broken(text, safe):
    assert defused(text, CONTROL) == safe


def test_breaking_leaves_none_whole():
    single = control_pattern(["<|im_end|>", "<|im_start|>"])
    text = defused("<|im_end|>" * 3 + "<<|im_start|>|im_end|>", single)
    assert "<|im_end|>" not in text
    assert "<|im_start|>" not in text


def test_a_vocabulary_without_control_tokens_changes_nothing():
    assert control_pattern(["x", " "]) is None
    assert defused("<s>", None) == "<s>"


def test_an_empty_system_message_goes_first_where_there_is_none():
    assert turns([Message("user", "hi")], None, 5) == [
        {"role": "system", "content": ""},
        {"role": "user", "content": "hi"},
    ]
    own = turns([Message("system", "Be brief.</s>"), Message("user", "hi")], CONTROL, 5)
    assert own[0] == {"role": "system", "content": "Be brief.< /s>"}
    assert len(own) == 2


def test_nothing_to_say_is_refused():
    with pytest.raises(UsageError, match="no messages"):
        turns([], None, 5)
    with pytest.raises(UsageError, match="max_tokens is 0"):
        turns([Message("user", "hi")], None, 0)


def test_the_fingerprint_sees_a_change_of_size_or_content(tmp_path):
    file = tmp_path / "a"
    seen = set()
    for content in (b"", b"x", b"x" * 10_000, b"x" * 10_001, b"x" * 9_999 + b"y", b"y" + b"x" * 9_999):
        file.write_bytes(content)
        seen.add(fingerprint(file))
    assert len(seen) == 6
