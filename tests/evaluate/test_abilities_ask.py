"""Answers are written as they come, asked once, and found again after anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from trivium.errors import ContextOverflow, RemoteError, StoreFull
from trivium.evaluate.abilities.ask import FILE, Answers, Progress, ask
from trivium.evaluate.abilities.values import Said, Trial
from trivium.types import Answer, Citation


class Spoken:
    """Says the question backwards, and counts."""

    def __init__(self, fails: str = "", error: BaseException | None = None) -> None:
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self.fails, self.error = fails, error

    def __call__(self, question: str, passages: Sequence[str]) -> Answer:
        self.calls.append((question, tuple(passages)))
        if question == self.fails and self.error is not None:
            raise self.error
        proof = Citation(1, "passage 1", None, 0, 1, "x")
        return Answer(question, f"{question[::-1]} [1].", citations=(proof,))


def trials(*questions: str) -> list[Trial]:
    return [Trial(question, ("one", "two"), "stage") for question in questions]


def test_the_same_is_asked_once_and_order_is_kept(tmp_path: Path) -> None:
    reader, told = Spoken(), []
    with Answers(tmp_path) as answers:
        asked = [*trials("abc", "def", "abc"), Trial("abc", ("two", "one"))]
        said = ask(asked, reader=reader, answers=answers, progress=told.append)
    assert [one.text for one in said] == ["cba.", "fed.", "cba.", "cba."]
    assert len(reader.calls) == answers.asked == 3  # the order of the passages makes another trial
    assert told[-1] == Progress("stage", 4, 4)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_second_run_asks_nothing(tmp_path: Path, workers: int) -> None:
    many = trials(*(f"q{n}" for n in range(40)))
    with Answers(tmp_path) as answers:
        first = ask(many, reader=Spoken(), answers=answers, workers=workers)
    again = Spoken()
    with Answers(tmp_path) as answers:
        assert ask(many, reader=again, answers=answers, workers=workers) == first
    assert again.calls == []
    assert [one.text for one in first] == [f"{n}"[::-1] + "q." for n in range(40)]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_line_is_asked_again(tmp_path: Path, cut: int) -> None:
    with Answers(tmp_path) as answers:
        ask(trials("abc", "问\u2028题"), reader=Spoken(), answers=answers)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-cut])
    reader = Spoken()
    with Answers(tmp_path) as answers:
        ask(trials("abc", "问\u2028题", "new"), reader=reader, answers=answers)
    assert [question for question, _ in reader.calls] == ["问\u2028题", "new"]
    lines = path.read_bytes().decode().removesuffix("\n").split("\n")
    assert [json.loads(line)["question"] for line in lines] == ["abc", "问\u2028题", "new"]


def test_a_line_that_is_no_answer_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"key": 1}\nnot json\n[]\n')
    with Answers(tmp_path) as answers:
        assert ask(trials("abc"), reader=Spoken(), answers=answers) == [Said("cba.")]
    with Answers(tmp_path) as answers:
        assert answers.get(trials("abc")[0]) == Said("cba.")


def test_a_dead_endpoint_ends_it_and_the_next_run_goes_on(tmp_path: Path) -> None:
    many = trials(*(f"q{n}" for n in range(10)))
    with Answers(tmp_path) as answers, pytest.raises(RemoteError, match="gone"):
        ask(many, reader=Spoken("q6", RemoteError("gone")), answers=answers)
    reader = Spoken()
    with Answers(tmp_path) as answers:
        said = ask(many, reader=reader, answers=answers)
    assert [question for question, _ in reader.calls] == ["q6", "q7", "q8", "q9"]
    assert len(said) == 10


def test_ctrl_c_keeps_what_was_said(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 4:
            raise KeyboardInterrupt

    many = trials(*(f"q{n}" for n in range(10)))
    with Answers(tmp_path) as answers, pytest.raises(KeyboardInterrupt):
        ask(many, reader=Spoken(), answers=answers, progress=stop)
    with Answers(tmp_path) as answers:
        assert 4 <= sum(answers.get(trial) is not None for trial in many) < 10


def test_a_question_that_is_too_long_is_counted_not_scored(tmp_path: Path) -> None:
    reader = Spoken("long", ContextOverflow(9000, 8000))
    with Answers(tmp_path) as answers:
        said = ask(trials("a", "long"), reader=reader, answers=answers)
        assert answers.failed == 1
    assert said[0] == Said("a.")
    assert "9000" in said[1].error


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(StoreFull, match="cannot be written"):
        Answers(tmp_path)
