from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from trivium import evaluation
from trivium.errors import UsageError
from trivium.evaluate.results import read_results
from trivium.evaluate.score import score
from trivium.evaluate.score_all import Measure, score_all
from trivium.evaluate.scoring import clean
from trivium.systems import answers_system
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
    assert read <= 32


def test_the_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    code = """
import multiprocessing, sys
from trivium.evaluate.score_all import measuring
from trivium.types import Answer, Example
if __name__ == "__main__":
    with measuring(2) as measure:
        measure(Example("1", "?", ("x",)), Answer("?", "x"))
        print(*[child.pid for child in multiprocessing.active_children()], flush=True)
        sys.stdin.readline()
"""
    script = tmp_path / "scoring.py"
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [int(pid) for pid in parent.stdout.readline().split()]
    assert children
    parent.kill()
    parent.communicate()
    until = time.monotonic() + 20
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in children):
        assert time.monotonic() < until, "they live on"
        time.sleep(0.05)


def test_stored_answers_of_a_run_are_scored_in_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "_MANY", 20)
    rows = list(pairs(25))
    stored = tmp_path / "answers.jsonl"
    stored.write_text("".join(json.dumps({"id": one.id, "answer": said.text}) + "\n" for one, said in rows))
    pids = set()
    whole = evaluation.measuring

    @contextmanager
    def watched() -> Iterator[Measure]:
        with whole(2) as measure:
            yield measure
            pids.update(child.pid for child in multiprocessing.active_children())

    monkeypatch.setattr(evaluation, "measuring", watched)
    system = answers_system(stored)
    report = evaluation.evaluate_system([example for example, _ in rows], system, folder=tmp_path / "run")
    assert report.complete
    assert pids
    for result, (example, answer) in zip(read_results(tmp_path / "run"), rows, strict=True):
        assert result.scores == clean(score(example, answer))


@pytest.mark.parametrize("form", ["regex:(", "haiku"])
def test_an_error_in_a_process_is_raised_here(form: str) -> None:
    wrong = Example("1", "?", ("x",), format=form)
    with pytest.raises(UsageError, match=r"cannot be read|haiku.*Choose one of"):
        list(score_all([(wrong, Answer("?", "x"))], processes=2))
