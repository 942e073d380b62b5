from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import UsageError
from trivium.retrieve.fuse import reciprocal_rank_fusion, weighted_score_fusion
from trivium.types import Chunk, Hit


def hit(id: str, score: float, arm: str, **scores: float) -> Hit:
    return Hit(Chunk(id, "d", "s", id, 0, len(id)), score, (arm,), {arm: score, **scores})


def arms() -> dict[str, list[Hit]]:
    return {
        "dense": [hit("a", 0.8, "dense"), hit("b", 0.6, "dense"), hit("c", 0.4, "dense")],
        "lexical": [hit("c", 10.0, "lexical"), hit("a", 5.0, "lexical"), hit("d", 1.0, "lexical")],
    }


def test_reciprocal_ranks_by_hand() -> None:
    fused = reciprocal_rank_fusion(arms())
    expected = {"a": 1 / 61 + 1 / 62, "b": 1 / 62, "c": 1 / 63 + 1 / 61, "d": 1 / 63}
    assert {h.chunk.id: h.score for h in fused} == pytest.approx(expected)
    assert [h.chunk.id for h in fused] == ["a", "c", "b", "d"]


def test_reciprocal_ranks_with_weights_and_k() -> None:
    fused = reciprocal_rank_fusion(arms(), weights={"dense": 0.25}, k=1.0)
    expected = {"a": 0.25 / 2 + 1 / 3, "b": 0.25 / 3, "c": 0.25 / 4 + 1 / 2, "d": 1 / 4}
    assert {h.chunk.id: h.score for h in fused} == pytest.approx(expected)
    assert [h.chunk.id for h in fused] == ["c", "a", "d", "b"]


def test_weighted_scores_by_hand() -> None:
    fused = weighted_score_fusion(arms(), weights={"dense": 3.0, "lexical": 1.0})
    expected = {"a": 0.75 * 1.0 + 0.25 * 0.5, "b": 0.75 * 0.75, "c": 0.75 * 0.5 + 0.25, "d": 0.25 * 0.1}
    assert {h.chunk.id: h.score for h in fused} == pytest.approx(expected)


def test_a_floor_moves_the_zero() -> None:
    fused = weighted_score_fusion({"dense": arms()["dense"]}, floors={"dense": 0.4})
    assert {h.chunk.id: h.score for h in fused} == pytest.approx({"a": 1.0, "b": 0.5, "c": 0.0})


def test_a_score_that_a_hit_carries_counts_for_the_arm_that_missed_it() -> None:
    lists = arms()
    lists["lexical"][2] = hit("d", 1.0, "lexical", dense=0.2)
    fused = {h.chunk.id: h for h in weighted_score_fusion(lists)}
    assert fused["d"].score == pytest.approx(0.5 * 0.2 / 0.8 + 0.5 * 0.1)
    assert fused["d"].found_by == ("lexical",)


def test_arms_and_scores_are_kept() -> None:
    for fuse in (reciprocal_rank_fusion, weighted_score_fusion):
        fused = {h.chunk.id: h for h in fuse(arms())}
        assert fused["a"].found_by == ("dense", "lexical")
        assert fused["a"].scores == {"dense": 0.8, "lexical": 5.0}
        assert fused["b"].found_by == ("dense",)


def test_an_empty_arm_takes_no_share() -> None:
    fused = weighted_score_fusion({"dense": arms()["dense"], "lexical": []})
    assert fused[0].score == pytest.approx(1.0)
    assert weighted_score_fusion({"dense": [], "lexical": []}) == []


def test_scores_that_say_nothing_do_not_divide_by_zero() -> None:
    fused = weighted_score_fusion({"dense": [hit("a", 0.0, "dense"), hit("b", -0.3, "dense")]})
    assert [h.score for h in fused] == [0.0, 0.0]


def test_ties_keep_the_order_of_the_arms() -> None:
    fused = reciprocal_rank_fusion({"dense": [hit("x", 1, "dense")], "lexical": [hit("y", 1, "lexical")]})
    assert [h.chunk.id for h in fused] == ["x", "y"]


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(UsageError, match="negative"):
        weighted_score_fusion(arms(), weights={"dense": -1.0})
    with pytest.raises(UsageError, match="k of reciprocal"):
        reciprocal_rank_fusion(arms(), k=0)


@given(
    dense=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(-1, 1)), unique_by=lambda p: p[0]),
    lexical=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0.01, 50)), unique_by=lambda p: p[0]),
)
def test_nothing_is_lost_or_repeated(dense: list[tuple[str, float]], lexical: list[tuple[str, float]]) -> None:
    lists = {
        "dense": [hit(id, score, "dense") for id, score in sorted(dense, key=lambda p: -p[1])],
        "lexical": [hit(id, score, "lexical") for id, score in sorted(lexical, key=lambda p: -p[1])],
    }
    for fuse in (reciprocal_rank_fusion, weighted_score_fusion):
        fused = fuse(lists)
        assert sorted(h.chunk.id for h in fused) == sorted({id for id, _ in dense + lexical})
        assert all(left.score >= right.score for left, right in pairwise(fused))
