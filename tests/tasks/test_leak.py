from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from trivium.errors import UnknownName, UsageError
from trivium.tasks.leak import Leak, band_shape, find_leaks, leaks_between, same
from trivium.types import Example, Gold


def questions(path: Path) -> list[str]:
    articles = json.loads(path.read_text("utf-8"))["data"]
    return [qa["question"] for article in articles for p in article["paragraphs"] for qa in p["qas"]]


def shingles(text: str) -> set[str]:
    """Written without numpy: runs of four characters, of two from a Han character."""
    padded = f" {same(text)} "
    han = ["\u3040" <= c <= "\u30ff" or "\u3400" <= c <= "\u9fff" for c in padded]
    widths = [2 if one else 4 for one in han]
    whole = {padded[at : at + width] for at, width in enumerate(widths) if at + width <= len(padded)}
    return whole | {padded[: widths[0]]}


def brute(left: list[str], right: list[str], threshold: float) -> dict[tuple[int, int], float]:
    a, b = [shingles(text) for text in left], [shingles(text) for text in right]
    every = {(i, j): len(x & y) / len(x | y) for i, x in enumerate(a) for j, y in enumerate(b)}
    return {pair: similarity for pair, similarity in every.items() if similarity >= threshold}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What is the warranty?", "what is the  WARRANTY"),
        ("Ｗｈａｔ　ｉｓ ＲＡＧ？", "What is RAG"),
        ("保修期 多长？", "保修期多长"),
        ("保修期，多长？！", "保修期多长?"),
        ("what's new", "What’s new?"),
    ],
)
def test_texts_that_a_reader_calls_the_same_are_exact(a: str, b: str) -> None:
    assert find_leaks([a], [b]) == [Leak(0, 0, 1.0, True)]


def test_nothing_leaks_from_or_into_nothing() -> None:
    assert find_leaks([], ["a question"]) == []
    assert find_leaks(["a question"], []) == []
    assert find_leaks(["", "  "], ["", " \n"]) == []


def test_short_texts_and_texts_of_marks_are_compared_as_they_stand() -> None:
    assert find_leaks(["a", "ab", "?!", "猫"], ["ab", "?!", "猫", "b"]) == [
        Leak(1, 0, 1.0, True),
        Leak(2, 1, 1.0, True),
        Leak(3, 2, 1.0, True),
    ]


def test_the_nearest_come_first_and_are_bounded() -> None:
    right = ["How long is the warranty of the X-200 printer in this country?"]
    left = [f"How long is the warranty of the X-{number} printer in this country?" for number in range(100, 300)]
    found = find_leaks(left, right, most=5)
    assert len(found) == 5
    assert found[0] == Leak(100, 0, 1.0, True)
    assert [leak.similarity for leak in found] == sorted((leak.similarity for leak in found), reverse=True)
    assert all(0.7 <= leak.similarity < 1.0 and not leak.exact for leak in found[1:])


def test_rows_are_counted_one_by_one_though_texts_repeat() -> None:
    found = find_leaks(["a b c d", "x", "A B C D!"], ["a b c d", "a b c d"])
    assert [(leak.left, leak.right) for leak in found] == [(0, 0), (2, 0), (0, 1), (2, 1)]


@pytest.mark.parametrize(("name", "threshold"), [("xquad/xquad.zh.json", 0.5), ("squad/dev-v2.0.json", 0.6)])
def test_it_finds_what_comparing_every_pair_finds(shared_data: Path, name: str, threshold: float) -> None:
    rows = questions(shared_data / name)[:600]
    draw = random.Random(5)
    changed = []
    for row in rows[:200]:  # real questions with a few characters gone
        at = draw.randrange(max(len(row) - 4, 1))
        changed.append(row[:at] + row[at + draw.randrange(1, 4) :])
    right = changed + rows[300:500]
    distinct = list({same(row): row for row in rows}.values())
    expected = brute(distinct, right, threshold)
    leaks = find_leaks(distinct, right, threshold=threshold, most=999)
    found = {(leak.left, leak.right): leak.similarity for leak in leaks}
    missed = expected.keys() - found.keys()
    assert len(expected) > 300
    assert found.keys() <= expected.keys()
    assert len(missed) <= 0.005 * len(expected)
    assert all(similarity == pytest.approx(expected[pair]) for pair, similarity in found.items())


def test_real_sets_that_quote_each_other(shared_data: Path) -> None:
    """Both are cut from SQuAD 1.1, whose articles they share."""
    test = questions(shared_data / "squad/test-v1.1.json")
    other = questions(shared_data / "squad_jucho/dev.json")
    exact = {same(row) for row in test} & {same(row) for row in other}
    found = find_leaks(test, other)
    assert {same(other[leak.right]) for leak in found if leak.exact} == exact
    near = [leak for leak in found if not leak.exact]
    assert near
    assert all(0.7 <= leak.similarity <= 1.0 for leak in near)


def test_examples_share_questions_or_evidence() -> None:
    passage = "The warranty of the X-200 printer lasts 24 months from the day of purchase."
    train = [
        Example("t1", "How long is the warranty?", evidence=(Gold("a", passage),)),
        Example("t2", "Who pays for the delivery?"),
    ]
    test = [
        Example("d1", "Who pays for the delivery ?"),
        Example("d2", "When does the guarantee end?", evidence=(Gold("b", "Else."), Gold("c", passage + " "))),
    ]
    found = leaks_between(train, test)
    assert [(leak.of, leak.left, leak.right, leak.exact) for leak in found] == [
        ("question", "t2", "d1", True),
        ("evidence", "t1", "d2", True),
    ]
    assert leaks_between(train, test, of=["question"]) == found[:1]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(UnknownName, match="evidence, question"):
        leaks_between([], [], of=["answer"])
    for threshold, most in [(0.0, 1), (1.1, 1), (0.5, 0)]:
        with pytest.raises(UsageError, match="threshold"):
            find_leaks(["a"], ["b"], threshold=threshold, most=most)


def test_bands_find_a_pair_at_the_threshold_all_but_surely() -> None:
    for threshold in (0.3, 0.5, 0.7, 0.9, 1.0):
        bands, rows = band_shape(threshold)
        assert bands * rows <= 128
        assert (1 - threshold**rows) ** bands <= 0.001


def test_many_rows_of_one_template_stay_within_bounds() -> None:
    """The worst for banding: every row is near to every other."""
    left = [f"What is the occupation of person number {number} of the register?" for number in range(3000)]
    right = [f"What is the occupation of person number {number} of the register?" for number in range(2900, 3100)]
    found = find_leaks(left, right, most=2)
    assert len(found) == 400
    assert sum(leak.exact for leak in found) == 100


def test_ten_thousand_by_one_thousand_real_questions_take_seconds(shared_data: Path) -> None:
    rows = questions(shared_data / "squad/test-v1.1.json") + questions(shared_data / "squad/dev-v2.0.json")
    began = time.perf_counter()
    found = find_leaks(rows[:10_000], rows[9_000:10_000])
    assert {leak.right for leak in found if leak.exact} == set(range(1000))
    assert time.perf_counter() - began < 10
