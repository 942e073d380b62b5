from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trivium.text.sentences import sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    "expected",
    [
        ["Dr. Smith met J. K. Rowling at 3.30 p.m. in St. Albans.", "It rained."],
        ["He went to Washington, D.C. on Jan. 5.", "See Fig. 3 and No. 5."],
        ["Was it Apple Inc. of Cupertino?", "Yes!"],
        ['"Really?" she asked.', "(Is it so?)", "“No.”", "He left... and then returned."],
        ["It fell by 3.5% to $1.2 million, e.g. in v1.2.3 of www.example.org.", "Then it rose."],
        ["The U.S. Army left.", "It was in the U.S. in 1944.", "We use trees, nets, etc. The rest is known."],
        ["I like vitamin C.", "The end."],
        ["hello.", "how are you?", "fine!", "ok"],
    ],
)
def test_english(expected: list[str]) -> None:
    if expected[-1].startswith("We use"):
        expected = [*expected[:-1], "We use trees, nets, etc.", "The rest is known."]
    assert sentences(" ".join(expected)) == expected


@pytest.mark.parametrize(
    "expected",
    [
        ["他说：“你好。”", "然后走了。", "真的？！", "是的……", "也许；", "好吧！", "（对。）", "价格是3．5元。"],
        ["「はい。」と言った。", "終わり。"],
        ["你好!", "我们走.", "好的?", "是"],
        ["版本是 v1.2，价格 3.5 元。", "再见"],
    ],
)
def test_chinese_and_japanese(expected: list[str]) -> None:
    assert sentences("".join(expected)) == expected


def test_other_scripts() -> None:
    assert sentences("हाँ। नहीं।") == ["हाँ।", "नहीं।"]
    assert sentences("هل هذا صحيح؟ نعم.") == ["هل هذا صحيح؟", "نعم."]


def test_lines_end_sentences_unless_wrapped() -> None:
    text = (
        "# 1. A title\nFirst paragraph, which is wrapped by hand at about eighty columns so that it\n"
        "goes on here. Second.\n\n1. one\n2. Two, etc.\n- three\n\n| a. b | Mr. C. D |\n| x. Y | z |\nAfter:\n  last"
    )
    assert sentences(text) == [
        "# 1. A title",
        "First paragraph, which is wrapped by hand at about eighty columns so that it\ngoes on here.",
        "Second.",
        "1. one",
        "2. Two, etc.",
        "- three",
        "| a. b | Mr. C. D |",
        "| x. Y | z |",
        "After:",
        "last",
    ]


@given(st.text(alphabet=st.sampled_from("aB.!?。！？…；”\"') 1\n\r\t|-#中とI．\u3000\u2028"), max_size=60) | st.text())
@example("")
@example(" \n ")
def test_spans_are_ordered_trimmed_and_cover_everything(text: str) -> None:
    spans = sentence_spans(text)
    covered = 0
    for start, end in spans:
        assert start < end
        assert text[covered:start].strip() == ""
        assert text[start:end] == text[start:end].strip()
        covered = end
    assert text[covered:].strip() == ""


@pytest.mark.parametrize("unit", ["a. ", "A.", "\n", "。", " .", '."', "x", "- a\n"])
def test_hostile_text_is_linear(unit: str) -> None:
    sentence_spans(unit * (1_000_000 // len(unit)))  # a quadratic step would take minutes


def test_real_paragraphs_are_cut_where_readers_would(shared_data: Path) -> None:
    articles = json.loads((shared_data / "squad" / "dev-v2.0.json").read_text("utf-8"))["data"]
    paragraphs = [p["context"] for a in articles for p in a["paragraphs"]]
    lengths = [len(s.split()) for p in paragraphs for s in sentences(p)]
    assert 20 < sum(lengths) / len(lengths) < 30  # English encyclopaedia prose
    assert sum(n <= 2 for n in lengths) < 0.005 * len(lengths)  # cuts after an abbreviation would leave crumbs
    answers = [
        (p["context"], a["answer_start"], a["answer_start"] + len(a["text"]))
        for article in articles
        for p in article["paragraphs"]
        for q in p["qas"]
        for a in q["answers"]
        if len(a["text"].split()) <= 6
    ]
    broken = sum(not any(s <= a and b <= e for s, e in sentence_spans(c)) for c, a, b in answers[:3000])
    assert broken < 0.005 * min(len(answers), 3000)  # short answers lie within one sentence
