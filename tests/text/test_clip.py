from __future__ import annotations

from trivium.models.fake import word_spans
from trivium.text.clip import clip


def test_a_text_is_cut_after_a_token() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve"
    assert clip(text, word_spans, 10) == "one two three four five six"
    assert clip(text, word_spans, 100) == text
    assert clip(text, word_spans, 0) == "one"
    assert clip("", word_spans, 10) == ""
    assert clip("。。。。。。。。。。。。", word_spans, 8) == "。。。。。。。。。。。。"  # no tokens at all
