from __future__ import annotations

import pytest

from trivium.errors import UsageError
from trivium.evaluate.score import score
from trivium.evaluate.score_all import score_all
from trivium.types import Answer, Example


def pairs(n: int):
    for number in range(n):
        yield (
            Example(str(number), "Which?", (str(number % 7),), language="en"),
            Answer("Which?", f"It is {number % 5}."),
        )


def test_several_processes_give_the_same_in_the_same_order() -> None:
    expected = [score(example, answer) for example, answer in pairs(300)]
    assert list(score_all(pairs(300), processes=2)) == expected
    assert list(score_all(pairs(300), processes=1)) == expected
    assert list(score_all([], processes=2)) == []


def test_answers_are_read_as_they_are_needed() -> None:
    read = 0

    def counted():
        nonlocal read
        for pair in pairs(5_000):
            read += 1
            yield pair

    scored = score_all(counted(), processes=2)
    for _ in range(10):
        next(scored)
    scored.close()
    assert read <= 320


@pytest.mark.parametrize("form", ["regex:(", "haiku"])
def test_an_error_in_a_process_is_raised_here(form: str) -> None:
    wrong = Example("1", "?", ("x",), format=form)
    with pytest.raises(UsageError, match=r"cannot be read|haiku.*Choose one of"):
        list(score_all([(wrong, Answer("?", "x"))], processes=2))
