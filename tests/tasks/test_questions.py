"""The one form of questions, its JSONL, and what is reported of files that are not quite in it."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.errors import UsageError
from trivium.tasks.questions import QuestionSet, count_problems, read_jsonl, read_questions, write_questions
from trivium.tasks.records import Problem
from trivium.types import Example, Gold

FULL = Example(
    id="42",
    question="How long is the warranty, and who pays?",
    answers=("24 months, the maker",),
    evidence=(Gold("handbook.pdf", "The warranty is 24 months."), Gold("terms.md", "The maker pays.")),
    parts=(("24 months", "two years"), ("the maker",)),
    choices=("a", "b"),
    format="words<=20",
    tags=("warranty", "two parts"),
    language="en",
    metadata={"year": 2024, "share": 0.5, "checked": True, "author": "Ada"},
)


def read(path: Path, *rows: Any, **options: Any) -> QuestionSet:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "utf-8")
    return read_questions(path, **options)


def test_round_trip(tmp_path: Path) -> None:
    examples = (
        FULL,
        Example("2", "谁？", unanswerable=True, language="zh"),
        Example("3", "Bare?", ("x",), language="en"),
    )
    assert write_questions(tmp_path / "q.jsonl", examples) == 3
    found = read_questions(tmp_path / "q.jsonl")
    assert found.examples == examples
    assert found.problems == ()
    assert found.format == "jsonl"
    assert tuple(read_jsonl(tmp_path / "q.jsonl")) == examples
    assert [path.name for path in tmp_path.iterdir()] == ["q.jsonl"]


words = st.text(min_size=1).map(str.strip).filter(bool)
alternatives = st.lists(words, min_size=1, max_size=3, unique=True).map(tuple)


@settings(deadline=None)
@given(
    st.builds(
        Example,
        id=words,
        question=words,
        answers=alternatives,
        evidence=st.lists(st.builds(Gold, words, words), max_size=2, unique=True).map(tuple),
        parts=st.lists(alternatives, min_size=2, max_size=3).map(tuple) | st.just(()),
        choices=alternatives,
        tags=alternatives,
        language=st.sampled_from(["en", "zh", "de"]),
        metadata=st.dictionaries(words, words | st.integers(-(2**50), 2**50) | st.booleans(), max_size=2),
    )
)
def test_round_trip_of_anything(tmp_path_factory: pytest.TempPathFactory, example: Example) -> None:
    path = tmp_path_factory.getbasetemp() / "anything.jsonl"
    write_questions(path, [example])
    assert read_questions(path).examples == (example,)
    assert path.read_bytes().count(b"\n") == 1
    assert len(path.read_text("utf-8").splitlines()) == 1  # for programs that take U+2028 for a line end


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    write_questions(tmp_path / "q.jsonl", [FULL])

    def broken() -> Any:
        yield FULL
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_questions(tmp_path / "q.jsonl", broken())
    assert read_questions(tmp_path / "q.jsonl").examples == (FULL,)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("answer", "answers", "parts"),
    [
        ("Paris", ("Paris",), ()),
        (["Paris", "the capital"], ("Paris", "the capital"), ()),
        ('["Paris", "the capital"]', ("Paris", "the capital"), ()),
        (["Paris", " Paris "], ("Paris",), ()),
        ([["Paris", "Lutetia"], ["Lyon"]], ("Paris, Lyon",), (("Paris", "Lutetia"), ("Lyon",))),
        (["Paris", ["Lyon", "Lugdunum"]], ("Paris, Lyon",), (("Paris",), ("Lyon", "Lugdunum"))),
        ([["Paris", "Lutetia"]], ("Paris", "Lutetia"), ()),
        (True, ("yes",), ()),
        (1984, ("1984",), ()),
        (2.0, ("2",), ()),
        ({"text": ["Paris"]}, ("Paris",), ()),
        ("[not json", ("[not json",), ()),
    ],
)
def test_forms_of_an_answer(
    tmp_path: Path, answer: Any, answers: tuple[str, ...], parts: tuple[tuple[str, ...], ...]
) -> None:
    for key in ("answer", "answers"):
        [example] = read(tmp_path / "q.jsonl", {"question": "Where?", key: answer}).examples
        assert example.answers == answers
        assert example.parts == parts


def test_malformed_lines_are_reported_by_number_and_the_rest_runs(tmp_path: Path) -> None:
    good = {"id": "a", "question": "Who?", "answers": ["I"]}
    rows: list[Any] = [
        good,
        '{"id": "b", "question',
        {**good, "id": "c", "question": 7},
        {**good, "id": "d", "question": " "},
    ]
    rows += [{**good, "id": "e", "answers": [{"x": [[]]}, [{"text": {"y": 1}}]]}, {"foo": 1}, {**good, "id": "f"}]
    found = read(tmp_path / "q.jsonl", *rows)
    assert [example.id for example in found.examples] == ["a", "f"]
    assert sorted(problem.where for problem in found.problems) == [f"q.jsonl:{n}" for n in (2, 3, 4, 5, 6)]
    assert count_problems(found.problems) == {"malformed": 4, "unknown form": 1}


def test_duplicate_ids_are_reported_and_made_unique(tmp_path: Path) -> None:
    row = {"id": "a", "question": "Who?", "answers": ["I"]}
    found = read(tmp_path / "q.jsonl", row, row, {**row, "question": "What?"}, {**row, "id": "a#2"})
    assert [example.id for example in found.examples] == ["a", "a#2", "a#3", "a#2#2"]
    assert count_problems(found.problems) == {"duplicate id": 3}
    assert found.problems[0].where == "q.jsonl:2"
    assert "q.jsonl:1" in found.problems[0].what


def test_questions_without_ids_get_lasting_ones(tmp_path: Path) -> None:
    one, two = {"question": "Who?", "answer": "I"}, {"question": "What?", "answer": "it"}
    both = read(tmp_path / "q.jsonl", one, two).examples
    assert read(tmp_path / "r.jsonl", two).examples[0].id == both[1].id != both[0].id
    twice = read(tmp_path / "q.jsonl", one, one)
    assert len({example.id for example in twice.examples}) == 2
    assert count_problems(twice.problems) == {"repeated question": 1}


def test_many_questions_of_one_id_stay_cheap(tmp_path: Path) -> None:
    row = json.dumps({"id": "a", "question": "Who?", "answers": ["I"]})
    started = time.perf_counter()
    found = read(tmp_path / "q.jsonl", *[row] * 5_000)
    assert len({example.id for example in found.examples}) == 5_000
    assert time.perf_counter() - started < 5


def test_a_misspelt_key_is_taken_and_reported(tmp_path: Path) -> None:
    found = read(tmp_path / "q.jsonl", {"id": "1", "question": "Who?", "anwsers": ["I"], "evidance": "It is I."})
    assert found.examples[0].answers == ("I",)
    assert found.examples[0].evidence[0].text == "It is I."
    assert count_problems(found.problems) == {"misspelt key": 2}
    assert "'anwsers'" in found.problems[0].what
    exact = read(tmp_path / "q.jsonl", {"id": "1", "question": "Who?", "anwser": "no", "answers": ["I"]})
    assert exact.examples[0].answers == ("I",)
    assert exact.problems == ()


def test_a_question_with_nothing_known_is_reported(tmp_path: Path) -> None:
    found = read(
        tmp_path / "q.jsonl", {"id": "1", "question": "Who?"}, {"id": "2", "question": "W?", "unanswerable": True}
    )
    assert len(found.examples) == 2
    assert [(problem.where, problem.kind) for problem in found.problems] == [("q.jsonl:1", "no answer")]


@pytest.mark.parametrize("rows", [["[]"], ["{}"], [{"foo": 1}], [{"id": "1", "question": ""}]])
def test_a_set_without_questions_is_an_error(tmp_path: Path, rows: list[Any]) -> None:
    with pytest.raises(UsageError, match="holds no questions"):
        read(tmp_path / "q.jsonl", *rows)


def test_passages_and_labels_are_not_questions(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--corpus"):
        read(tmp_path / "c.json", json.dumps([{"title": "A", "text": "Words."}]))


def test_a_folder_of_nothing_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="beir"):
        read_questions(tmp_path)


def test_strict_reading_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(
        '{"id": "1", "question": "Who?", "answers": ["I"]}\n{"id": \n{"id": "2", "question": "W?", "answers": ["x"]}'
    )
    with pytest.raises(UsageError, match=r"q\.jsonl:2"):
        list(read_jsonl(path))
    problems: list[Problem] = []
    assert [example.id for example in read_jsonl(path, problems)] == ["1", "2"]
    assert [problem.where for problem in problems] == ["q.jsonl:2"]


def test_half_of_a_surrogate_pair_survives(tmp_path: Path) -> None:
    example = Example("1", "odd \ud83d half", ("x\udc00",), language="en")
    write_questions(tmp_path / "q.jsonl", [example])
    assert read_questions(tmp_path / "q.jsonl").examples == (example,)


def test_the_language_is_told_by_row_set_and_caller(tmp_path: Path) -> None:
    rows = [
        {"question": "保修期多长？", "answer": "两年"},
        {"question": "Where is the warranty of the pump written down?", "answer": "x"},
    ]
    assert [e.language for e in read(tmp_path / "q.jsonl", *rows).examples] == ["zh", "en"]
    assert {e.language for e in read(tmp_path / "q.jsonl", *rows, language="de").examples} == {"de"}
    own = read(tmp_path / "q.jsonl", {**rows[0], "language": "ja"}, language="de").examples
    assert own[0].language == "ja"


def test_a_hundred_thousand_rows(tmp_path: Path) -> None:
    """Read in a few seconds; the file is never held whole."""
    import tracemalloc

    row = '{"id": "%d", "question": "Question %d of the handbook?", "answers": ["answer %d"], "language": "en"}\n'
    path = tmp_path / "big.jsonl"
    with path.open("w") as stream:
        stream.writelines(row % (n, n, n) for n in range(100_000))
    started = time.perf_counter()
    found = read_questions(path)
    seconds = time.perf_counter() - started
    assert len(found.examples) == 100_000
    assert found.examples[-1] == Example("99999", "Question 99999 of the handbook?", ("answer 99999",), language="en")
    assert seconds < 30
    tracemalloc.start()
    count = sum(1 for _, _ in zip(read_jsonl(path), range(5_000), strict=False))
    assert count == 5_000
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_numbers_that_are_missing(tmp_path: Path) -> None:
    [example] = read(tmp_path / "q.jsonl", {"question": "Who?", "answer": ["I", math.nan, None]}).examples
    assert example.answers == ("I",)
