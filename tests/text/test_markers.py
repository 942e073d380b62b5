from __future__ import annotations

import pytest

from trivium.text.markers import with_markers, without_markers


@pytest.mark.parametrize(
    "marked",
    [
        "It lasts 24 months [1].",
        "It lasts 24 months [1, 2].",
        "It lasts 24 months[12][3].",
        "It lasts 24 months 【3】.",
        "It lasts 24 months (passage 2).",
        "It lasts 24 months [Source 1].",
        "It lasts 24 months [1-3].",
    ],
)
def test_what_a_model_marks_is_taken_out(marked: str) -> None:
    assert without_markers(marked) == "It lasts 24 months."


@pytest.mark.parametrize("text", ["a[i] = b[0x1f]", "in (2008)", "see [the manual]", "[2008]"])
def test_other_brackets_stay(text: str) -> None:
    assert without_markers(text) == text


def test_chinese_markers() -> None:
    assert without_markers("保修期为24个月【1】。（来源2）") == "保修期为24个月。"


def test_markers_go_before_the_closing_mark() -> None:
    assert with_markers("It lasts 24 months.", (1, 2)) == "It lasts 24 months [1][2]."
    assert with_markers("It lasts.”", (1,)) == "It lasts [1].”"
    assert with_markers("保修期为24个月。", (1,)) == "保修期为24个月[1]。"
    assert with_markers("24 months", (3,)) == "24 months [3]"
    assert with_markers("24 months", ()) == "24 months"
    assert with_markers("...", (1,)) == "[1]..."
