"""On real labelled answers, faithfulness without a model tells the supported from the hallucinated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trivium.evaluate.calibrate import auc
from trivium.evaluate.grounding.align import SUPPORTED, align, align_all
from trivium.types import Score

LEAST = 40


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]


def measure(rows: list[tuple[str, str, list[str], bool]]) -> tuple[Score, float]:
    """Return the AUC of the answers' scores, and the balanced accuracy at the threshold."""
    scores = np.array([
        np.mean([one.score for one in align_all(said, asked, [(text,) for text in passages])] or [0.0])
        for asked, said, passages, _ in rows
    ])  # fmt: skip
    labels = np.array([row[3] for row in rows])
    right = (scores >= SUPPORTED) == labels
    return auc(scores, labels), float((right[labels].mean() + right[~labels].mean()) / 2)


def first(value):
    while isinstance(value, list):
        value = value[0]
    return value


@pytest.mark.parametrize("name", ["rgb/en_fact.json", "rgb/zh_fact.json"])
def test_true_and_false_answers_of_rgb(shared_data: Path, name: str) -> None:
    rows = []
    for row in lines(shared_data / name)[:LEAST]:
        for passages, said in ((row["positive"], row["answer"]), (row["positive_wrong"], row["fakeanswer"])):
            other = row["fakeanswer"] if said is row["answer"] else row["answer"]
            rows += [(row["query"], first(said), passages, True), (row["query"], first(other), passages, False)]
    found, balanced = measure(rows)
    assert found.low > 0.9
    assert balanced > 0.9


def test_the_swapped_answers_of_nq_swap(shared_data: Path) -> None:
    true = {
        row["question"].lower().strip(" ?"): row["answer"][0] for row in lines(shared_data / "nq/NQ-open.dev.jsonl")
    }
    rows = []
    for row in json.loads((shared_data / "conflict/nq-swap_dev.json").read_text("utf-8"))[:200]:
        if known := true.get(row["question"].lower().strip(" ?")):
            rows += [(row["question"], row["answer"], [row["context"]], True)]
            rows += [(row["question"], known, [row["context"]], False)]
    assert len(rows) > LEAST
    found, balanced = measure(rows)
    assert found.low > 0.9
    assert balanced > 0.9


@pytest.mark.parametrize(
    ("name", "swap"),
    [("xquad/xquad.en.json", ("not ", "")), ("xquad/xquad.zh.json", ("不", ""))],
)
def test_sentences_of_real_paragraphs_and_the_same_with_their_numbers_changed(
    shared_data: Path, name: str, swap: tuple[str, str]
) -> None:
    kept = changed = denied = denials = total = 0
    for article in json.loads((shared_data / name).read_text("utf-8"))["data"][:12]:
        for paragraph in article["paragraphs"][:3]:
            text = paragraph["context"]
            for sentence in text.replace("。", "。\n").replace(". ", ".\n").split("\n"):
                digits = [place for place, character in enumerate(sentence) if character in "123456789"]
                if digits and len(sentence) > 20:
                    total += 1
                    kept += align(sentence, "", [(text,)]).score >= SUPPORTED
                    other = sentence[: digits[0]] + "987654" + sentence[digits[0] + 1 :]
                    found = align(other, "", [(text,)])
                    changed += found.score < align(sentence, "", [(text,)]).score and found.conflict == "numbers"
                if sentence.count(swap[0]) == 1 and len(sentence) < 160 and swap[0] == "not ":
                    denials += 1
                    denied += align(sentence.replace(*swap), "", [(text,)]).score < SUPPORTED
    assert total > 30
    assert kept / total > 0.95
    assert changed / total > 0.95
    assert denials == 0 or denied / denials > 0.6
