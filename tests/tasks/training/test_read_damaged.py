"""Real rows, damaged at random: a bad row is named, and never more than that goes wrong."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trivium.errors import UsageError
from trivium.tasks.training.parts import asked, said
from trivium.tasks.training.read import read_training
from trivium.tasks.training.write import write_training

Find = Callable[[str], Path]
JUNK = (None, 0, -1, 3.5, True, "", " ", [], {}, [[]], [None], {"a": 1}, '{"x":', "[1", "\ud800", float("nan"))


def rows(path: Path) -> list[Any]:
    text = path.read_text("utf-8")
    try:
        document = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    return document["data"] if isinstance(document, dict) else document


def damaged(value: Any, draw: random.Random, depth: int = 0) -> Any:
    if isinstance(value, dict) and value and draw.random() < 0.8:
        key = draw.choice(list(value))
        if (kind := draw.random()) < 0.2:
            del value[key]
        else:
            value[key] = draw.choice(JUNK) if kind < 0.5 or depth > 4 else damaged(value[key], draw, depth + 1)
        return value
    if isinstance(value, list) and value and draw.random() < 0.8:
        place = draw.randrange(len(value))
        value[place] = damaged(value[place], draw, depth + 1)
        return value
    return draw.choice(JUNK)


@pytest.mark.parametrize(
    "name",
    [
        *("ft/alpaca_en_demo.json", "ft/glaive_toolcall_en_demo.json", "ft/dpo_zh_demo.json", "ft/kto_en_demo.json"),
        *("ner/cluener_dev.json", "rgb/en_fact.json", "reversal_curse/p2d_prompts_test.jsonl", "ft/seed_tasks.jsonl"),
        *("dureader/search.train.json", "xquad/xquad.en.json"),
    ],
)
def test_damaged_rows(find: Find, tmp_path: Path, name: str) -> None:
    draw = random.Random(name)
    given = rows(find(name))[:30]
    path = tmp_path / "x.jsonl"
    read = 0
    cures = {"-"}
    for _ in range(12):
        some = [copy.deepcopy(draw.choice(given)) for _ in range(4)]
        for one in some[:3]:
            damaged(one, draw)
        path.write_text("".join(json.dumps(row) + "\n" for row in some))
        for kind in (None, "dialogue", "retrieval"):
            try:
                found = read_training(path, kind=kind)  # type: ignore[arg-type]
            except UsageError as error:
                cures.add(error.cure)
                continue
            read += 1
            for sample in found.samples:
                assert isinstance(asked(sample), str)
                assert isinstance(said(sample), str)
            own = {sample.id for sample in found.samples}
            assert all(
                problem.where.startswith("x.jsonl") or problem.kind == "another kind" for problem in found.problems
            )
            assert len(own) == len(found.samples)
            write_training(tmp_path / "y.jsonl", found)
            assert len(read_training(tmp_path / "y.jsonl", kind=found.kind).samples) == len(found.samples)
    assert all(cures)
    assert read >= 12  # the fourth row is always good
