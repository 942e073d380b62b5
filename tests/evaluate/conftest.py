"""Real answers beside real gold answers, for metrics that are compared with other implementations."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

Pairs = list[tuple[str, tuple[str, ...]]]
"""Something said, and the answers known."""


def squad_pairs(path: Path, articles: int, step: int) -> Pairs:
    """The known answers of a file in SQuAD's layout, beside cuts of the passage that hold or miss them."""
    pairs: Pairs = []
    for article in json.loads(path.read_text("utf-8"))["data"][:articles]:
        for paragraph in article["paragraphs"]:
            context = paragraph["context"]
            for number, qa in enumerate(paragraph["qas"][::step]):
                if not qa["answers"]:
                    continue
                known = tuple(dict.fromkeys(answer["text"] for answer in qa["answers"]))
                at, end = context.find(known[0]), context.find(known[0]) + len(known[0])
                said = (known[-1], context[max(at - 9, 0) : end + 17], qa["question"], context[at + 2 : end + 3], "")
                pairs.append((said[number % 5], known))
                pairs.append((context[:300], known))
    return pairs


@pytest.fixture(scope="session")
def english_pairs(shared_data: Path) -> Pairs:
    return squad_pairs(shared_data / "squad" / "test-v1.1.json", 6, 7) + squad_pairs(
        shared_data / "xquad" / "xquad.en.json", 10, 3
    )


@pytest.fixture(scope="session")
def chinese_pairs(shared_data: Path) -> Pairs:
    return squad_pairs(shared_data / "cmrc2018" / "cmrc2018_dev.json", 200, 1) + squad_pairs(
        shared_data / "xquad" / "xquad.zh.json", 10, 3
    )


@pytest.fixture(scope="session")
def english_sentences(shared_data: Path) -> list[str]:
    """Descriptions of pictures, one a line; neighbours share words."""
    with gzip.open(shared_data / "translate" / "multi30k" / "val.en.gz", "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines]


@pytest.fixture(scope="session")
def chinese_sentences(shared_data: Path) -> list[str]:
    """Short sentences, of which neighbours often translate the same words."""
    lines = (shared_data / "translate" / "cmn.txt").read_text("utf-8").splitlines()
    return [line.split("\t")[1] for line in lines[3000:5000]]
