"""A run: every question asked once, whatever stops it; what is kept suffices to go on."""

from __future__ import annotations

import json
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from trivium.errors import RemoteError, StoreBusy, StoreFull, UsageError
from trivium.evaluate.record import differences, holding, read
from trivium.evaluate.results import RESULTS, Log, Result, dump_result, load_result, read_results
from trivium.evaluate.run import MOST_ERRORS_IN_A_ROW, ByExample, RunProgress, distinct, evaluate, report_of
from trivium.evaluate.scoring import Scored
from trivium.evaluate.summary import report_json
from trivium.types import Answer, Chunk, Citation, Example, Gold, Hit, Step, Timing, Usage

CHUNK = Chunk(
    "d1:0", "d1", "handbook.md", "The warranty is 24 months. 保修期为二十四个月。", 0, 40, page=2, headings=("A",)
)
ANSWER = Answer(
    "How long?",
    "24 months [1].\u2028保修",
    citations=(Citation(1, "handbook.md", 2, 0, 26, "The warranty is 24 months.", "d1", "d1:0"),),
    hits=(Hit(CHUNK, 0.5, ("dense",), {"dense": 0.5}),),
    unsupported=((0, 2),),
    usage=Usage(10, 5),
    seconds=Timing(0.1, 0.2, 0.3),
    trace=(Step("search", {"hits": [("d1:0", 0.5)], "k": {1, 2}}, 0.1),),
)


def questions(n: int) -> tuple[Example, ...]:
    return tuple(
        Example(f"q{i}", f"What is {i}?", (str(i),), (Gold("handbook.md", f"It is {i}."),), language="en")
        for i in range(n)
    )


def echo(question: str) -> Answer:
    """Say the number that was asked for, but of every fourth question the wrong one."""
    number = int(question.split()[-1].rstrip("?"))
    return Answer(question, "nothing" if number % 4 == 0 else str(number), usage=Usage(3, 1))


def exact(example: Example, answer: Answer) -> Scored:
    right = answer.text in example.answers
    return Scored({"exact_match": float(right), "recall@5": None}, right)


class Counting:
    """A system that keeps what it was asked, and fails on demand."""

    def __init__(self, fails: Callable[[str], bool] = lambda question: False) -> None:
        self.asked: list[str] = []
        self.fails = fails
        self._lock = threading.Lock()

    def __call__(self, question: str) -> Answer:
        with self._lock:
            self.asked.append(question)
        if self.fails(question):
            raise RemoteError("http://host/v1 cannot be reached.", "Check that the server runs.")
        return echo(question)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / RESULTS).read_text("utf-8").splitlines()]


def test_a_run_scores_every_question_and_keeps_all_of_it(tmp_path: Path) -> None:
    seen: list[RunProgress] = []
    report = evaluate(questions(40), echo, tmp_path / "run", scorer=exact, progress=seen.append, seed=7)
    assert report.complete
    assert report.metrics["exact_match"].mean == report.metrics["correct"].mean == 0.75
    assert report.metrics["correct"].n == 40
    assert "recall@5" not in report.metrics  # applied to no question
    assert [row["example"]["id"] for row in lines(tmp_path / "run")] == [f"q{i}" for i in range(40)]  # type: ignore[index]
    assert [state.done for state in seen] == list(range(41))
    assert seen[-1].right == 0.75
    printed = report_json(report)
    assert set(printed) == {"run", "questions", "metrics", "failure_points", "judge_failures", "seconds"}
    assert set(printed["metrics"]["correct"]) == {"mean", "low", "high", "n"}  # type: ignore[index]
    record = read(tmp_path / "run")
    assert record.complete
    assert record.settings["seed"] == 7
    assert record.settings["questions"]["n"] == 40
    assert record.machine["packages"]["numpy"]
    assert record.sessions[0]["asked"] == 40


@pytest.mark.parametrize(
    "result",
    [
        Result(questions(1)[0], ANSWER, scores={"f1": 0.5, "none": None}, right=True, ranks=(1, 0), seconds=0.25),
        Result(questions(1)[0], error="RemoteError: gone"),
        Result(Example("q", "?", parts=(("a", "b"), ("c",)), metadata={"grade:x": 2}), Answer("?", "\ud800 lone")),
    ],
)
def test_a_result_is_one_line_and_comes_back(result: Result) -> None:
    line = dump_result(result)
    assert len(line.splitlines()) == 1
    back = load_result(line)
    assert back.example == result.example
    assert back.scores == result.scores
    if result.answer is not None and back.answer is not None:
        assert (back.answer.text, back.answer.hits, back.answer.citations) == (
            result.answer.text,
            result.answer.hits,
            result.answer.citations,
        )
    assert load_result(dump_result(back)) == back


def test_a_second_run_with_the_same_settings_asks_nothing(tmp_path: Path) -> None:
    system = Counting()
    first = evaluate(questions(20), system, tmp_path, scorer=exact)
    again = evaluate(questions(20), system, tmp_path, scorer=exact)
    assert len(system.asked) == 20
    assert again.answered_before == 20
    assert again.metrics == first.metrics


def test_an_endpoint_that_dies_half_way(tmp_path: Path) -> None:
    alive = threading.Event()
    alive.set()
    seen = 0

    def fails(question: str) -> bool:
        nonlocal seen
        seen += 1
        if seen > 10:
            alive.clear()
        return not alive.is_set()

    system = Counting(fails)
    report = evaluate(questions(20), system, tmp_path, scorer=exact, workers=2)
    failed = {error.id for error in report.errors}
    assert len(failed) == 10
    assert report.asked == 10
    assert not report.complete
    assert report.metrics["correct"].n == 10  # an error is not a wrong answer
    assert all("RemoteError: http://host/v1 cannot be reached." in error.reason for error in report.errors)
    system.fails = lambda question: False
    system.asked.clear()
    mended = evaluate(questions(20), system, tmp_path, scorer=exact)
    assert {f"q{question.split()[-1].rstrip('?')}" for question in system.asked} == failed
    assert mended.complete
    assert (
        mended.metrics["correct"] == evaluate(questions(20), echo, tmp_path / "whole", scorer=exact).metrics["correct"]
    )
    assert len(lines(tmp_path)) == 20  # no superseded line is left


def test_a_system_that_is_gone_is_not_asked_to_the_end(tmp_path: Path) -> None:
    system = Counting(lambda question: True)
    report = evaluate(questions(500), system, tmp_path, scorer=exact, workers=4)
    assert MOST_ERRORS_IN_A_ROW <= len(system.asked) < 100
    assert "failed in a row" in report.stopped
    assert report.asked == 0
    assert report.metrics == {}


def test_other_settings_are_refused_with_what_differs(tmp_path: Path) -> None:
    settings = {"system": {"pattern": "naive", "chat": "model@1"}}
    evaluate(questions(4), echo, tmp_path, scorer=exact, settings=settings)
    with pytest.raises(UsageError, match=r'system\.pattern: "naive", now "advanced"') as refused:
        evaluate(
            questions(4), echo, tmp_path, scorer=exact, settings={"system": {"pattern": "advanced", "chat": "model@1"}}
        )
    assert "--out" in refused.value.cure
    with pytest.raises(UsageError, match=r"questions\.sha256"):
        evaluate(questions(5), echo, tmp_path, scorer=exact, settings=settings)
    with pytest.raises(UsageError, match="seed: 0, now 3"):
        evaluate(questions(4), echo, tmp_path, scorer=exact, settings=settings, seed=3)
    assert len(lines(tmp_path)) == 4


def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match=r"holds thesis\.tex"):
        evaluate(questions(1), echo, tmp_path, scorer=exact)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with holding(tmp_path), pytest.raises(StoreBusy):
        evaluate(questions(1), echo, tmp_path, scorer=exact)


def test_no_questions(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no questions"):
        evaluate((), echo, tmp_path / "run", scorer=exact)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("cut", [1, 17, 200])
def test_a_torn_last_line_is_asked_again(tmp_path: Path, cut: int) -> None:
    evaluate(questions(6), echo, tmp_path, scorer=exact)
    data = (tmp_path / RESULTS).read_bytes()
    (tmp_path / RESULTS).write_bytes(data[:-cut])
    system = Counting()
    report = evaluate(questions(6), system, tmp_path, scorer=exact)
    assert system.asked == ["What is 5?"]
    assert (tmp_path / RESULTS).read_bytes().count(b"\n") == 6
    assert report.complete


def test_a_line_that_was_damaged_is_asked_again(tmp_path: Path) -> None:
    evaluate(questions(6), echo, tmp_path, scorer=exact)
    rows = (tmp_path / RESULTS).read_bytes().splitlines(keepends=True)
    rows[2] = b"\x00" * 40 + b"\n"
    rows[3] = b'{"example": 3}\n'
    (tmp_path / RESULTS).write_bytes(b"".join(rows))
    system = Counting()
    evaluate(questions(6), system, tmp_path, scorer=exact, workers=1)
    assert system.asked == ["What is 2?", "What is 3?"]
    assert [row["example"]["id"] for row in lines(tmp_path)] == [f"q{i}" for i in range(6)]  # type: ignore[index]


def test_an_interrupt_keeps_what_was_done_and_what_was_under_way(tmp_path: Path) -> None:
    asked: list[str] = []

    def slow(question: str) -> Answer:
        asked.append(question)
        if len(asked) == 5:
            signal.raise_signal(signal.SIGINT)  # heard by the main thread
        time.sleep(0.05)
        return echo(question)

    with pytest.raises(KeyboardInterrupt):
        evaluate(questions(100), slow, tmp_path, scorer=exact, workers=2)
    kept = lines(tmp_path)
    assert 3 <= len(asked) - 1 <= len(kept) <= len(asked) < 20
    assert not read(tmp_path).complete
    assert read(tmp_path).sessions[0]["finished"]
    system = Counting()
    report = evaluate(questions(100), system, tmp_path, scorer=exact)
    assert len(system.asked) == 100 - len(kept)
    assert report.complete


def test_a_full_disk_says_so_and_keeps_what_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Log.append
    count = 0

    class Full:
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def __init__(self, inner: object) -> None:
            self.inner = inner

    def append(self: Log, result: Result) -> None:
        nonlocal count
        count += 1
        if count == 4:
            self._journal._file = Full(self._journal._file)  # type: ignore[assignment]
        written(self, result)

    monkeypatch.setattr(Log, "append", append)
    with pytest.raises(StoreFull, match="No space left"):
        evaluate(questions(10), echo, tmp_path, scorer=exact, workers=1)
    assert len(lines(tmp_path)) == 3


def test_a_scorer_that_fails_is_an_error_by_name(tmp_path: Path) -> None:
    def broken(example: Example, answer: Answer) -> Scored:
        raise ZeroDivisionError("no tokens")

    report = evaluate(questions(2), echo, tmp_path, scorer=broken)
    assert [error.reason for error in report.errors] == ["scoring: ZeroDivisionError: no tokens"] * 2


def test_questions_of_one_id_are_told_apart(tmp_path: Path) -> None:
    doubled = [*questions(3), *questions(3), Example("q1#2", "What is 9?", ("9",))]
    ids = [example.id for example in distinct(doubled)]
    assert len(set(ids)) == 7
    assert ids[:3] == ["q0", "q1", "q2"]
    report = evaluate(doubled, echo, tmp_path, scorer=exact)
    assert report.complete
    assert report.metrics["correct"].n == 7


def test_a_system_may_see_the_whole_example(tmp_path: Path) -> None:
    report = evaluate(questions(3), ByExample(lambda e: Answer(e.question, e.answers[0])), tmp_path, scorer=exact)
    assert report.metrics["correct"].mean == 1.0


def test_the_report_can_be_made_from_the_folder_alone(tmp_path: Path) -> None:
    report = evaluate(questions(12), Counting(lambda q: "7" in q), tmp_path, scorer=exact)
    again = report_of(tmp_path)
    assert again.metrics == report.metrics
    assert again.errors == report.errors
    assert (again.questions, again.asked) == (12, 11)
    assert again.record.settings["questions"]["n"] == 12


def test_reading_another_folder_says_that_it_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        list(read_results(tmp_path))
    with pytest.raises(UsageError, match="no run"):
        read(tmp_path)


def test_differences_are_named_by_their_path() -> None:
    before, now = {"a": {"b": 1, "c": 2}, "d": 1}, {"a": {"b": 3, "c": 2}, "e": 1}
    assert differences(before, now) == ["a.b: 1, now 3", "d: 1, now nothing", "e: nothing, now 1"]


def test_memory_does_not_grow_with_the_answers(tmp_path: Path) -> None:
    passage = "word " * 2_000

    def wordy(question: str) -> Answer:
        chunk = Chunk("d:0", "d", "s", passage + question, 0, 10)
        return Answer(question, "no", hits=(Hit(chunk, 1.0, ("dense",)),))

    def peak(n: int) -> int:
        examples = questions(n)
        tracemalloc.start()
        evaluate(examples, wordy, tmp_path / str(n), scorer=exact)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    small, large = peak(100), peak(600)  # 1 MB and 6 MB of answers
    assert large < small + 2_000_000
