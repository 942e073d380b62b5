"""A set that is written and read again is the same set, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from trivium.tasks.training.augment import noise
from trivium.tasks.training.read import read_training
from trivium.tasks.training.values import Dialogue, Labelled, Retrieval, TrainingSet, Turn
from trivium.tasks.training.write import write_training

Find = Callable[[str], Path]


@pytest.mark.parametrize(
    "name",
    [
        *("ft/alpaca_zh_demo.json", "ft/glaive_toolcall_en_demo.json", "reversal_curse/p2d_prompts_train.jsonl"),
        *("ft/dpo_zh_demo.json", "ft/kto_en_demo.json", "ft/c4_demo.jsonl", "ft/medical_textbook_fever.txt"),
        *("classify/banking77/test.csv", "classify/SST2/dev.tsv", "pairs/sts-dev.csv", "pairs/AFQMC_dev.txt"),
        *("ner/cluener_dev.json", "ner/resume_dev.char.bmes", "squad/dev-v2.0.json", "dureader/search.train.json"),
        *("rgb/zh_refine.json", "translate/multi30k/val.en.gz", "translate/cmn.txt", "ft/seed_tasks.jsonl"),
    ],
)
def test_written_and_read_again(find: Find, tmp_path: Path, name: str) -> None:
    given = read_training(find(name))
    given = replace(given, samples=given.samples[:700])
    path = tmp_path / "set.jsonl"
    assert write_training(path, given) == len(given.samples)
    again = read_training(path)
    assert again.kind == given.kind
    assert again.samples == given.samples
    made = noise(given)
    write_training(path, made)
    assert read_training(path).samples == made.samples


def test_everything_that_a_sample_can_hold(tmp_path: Path) -> None:
    turns = (
        Turn("system", "s"),
        Turn("user", "u"),
        Turn("assistant", "no", False),
        Turn("user", "\u2028u"),
        Turn("assistant", " yes", True),
    )
    path = tmp_path / "set.jsonl"
    for kind, sample in (
        ("dialogue", Dialogue(turns, '[{"name": "f"}]', id="1", group="g")),
        ("labelled", Labelled("t", None, None, 2.0, id="1")),
        ("retrieval", Retrieval("q", ("a", "b"), ("c",), (1.0, 2.0), (0.5,), "Find: ", id="1")),
    ):
        write_training(path, TrainingSet(kind, (sample,)))  # type: ignore[arg-type]
        assert read_training(path).samples == (sample,)
