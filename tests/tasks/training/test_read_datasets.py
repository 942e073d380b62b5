"""Folders of data sets and Parquet, written by the library of data sets itself and read through pyarrow alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trivium.errors import UnknownName, UsageError
from trivium.tasks.training.read import read_training
from trivium.tasks.training.values import Labelled, Tagged

Find = Callable[[str], Path]
datasets = pytest.importorskip("datasets")

NAMES = ["negative", "positive"]


@pytest.fixture(scope="module")
def reviews(shared_data: Path) -> object:
    rows = [line.rsplit("\t", 1) for line in (shared_data / "classify/SST2/dev.tsv").read_text().splitlines()]
    features = datasets.Features({"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)})
    return datasets.Dataset.from_dict({"sentence": [a for a, _ in rows], "label": [int(b) for _, b in rows]}, features)


def check(found: object, reviews: object) -> None:
    samples = [(s.text, s.label) for s in found.samples if isinstance(s, Labelled)]  # type: ignore[attr-defined]
    rows = [(row["sentence"].strip(), NAMES[row["label"]]) for row in reviews]  # type: ignore[attr-defined]
    assert samples == rows


def test_a_saved_data_set(tmp_path: Path, reviews: object) -> None:
    reviews.save_to_disk(tmp_path / "saved", num_shards=3)  # type: ignore[attr-defined]
    found = read_training(tmp_path / "saved")
    check(found, reviews)
    assert len({sample.id for sample in found.samples}) == len(found.samples)
    check(read_training(next((tmp_path / "saved").glob("*00000*.arrow"))), list(reviews)[:183])  # type: ignore[call-overload]


def test_a_saved_dictionary_of_splits(tmp_path: Path, reviews: object) -> None:
    halves = reviews.train_test_split(0.25, seed=1)  # type: ignore[attr-defined]
    halves.save_to_disk(tmp_path / "both")
    check(read_training(tmp_path / "both"), halves["train"])
    check(read_training(tmp_path / "both", split="test"), halves["test"])
    with pytest.raises(UnknownName, match="test, train"):
        read_training(tmp_path / "both", split="dev")
    next((tmp_path / "both" / "test").glob("*.arrow")).unlink()
    with pytest.raises(UsageError, match="lacks its file"):
        read_training(tmp_path / "both", split="test")


def test_a_published_folder_of_parquet(tmp_path: Path, reviews: object) -> None:
    data = tmp_path / "sst" / "data"
    data.mkdir(parents=True)
    (tmp_path / "sst" / "README.md").write_text("# A data set\n")
    for shard in range(2):
        part = reviews.shard(2, shard, contiguous=True)  # type: ignore[attr-defined]
        part.to_parquet(data / f"train-{shard:05}-of-00002.parquet")
    reviews.select(range(10)).to_parquet(data / "validation-00000-of-00001.parquet")  # type: ignore[attr-defined]
    check(read_training(tmp_path / "sst"), reviews)
    check(read_training(tmp_path / "sst", split="validation"), list(reviews)[:10])  # type: ignore[call-overload]
    assert read_training(tmp_path / "sst").name == "sst-train"


def test_tags_by_number(tmp_path: Path) -> None:
    tags = datasets.Sequence(datasets.ClassLabel(names=["O", "B-PER", "I-PER"]))
    features = datasets.Features(
        {"id": datasets.Value("string"), "tokens": datasets.Sequence(datasets.Value("string")), "ner_tags": tags}
    )
    rows = {"id": ["0"], "tokens": [["Ann", "Lee", "met"]], "ner_tags": [[1, 2, 0]]}
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "train.parquet")
    (sample,) = read_training(tmp_path / "train.parquet").samples
    assert sample == Tagged(("Ann", "Lee", "met"), ("B-PER", "I-PER", "O"), id="0")


def test_rows_without_a_label(tmp_path: Path) -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)})
    datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, -1]}, features).to_parquet(tmp_path / "x.parquet")
    found = read_training(tmp_path / "x.parquet")
    assert [problem.where for problem in found.problems] == ["x.parquet[1]"]
    assert len(found.samples) == 1


def test_cut_short(tmp_path: Path, reviews: object) -> None:
    path = tmp_path / "x.parquet"
    reviews.to_parquet(path)  # type: ignore[attr-defined]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UsageError, match="cannot be read as Parquet"):
        read_training(path)


def test_the_library_of_data_sets_is_not_needed(tmp_path: Path, reviews: object) -> None:
    reviews.save_to_disk(tmp_path / "saved")  # type: ignore[attr-defined]
    program = (
        "import sys, json; sys.modules['datasets'] = None; sys.modules['torch'] = None\n"
        "from trivium.tasks.training.read import read_training\n"
        "print(json.dumps(len(read_training(sys.argv[1]).samples)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "saved"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == len(reviews)  # type: ignore[arg-type]
