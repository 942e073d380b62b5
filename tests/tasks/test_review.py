from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from trivium.errors import UsageError
from trivium.tasks.questions import read_jsonl, write_questions
from trivium.tasks.review import Choice, ReviewReport, journal_of, read_decisions, review, reviewed_path
from trivium.types import Example, Gold

EXAMPLES = [
    Example(
        "a", "How long is the warranty?", ("24 months",), (Gold("m.md", "The warranty is 24 months."),), language="en"
    ),
    Example("b", "Who pays?", ("The seller",), language="en", tags=("synthetic",)),
    Example("c", "保修多久？", ("二十四个月",), language="zh"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_questions(tmp_path / "set.jsonl", EXAMPLES)
    return tmp_path / "set.jsonl"


def saying(*choices: Choice) -> Callable[[Example, int, int], Choice]:
    """Answers with the choices in turn, and notes what was asked."""
    rest: Iterator[Choice] = iter(choices)
    return lambda example, number, total: next(rest)


def counts(report: ReviewReport) -> tuple[int, int, int, int]:
    return report.kept, report.edited, report.dropped, report.left


def test_keep_edit_drop(file: Path) -> None:
    report = review(
        EXAMPLES,
        file,
        decide=saying("keep", "edit", "drop"),
        edit=lambda one: replace(one, question="Who bears the cost?", answers=("The seller", "He")),
    )
    assert counts(report) == (1, 1, 1, 0)
    kept = list(read_jsonl(reviewed_path(file)))
    assert kept == [EXAMPLES[0], replace(EXAMPLES[1], question="Who bears the cost?", answers=("The seller", "He"))]
    assert list(read_jsonl(file)) == EXAMPLES  # the set itself stays


def test_quit_and_go_on(file: Path) -> None:
    assert counts(review(EXAMPLES, file, decide=saying("keep", "quit"))) == (1, 0, 0, 2)
    asked: list[tuple[str, int, int]] = []

    def decide(example: Example, number: int, total: int) -> Choice:
        asked.append((example.id, number, total))
        return "drop"

    assert counts(review(EXAMPLES, file, decide=decide)) == (1, 0, 2, 0)
    assert asked == [("b", 2, 3), ("c", 3, 3)]
    assert counts(review(EXAMPLES, file, decide=saying())) == (1, 0, 2, 0)  # nothing left to ask


def test_back_asks_again_and_the_last_decision_counts(file: Path) -> None:
    report = review(EXAMPLES, file, decide=saying("back", "drop", "back", "keep", "keep", "quit"))
    assert counts(report) == (2, 0, 0, 1)
    again = review(EXAMPLES, file, decide=saying("back", "drop", "keep"))  # back into what an earlier run decided
    assert counts(again) == (2, 0, 1, 0)


def test_an_edit_that_changes_nothing_asks_again(file: Path) -> None:
    report = review(EXAMPLES[:1], file, decide=saying("edit", "keep"))
    assert counts(report) == (1, 0, 0, 0)


def test_an_edited_question_is_edited_further(file: Path) -> None:
    def longer(one: Example) -> Example:
        return replace(one, question=one.question + "!")

    report = review(EXAMPLES[:1], file, decide=saying("edit", "quit"), edit=longer)
    assert counts(report) == (0, 1, 0, 0)
    review(EXAMPLES, file, decide=saying("back", "edit", "quit"), edit=longer)
    assert next(read_jsonl(reviewed_path(file))).question == "How long is the warranty?!!"


def test_what_a_kill_left_unfinished_is_passed_over(file: Path) -> None:
    review(EXAMPLES, file, decide=saying("keep", "keep", "quit"))
    journal = journal_of(file)
    journal.write_bytes(journal.read_bytes() + b'{"id": "c", "cho')
    assert [one.id for one in read_decisions(journal)] == ["a", "b"]
    assert counts(review(EXAMPLES, file, decide=saying("drop"))) == (2, 0, 1, 0)
    assert [one.choice for one in read_decisions(journal)] == ["keep", "keep", "drop"]


def test_a_decision_is_on_the_disk_before_the_next_question(file: Path) -> None:
    seen: list[int] = []

    def decide(example: Example, number: int, total: int) -> Choice:
        seen.append(len(read_decisions(journal_of(file))))
        return "keep"

    review(EXAMPLES, file, decide=decide)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    "line", ["[]", "nonsense", '{"id": "a", "choice": "maybe"}', '{"choice": "keep"}', '{"id": 1, "choice": "keep"}']
)
def test_another_file_is_not_taken_for_decisions(file: Path, line: str) -> None:
    journal_of(file).write_text(f"{line}\n", "utf-8")
    with pytest.raises(UsageError, match=r"set\.jsonl\.review\.jsonl:1 is no decision"):
        review(EXAMPLES, file, decide=saying())


def test_ids_must_differ(file: Path) -> None:
    with pytest.raises(UsageError, match="two questions with the id 'a'"):
        review([EXAMPLES[0], EXAMPLES[0]], file, decide=saying())


def test_questions_of_another_set_in_the_record_do_no_harm(file: Path) -> None:
    journal_of(file).write_text('{"id": "gone", "choice": "keep"}\n', "utf-8")
    assert counts(review(EXAMPLES, file, decide=saying("quit"))) == (0, 0, 0, 3)
