"""`trivium data` on real files: what it prints is what the files hold, and what it writes is read again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from trivium.tasks.training.read import read_training
from trivium.tasks.training.values import Labelled


@pytest.fixture
def reviews(shared_data: Path) -> Path:
    return shared_data / "classify" / "SST2" / "train.tsv"


def rows(path: Path) -> list[tuple[str, str]]:
    return [(line.rsplit("\t", 1)[0].strip(), line.rsplit("\t", 1)[1]) for line in path.read_text().splitlines()]


def test_show(run: Any, reviews: Path, shared_data: Path) -> None:
    found = run("data", "show", str(reviews), "--json", "--n", "3").json
    wanted = rows(reviews)
    assert (found["kind"], found["report"]["samples"]) == ("labelled", len(wanted))
    assert found["classes"] == Counter(label for _, label in wanted)
    assert [(row["text"], row["label"]) for row in found["samples"]] == wanted[:3]
    assert found["characters"]["longest"] == max(len(text) + len(label) for text, label in wanted)
    done = run("data", "show", str(shared_data / "ft" / "identity.json"))
    assert "format: alpaca" in done.out
    assert "assistant: Hello! I am {{name}}" in done.out
    assert "identity.json[0] trains a placeholder" in done.err
    assert "and 75 more" in done.err


def test_clean(run: Any, reviews: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean.jsonl"
    dev = reviews.with_name("dev.tsv")
    found = run("data", "clean", str(reviews), "--out", str(out), "--test", str(dev), "--longest", "120", "--json").json
    wanted = dict.fromkeys(row for row in rows(reviews) if len("".join(row)) <= 120)
    kept = [(s.text, s.label) for s in read_training(out).samples if isinstance(s, Labelled)]
    assert found["samples"] == len(kept)
    assert set(kept) <= set(wanted)
    assert len(wanted) - len(kept) == found["report"]["leaked"] <= 5
    assert not {text for text, _ in kept} & {text for text, _ in rows(dev)}
    assert all(problem["where"].startswith("train.tsv:") for problem in found["problems"])


def test_split(run: Any, reviews: Path, tmp_path: Path) -> None:
    found = run(
        "data", "split", str(reviews), "train=0.7", "test=0.3", "--out", str(tmp_path), "--resample", "over", "--json"
    )
    parts = found.json["parts"]
    assert len(set(parts["train"]["classes"].values())) == 1
    texts = [
        {s.text for s in read_training(part["path"]).samples if isinstance(s, Labelled)} for part in parts.values()
    ]
    assert not texts[0] & texts[1]
    assert texts[0] | texts[1] == {text for text, _ in rows(reviews)}
    assert abs(parts["test"]["share"] - 0.3) < 0.01
    printed = run("data", "split", str(reviews), "--out", str(tmp_path)).out
    assert [line.split(":")[0] for line in printed.splitlines()[::2]] == ["train", "validation", "test"]


def test_augment(run: Any, reviews: Path, tmp_path: Path) -> None:
    out, table = tmp_path / "more.jsonl", tmp_path / "synonyms.txt"
    table.write_text("film, movie, picture\n")
    done = run("data", "augment", str(reviews), "--out", str(out), "--synonyms", str(table))
    samples = read_training(out).samples
    made = [sample for sample in samples if "~synonyms" in sample.id]
    assert f"{len(samples):,} samples, {len(made):,} of them new" in done.out
    assert len(made) == sum(
        bool({"film", "movie", "picture"} & set(text.replace(",", " ").split())) for text, _ in rows(reviews)
    )
    noisy = run("data", "augment", str(reviews), "--out", str(out), "--noise", "0.05", "--copies", "2", "--json").json
    assert noisy["samples"] > 2.9 * len(rows(reviews))
    assert "One way of adding samples is wanted" in run("data", "augment", str(reviews), "--out", str(out)).err


def test_columns_and_errors(run: Any, shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "reversal_curse" / "parent_child_pairs.csv"
    done = run("data", "show", str(path))
    assert done.status == 2
    assert "which is which cannot be told" in done.err
    found = run("data", "show", str(path), "--column", "source=child", "--column", "target=parent", "--json").json
    assert (found["kind"], found["report"]["samples"]) == ("pair", 975)
    assert "not of the form ROLE=NAME" in run("data", "show", str(path), "--column", "child").err
    assert "There is no kind" in run("data", "show", str(path), "--kind", "poem").err


def test_a_made_question_set_is_training_data(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    evidence = [{"source": "a.md", "text": "It lasts 24 months."}]
    row = {"id": "1", "question": "How long does it last?", "answers": ["24 months"], "evidence": evidence}
    path.write_text(json.dumps(row) + "\n")
    found = run("data", "show", str(path), "--json").json
    assert found["samples"][0]["messages"][1]["content"] == "24 months"
    found = run("data", "show", str(path), "--kind", "retrieval", "--json").json
    assert found["samples"][0]["pos"] == ["It lasts 24 months."]
