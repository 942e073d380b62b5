from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from trivium.evaluate.metrics.sequences import common_run, common_subsequence, ngrams, overlap

texts = st.text("abc", max_size=25)


def table_subsequence(left: str, right: str) -> int:
    """The textbook's table."""
    row = [0] * (len(right) + 1)
    for a in left:
        before = row[:]
        for j, b in enumerate(right):
            row[j + 1] = before[j] + 1 if a == b else max(before[j + 1], row[j])
    return row[-1]


@given(left=texts, right=texts)
def test_common_subsequence_is_the_tables(left: str, right: str) -> None:
    assert common_subsequence(left, right) == table_subsequence(left, right)
    assert common_subsequence(left, right) == common_subsequence(right, left)


@given(left=texts, right=texts)
def test_common_run_is_the_longest_substring(left: str, right: str) -> None:
    runs = [left[a:b] for a in range(len(left)) for b in range(a + 1, len(left) + 1)]
    assert common_run(left, right) == max((len(run) for run in runs if run in right), default=0)


@given(left=texts, right=texts, n=st.integers(1, 4))
def test_overlap_is_of_multisets(left: str, right: str, n: int) -> None:
    mine = [tuple(left[at : at + n]) for at in range(len(left) - n + 1)]
    theirs = [tuple(right[at : at + n]) for at in range(len(right) - n + 1)]
    assert ngrams(left, n).total() == len(mine)
    same = 0
    for gram in mine:
        if gram in theirs:
            theirs.remove(gram)
            same += 1
    assert overlap(ngrams(left, n), ngrams(right, n)) == same


def test_tokens_need_not_be_characters() -> None:
    left, right = ["to", "be", "or", "not"], ["be", "not", "or", "to"]
    assert common_subsequence(left, right) == 2
    assert common_run(left, ["x", "or", "not", "be"]) == 2
    assert common_run([], right) == common_subsequence([], right) == 0


def test_long_sequences_take_no_square_time() -> None:
    start = time.perf_counter()
    same = ["a", "b"] * 10_000
    assert common_run(same, same) == common_subsequence(same, same) == 20_000
    assert time.perf_counter() - start < 2.0
