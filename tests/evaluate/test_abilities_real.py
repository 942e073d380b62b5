"""The embedded models as a reader, on a few questions of each file."""

from __future__ import annotations

from pathlib import Path

import pytest

from trivium.evaluate.abilities.cases import passages_of
from trivium.evaluate.abilities.run import measured_in, read_files
from trivium.models.chat import open_chat
from trivium.models.embed import open_embedder
from trivium.readers import open_reader

pytestmark = pytest.mark.real


def test_the_embedded_models_read_real_passages(shared_data: Path, tmp_path: Path) -> None:
    names = ("rgb/en_fact.json", "rgb/zh_refine.json", "rgb/zh_int.json")
    files = [shared_data / name for name in names]
    if not all(file.is_file() for file in files):
        pytest.skip("no RGB")
    sets = read_files(files)
    reader = open_reader("advanced", chat=open_chat(), embedder=open_embedder(), collection=passages_of(sets))
    report = measured_in(tmp_path, sets, reader, settings={}, limit=12)
    found = {(one.ability, one.set, one.metric, one.at, one.arm): one.score for one in report.figures}
    assert report.failed == 0
    true = found["counterfactual", "en_fact", "accuracy", None, "true"]
    false = found["counterfactual", "en_fact", "accuracy", None, "false"]
    assert true.mean > false.mean + 0.25
    assert found["noise", "zh_refine", "accuracy", 0.0, ""].mean > found["noise", "zh_refine", "accuracy", 0.8, ""].mean
    assert found["integration", "zh_int", "parts", 0.0, ""].mean > 0.1
