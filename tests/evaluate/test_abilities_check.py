"""When an answer is right, a refusal, or a warning."""

from __future__ import annotations

import pytest

from trivium.evaluate.abilities.check import parts_held, refuses, right, says, says_all, warns
from trivium.evaluate.abilities.values import Said

TWO = (("January 2", "Jan 2"), ("Ada",))


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("on jan 2, by ADA", [True, True]),
        ("on January 2", [True, False]),
        ("by Ada", [False, True]),
        ("nobody", [False, False]),
    ],
)
def test_every_part_needs_one_alternative(text: str, held: list[bool]) -> None:
    assert parts_held(text, TWO, "en") == held
    assert right(Said(text), TWO, "en") is all(held)


def test_spaces_of_a_chinese_answer_do_not_count() -> None:
    assert right(Said("共有 1361 万 人"), (("1361万人",),), "zh")
    assert not right(Said("New  York"), (("NewYork",),), "en")


def test_the_rule_of_the_benchmark_looks_for_letters_and_ours_for_words() -> None:
    assert right(Said("共有170个议席"), (("70",),), "zh")
    assert not says("共有170个议席", ["70"])
    assert says("共有70个议席", ["70"])
    assert not says_all("by Ada", TWO)
    assert says_all("Ada, on Jan. 2", TWO)


@pytest.mark.parametrize(
    "said",
    [
        Said("The documents do not say.", refused=True),
        Said("I can not answer the question because of the insufficient information in documents."),
        Said("文档信息 不足，因此我无法基于提供的文档回答该问题。"),
    ],
)
def test_a_refusal_is_never_right(said: Said) -> None:
    assert refuses(said)
    assert not right(said, (("documents",), ("a",)), "en")


def test_a_warning_is_not_a_refusal() -> None:
    said = Said("There are factual errors in the provided documents. It was Ada.")
    assert warns(said)
    assert right(said, (("Ada",),), "en")
    assert warns(Said("提供的文档存在事实性 错误。"))
    assert not warns(Said("It was Ada."))


def test_an_answer_to_what_nobody_knows_is_not_right() -> None:
    assert not right(Said("anything"), (), "en")
    assert not says_all("anything", ())
