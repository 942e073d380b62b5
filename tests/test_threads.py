"""The one pool of threads: order, errors, interrupts, and how far ahead it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from trivium import threads
from trivium.threads import Pool


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("in_order", [False, True])
def test_every_item_is_worked_on_once(workers: int, in_order: bool) -> None:
    def work(number: int) -> int:
        time.sleep((number * 7919 % 5) / 2000)
        return number * 2

    with Pool(range(50), work, workers, in_order=in_order) as pool:
        found = list(pool)
    assert sorted(found) == [number * 2 for number in range(50)]
    if in_order or workers == 1:
        assert found == sorted(found)


def test_results_come_as_they_are_ready_or_in_order() -> None:
    def work(number: int) -> int:
        time.sleep(0.2 if number == 0 else 0)
        return number

    with Pool(range(4), work, 2) as pool:
        assert list(pool)[-1] == 0
    with Pool(range(4), work, 2, in_order=True) as pool:
        assert list(pool) == [0, 1, 2, 3]


@pytest.mark.parametrize(("in_order", "most"), [(False, 6), (True, 3)])
def test_items_are_drawn_when_there_is_room_and_by_the_one_who_takes(in_order: bool, most: int) -> None:
    taken, ahead, drawers = 0, 0, set()

    def items() -> Iterator[int]:
        nonlocal ahead
        for number in range(40):
            ahead = max(ahead, number + 1 - taken)
            drawers.add(threading.get_ident())
            yield number

    with Pool(items(), lambda number: number, 3, in_order=in_order) as pool:
        for _ in pool:
            taken += 1
    assert taken == 40
    assert ahead <= most + 1  # the one in hand counts as taken only after the loop's body
    assert drawers == {threading.get_ident()}


def test_an_error_comes_at_its_place() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("the third")
        time.sleep(0.01 * (3 - number) if number < 3 else 0)
        return number

    seen = []

    def take() -> None:
        with Pool(range(9), work, 4, in_order=True) as pool:
            for one in pool:
                seen.append(one)

    with pytest.raises(ValueError, match="the third"):
        take()
    assert seen == [0, 1, 2]


def test_a_drawing_that_fails_is_raised_and_leaves_no_thread() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"), Pool(items(), str, 2) as pool:
        list(pool)
    assert not any(thread.is_alive() for thread in pool._threads)


def test_leaving_early_waits_for_what_is_under_way_and_begins_nothing() -> None:
    begun, ended = [], []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.05)
        ended.append(number)
        return number

    with Pool(range(100), work, 2) as pool:
        for _ in pool:
            break
    assert sorted(begun) == sorted(ended)
    assert len(begun) <= 5


def test_draining_gives_what_was_under_way_and_not_what_was_waiting() -> None:
    begun = []
    go = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            go.wait(5)
        return number

    with Pool(range(100), work, 2) as pool:
        assert next(iter(pool)) == 0
        while len(begun) < 3:
            time.sleep(0.001)
        threading.Timer(0.05, go.set).start()
        assert sorted(pool.drain(5)) == [1, 2]
    assert begun == [0, 1, 2]


def test_work_that_hangs_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "GRACE", 0.1)
    never = threading.Event()
    began = time.monotonic()

    def interrupted() -> None:
        with Pool(range(3), lambda number: number and never.wait(30), 2) as pool:
            for _ in pool:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with Pool(range(3), lambda number: never.wait(30), 2) as pool:
        assert list(pool.drain(0.1)) == []
    assert time.monotonic() - began < 5
    never.set()
