"""The arms, from words."""

from __future__ import annotations

from pathlib import Path

import pytest

from trivium.advise.arms import arm_of, default_arms
from trivium.errors import UnknownName, UsageError


@pytest.mark.parametrize(
    ("word", "road", "searches"),
    [
        ("closed_book", "prompt", False),
        ("few_shot_nearest", "prompt", False),
        ("chain_of_thought", "prompt", False),
        ("advanced", "ground", True),
        ("retrieve_only", "ground", True),
        ("long_context", "ground", True),
        ("closed_book+tuned", "tune", False),
        ("few_shot+tuned", "tune", False),
        ("advanced+raft", "both", True),
        ("naive+law", "both", True),
        ("python:os.path:basename", "other", False),
        ("http://host/v1#model", "other", False),
    ],
)
def test_a_word_names_its_road(word: str, road: str, searches: bool) -> None:
    arm = arm_of(word, ["law"])
    assert (arm.name, arm.road, arm.searches) == (word, road, searches)


def test_a_file_of_answers_is_an_arm(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"id": "a", "answer": "b"}\n', "utf-8")
    assert arm_of(str(file)).road == "other"


@pytest.mark.parametrize("word", ["advancd", "advanced+low", "nothing+tuned", "missing.jsonl"])
def test_an_unknown_word_is_told_what_there_is(word: str) -> None:
    with pytest.raises(UnknownName):
        arm_of(word, ["law"])


@pytest.mark.parametrize("word", ["closed_book+raft", "few_shot+grounded", "retrieve_only+tuned", "instructed+law"])
def test_an_adapter_where_it_has_no_place_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        arm_of(word, ["law"])


def test_the_default_takes_every_road_that_can_be_taken() -> None:
    everything = default_arms(kb=True, shots=True, train=True, shipped=True, adapters=["law"])
    assert everything == [
        "closed_book", "instructed", "few_shot_nearest", "retrieve_only", "advanced", "advanced+grounded",
        "closed_book+tuned", "advanced+tuned", "closed_book+law", "advanced+law",
    ]  # fmt: skip
    assert default_arms(kb=False, shots=False, train=False, shipped=True) == ["closed_book", "instructed"]
    assert all(arm_of(word, ["law"]) for word in everything)
